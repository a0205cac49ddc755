#pragma once

#include <string>

namespace core {

/// A new random uuid (version 4) in its lower-case text form. Thread: any.
std::string make_uuid();

} // namespace core
