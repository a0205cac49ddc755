#pragma once

#include <string>

namespace app {

/// Tells systemd (Type=notify) about the daemon; does nothing when it wasn't started by it or was
/// built without libsystemd.
void notify_systemd(const std::string& state);

} // namespace app
