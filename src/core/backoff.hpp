#pragma once

#include <chrono>
#include <cstdint>

namespace core {

/// How long to wait before the next attempt: the first at once, then doubling up to a ceiling, each
/// wait drawn between half and whole so that many instances don't come back together.
/// Owner: whoever retries. Thread: its owner's. Lifetime: its owner's.
class backoff {
public:
    using milliseconds = std::chrono::milliseconds;

    backoff(milliseconds first, milliseconds ceiling) : first_(first), ceiling_(ceiling) {}

    /// `random`: any 32 random bits.
    milliseconds next(std::uint32_t random);
    void succeeded() { attempts_ = 0; }

private:
    milliseconds first_;
    milliseconds ceiling_;
    unsigned attempts_ = 0;
};

} // namespace core
