#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace core {

/// Counts bad frames: the 10th within a minute is one too many.
/// Owner: app::session. Thread: the shard's. Lifetime: the session's.
class strikes {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Notes one at `now`; true when the session must end.
    bool strike(time_point now) {
        times_[next_] = now;
        next_ = (next_ + 1) % limit;
        count_ = std::min(count_ + 1, limit);
        // Full, the ring's next place holds the oldest of the last ten.
        return count_ == limit && now - times_[next_] <= window;
    }

private:
    static constexpr std::size_t limit = 10;
    static constexpr std::chrono::minutes window{1};

    std::array<time_point, limit> times_{};
    std::size_t next_ = 0;
    std::size_t count_ = 0;
};

} // namespace core
