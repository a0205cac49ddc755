#pragma once

#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace support {

/// Moves this process, before it has threads, into a network of its own with nothing but a loopback
/// interface, so that its packets can be dropped without anybody else noticing. Returns why that
/// can't be; empty when it is done.
inline std::string enter_private_network() {
    if (geteuid() != 0) {
        return "only root may have a network of its own";
    }
    if (unshare(CLONE_NEWNET) != 0) {
        return "unshare(CLONE_NEWNET): " + std::string(std::strerror(errno));
    }
    const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq loopback{};
    std::strncpy(loopback.ifr_name, "lo", IFNAMSIZ - 1);
    loopback.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    const bool up = ioctl(any, SIOCSIFFLAGS, &loopback) == 0;
    const int why = errno;
    close(any);
    return up ? "" : "lo can't be brought up: " + std::string(std::strerror(why));
}

} // namespace support
