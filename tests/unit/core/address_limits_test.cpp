#include "core/address_limits.hpp"
#include "moments.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace std::chrono_literals;
using core_test::start;
using verdict = core::address_limits::verdict;

core::address number(unsigned n) {
    core::address made{0x20, 1};
    made[6] = static_cast<unsigned char>(n >> 8);
    made[7] = static_cast<unsigned char>(n);
    return made;
}

TEST(AddressLimits, CountsSessionsOfEachAddress) {
    core::address_limits limits;
    const core::address_limits::limits most{2, 0};
    EXPECT_EQ(limits.enter(number(1), start, most), verdict::enter);
    EXPECT_EQ(limits.enter(number(1), start, most), verdict::enter);
    EXPECT_EQ(limits.enter(number(1), start, most), verdict::too_many);
    EXPECT_EQ(limits.enter(number(2), start, most), verdict::enter);
    limits.leave(number(1), start);
    EXPECT_EQ(limits.enter(number(1), start, most), verdict::enter);
    EXPECT_EQ(limits.enter(number(1), start, most), verdict::too_many);
}

TEST(AddressLimits, CountsHandshakesOfEachAddress) {
    core::address_limits limits;
    const core::address_limits::limits most{0, 5};
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(limits.enter(number(1), start, most), verdict::enter);
        limits.leave(number(1), start);
    }
    EXPECT_EQ(limits.enter(number(1), start, most), verdict::too_fast);
    EXPECT_EQ(limits.enter(number(2), start, most), verdict::enter);
    EXPECT_EQ(limits.enter(number(1), start + 200ms, most), verdict::enter);
}

TEST(AddressLimits, WhoHasTooManySessionsCanStillAskWhy) {
    core::address_limits limits;
    const core::address_limits::limits most{2, 1'000};
    for (int i = 0; i < 4; ++i) {
        ASSERT_EQ(limits.connect(number(1), start, most), verdict::enter);
    }
    EXPECT_EQ(limits.connect(number(1), start, most), verdict::too_many);
    limits.disconnect(number(1), start);
    EXPECT_EQ(limits.connect(number(1), start, most), verdict::enter);
}

TEST(AddressLimits, CutsConnectionsAtFourTimesTheHandshakes) {
    core::address_limits limits;
    const core::address_limits::limits most{0, 1};
    int taken = 0;
    while (limits.connect(number(1), start, most) == verdict::enter) {
        ++taken;
    }
    EXPECT_EQ(taken, 8);
}

TEST(AddressLimits, ZeroIsNoLimit) {
    core::address_limits limits;
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_EQ(limits.connect(number(1), start, {}), verdict::enter);
        ASSERT_EQ(limits.enter(number(1), start, {}), verdict::enter);
    }
}

TEST(AddressLimits, TellsOnceAMinute) {
    core::address_limits limits;
    EXPECT_TRUE(limits.should_tell(number(1), start));
    EXPECT_FALSE(limits.should_tell(number(1), start + 59s));
    EXPECT_TRUE(limits.should_tell(number(2), start));
    EXPECT_TRUE(limits.should_tell(number(1), start + 60s));
}

TEST(AddressLimits, ForgetsAddressesThatAreGone) {
    core::address_limits limits;
    const core::address_limits::limits most{10, 10};
    ASSERT_EQ(limits.enter(number(60'000), start, most), verdict::enter);
    for (unsigned n = 0; n < 50'000; ++n) {
        const auto at = start + 10ms * n;
        ASSERT_EQ(limits.connect(number(n), at, most), verdict::enter);
        limits.disconnect(number(n), at);
    }
    EXPECT_LT(limits.addresses(), 3'000U);
    const auto later = start + 600s;
    for (int i = 0; i < 9; ++i) {
        ASSERT_EQ(limits.enter(number(60'000), later, most), verdict::enter);
    }
    EXPECT_EQ(limits.enter(number(60'000), later, most), verdict::too_many)
        << "its first session is remembered";
}

} // namespace
