#include "app/notify_systemd.hpp"

#ifdef PGHERALD_HAS_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace app {

void notify_systemd([[maybe_unused]] const std::string& state) {
#ifdef PGHERALD_HAS_SYSTEMD
    sd_notify(0, state.c_str());
#endif
}

} // namespace app
