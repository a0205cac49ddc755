#include "core/session_clock.hpp"
#include "moments.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using core::session_clock;
using core_test::start;
using event = session_clock::event;

TEST(SessionClock, HasNothingToSayByItself) {
    session_clock clock;
    EXPECT_EQ(clock.next(), session_clock::never);
    EXPECT_FALSE(clock.due(start + 24h));
}

TEST(SessionClock, WaitsForAFirstFrame) {
    session_clock clock;
    clock.first_frame_by(start + 60s);
    EXPECT_EQ(clock.next(), start + 60s);
    EXPECT_FALSE(clock.due(start + 59s));
    EXPECT_EQ(clock.due(start + 60s), event::no_first_frame);
    EXPECT_FALSE(clock.due(start + 61s)) << "each is told once";
}

TEST(SessionClock, AFirstFrameIsNoToken) {
    session_clock clock;
    clock.first_frame_by(start + 60s);
    clock.token_by(start + 10s);
    clock.heard();
    EXPECT_EQ(clock.next(), start + 10s);
    EXPECT_EQ(clock.due(start + 10s), event::no_token);
    EXPECT_EQ(clock.next(), session_clock::never);
}

TEST(SessionClock, WarnsBeforeATokenExpires) {
    session_clock clock;
    clock.token_by(start + 10s);
    clock.expires_at(start + 100s);
    EXPECT_EQ(clock.next(), start + 70s);
    EXPECT_FALSE(clock.due(start + 69s));
    EXPECT_EQ(clock.due(start + 70s), event::expiring);
    EXPECT_EQ(clock.left(start + 70s), 30s);
    EXPECT_FALSE(clock.due(start + 71s));
    EXPECT_EQ(clock.next(), start + 100s);
    EXPECT_EQ(clock.due(start + 100s), event::expired);
    EXPECT_EQ(clock.next(), session_clock::never);
}

TEST(SessionClock, WarnsAtOnceOfWhatExpiresSoon) {
    session_clock clock;
    clock.expires_at(start + 4500ms);
    EXPECT_EQ(clock.due(start), event::expiring);
    EXPECT_EQ(clock.left(start), 5s);
    EXPECT_FALSE(clock.due(start));
}

TEST(SessionClock, AnotherTokenBeginsAnew) {
    session_clock clock;
    clock.expires_at(start + 20s);
    EXPECT_EQ(clock.due(start), event::expiring);
    clock.expires_at(start + 1000s);
    EXPECT_FALSE(clock.due(start + 20s));
    EXPECT_EQ(clock.due(start + 970s), event::expiring);
}

TEST(SessionClock, ATokenMayBeForEver) {
    session_clock clock;
    clock.token_by(start + 10s);
    clock.expires_at(session_clock::never);
    EXPECT_EQ(clock.next(), session_clock::never);
    EXPECT_FALSE(clock.due(start + 100'000h));
}

} // namespace
