#pragma once

#include <chrono>
#include <thread>

namespace support {

// Polls `predicate` until it is true or `deadline` has passed, napping 2 ms between tries. The
// predicate is asked at least once, and once more after the deadline, so a slow machine can't turn
// a fact that has become true into a failure.
template <class Predicate>
bool eventually(std::chrono::steady_clock::time_point deadline, Predicate&& predicate) {
    while (!predicate()) {
        if (std::chrono::steady_clock::now() >= deadline)
            return predicate();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

template <class Rep, class Period, class Predicate>
bool eventually(std::chrono::duration<Rep, Period> patience, Predicate&& predicate) {
    return eventually(std::chrono::steady_clock::now() + patience,
                      static_cast<Predicate&&>(predicate));
}

} // namespace support
