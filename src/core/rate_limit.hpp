#pragma once

#include <algorithm>
#include <chrono>

namespace core {

/// So many a second, and what two seconds allow at once: a bucket that leaks evenly, kept as the
/// one moment at which it will be empty again.
/// Owner: what is limited. Thread: its owner's. Lifetime: its owner's.
class rate_limit {
public:
    using time_point = std::chrono::steady_clock::time_point;

    static constexpr std::chrono::seconds burst{2};

    /// Notes one at `now` if it is allowed. `per_second` 0: everything is.
    bool take(time_point now, unsigned per_second) {
        if (per_second == 0) {
            return true;
        }
        const auto after = std::max(empty_at_, now) +
                           std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second;
        if (after - now > burst) {
            return false;
        }
        empty_at_ = after;
        return true;
    }

    /// Nothing is remembered any more that could refuse one.
    bool idle(time_point now) const { return empty_at_ <= now; }

private:
    time_point empty_at_{};
};

/// Tells a client that doesn't heed refusals from one that was caught out by a burst.
class refusals {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Notes one at `now`; true when it is the 1,000th within a minute.
    bool refused(time_point now) {
        if (now - since_ > window) {
            since_ = now;
            count_ = 0;
        }
        return ++count_ >= limit;
    }

private:
    static constexpr unsigned limit = 1'000;
    static constexpr std::chrono::minutes window{1};

    time_point since_{};
    unsigned count_ = 0;
};

} // namespace core
