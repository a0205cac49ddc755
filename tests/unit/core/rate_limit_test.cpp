#include "core/rate_limit.hpp"
#include "moments.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using core_test::start;

TEST(RateLimit, LetsTwoSecondsWorthThroughAtOnceAndThenItsRate) {
    core::rate_limit rate;
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(rate.take(start, 10)) << i;
    }
    EXPECT_FALSE(rate.take(start, 10));
    EXPECT_FALSE(rate.take(start + 99ms, 10));
    EXPECT_TRUE(rate.take(start + 100ms, 10));
    EXPECT_FALSE(rate.take(start + 100ms, 10));
}

TEST(RateLimit, OverALongTimeItIsTheRateWhateverIsRefused) {
    core::rate_limit rate;
    int taken = 0;
    for (auto at = 0ms; at < 100s; at += 1ms) {
        taken += rate.take(start + at, 50) ? 1 : 0;
    }
    EXPECT_NEAR(taken, 100 * 50 + 2 * 50, 2);
}

TEST(RateLimit, RestGivesNoMoreThanTheBurst) {
    core::rate_limit rate;
    int taken = 0;
    while (rate.take(start + 24h, 10)) {
        ++taken;
    }
    EXPECT_EQ(taken, 20);
}

TEST(RateLimit, ZeroIsNoLimit) {
    core::rate_limit rate;
    for (int i = 0; i < 100'000; ++i) {
        ASSERT_TRUE(rate.take(start, 0));
    }
}

TEST(RateLimit, ASlowRateStillLetsTheFirstThrough) {
    core::rate_limit rate;
    EXPECT_TRUE(rate.take(start, 1));
    EXPECT_TRUE(rate.take(start, 1));
    EXPECT_FALSE(rate.take(start, 1));
    EXPECT_FALSE(rate.idle(start + 1999ms));
    EXPECT_TRUE(rate.idle(start + 2s));
}

TEST(Refusals, AThousandWithinAMinuteAreAbuse) {
    core::refusals refusals;
    for (int i = 1; i < 1'000; ++i) {
        ASSERT_FALSE(refusals.refused(start + 10ms * i)) << i;
    }
    EXPECT_TRUE(refusals.refused(start + 10s));
}

TEST(Refusals, ASlowTrickleIsNot) {
    core::refusals refusals;
    for (int i = 1; i < 5'000; ++i) {
        ASSERT_FALSE(refusals.refused(start + 100ms * i)) << i;
    }
}

} // namespace
