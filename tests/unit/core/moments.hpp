#pragma once

#include <chrono>

namespace core_test {

/// When everything begins; what is looked at counts from here.
inline constexpr std::chrono::steady_clock::time_point start{std::chrono::hours(1'000)};

} // namespace core_test
