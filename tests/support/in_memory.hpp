#pragma once

#include <cstdint>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace support {

inline constexpr const char* on_disk = "/tmp";

/// Where files go that never have to be flushed: databases made and dropped by the hundred are
/// thousands of files, and a third of the processor time of the tests went into the file system.
inline const char* in_memory_or_on_disk() {
    constexpr const char* in_memory = "/dev/shm";
    constexpr std::uint64_t enough = 4ULL << 30;
    struct statfs found = {};
    const bool there = ::statfs(in_memory, &found) == 0 && found.f_type == TMPFS_MAGIC &&
                       ::access(in_memory, W_OK | X_OK) == 0;
    const auto free =
        static_cast<std::uint64_t>(found.f_bavail) * static_cast<std::uint64_t>(found.f_bsize);
    return there && free >= enough ? in_memory : on_disk;
}

} // namespace support
