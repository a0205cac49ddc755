#include "app/policy.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;

app::identity_ptr until(std::chrono::sys_seconds expires) {
    const auto policy = app::make_policy(config::settings{}, auth::key_set{});
    auth::claims claims;
    claims.expires = expires;
    return app::identify(*policy, std::move(claims));
}

// In nanoseconds it is past the end of what 64 bits hold from the year 2262 on, and came out as a
// time before now.
TEST(Policy, ATokenMayExpireInAFarFuture) {
    const auto soon = std::chrono::steady_clock::now() + 24h;
    for (const std::int64_t seconds :
         {9'223'372'036L, 9'223'372'037L, 12'000'000'000L, 32'503'680'000L, 253'402'300'799L}) {
        EXPECT_GT(until(std::chrono::sys_seconds(std::chrono::seconds(seconds)))->expires, soon)
            << seconds;
    }
}

TEST(Policy, ATokensEndIsItsOwn) {
    const auto wall = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto now = std::chrono::steady_clock::now();
    const auto end = until(wall + 100s)->expires;
    EXPECT_GT(end, now + 98s);
    EXPECT_LT(end, now + 102s);
}

} // namespace
