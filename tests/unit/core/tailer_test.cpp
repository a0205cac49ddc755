#include "core/tailer.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using page_end = core::tailer::page_end;

constexpr core::tailer::time_point t0{};

TEST(Tailer, ReadsOnceAtStartThenRests) {
    core::tailer tailer;
    tailer.start_at(5);
    EXPECT_GT(tailer.begin_read(), 0);
    tailer.end_read({});
    EXPECT_TRUE(tailer.caught_up());
    EXPECT_EQ(tailer.begin_read(), 0);
    EXPECT_EQ(tailer.position(), 5);
}

TEST(Tailer, ARingDuringAReadIsAnsweredByAnother) {
    core::tailer tailer;
    tailer.begin_read();
    tailer.ring(t0);
    tailer.end_read({.message = 9});
    EXPECT_EQ(tailer.position(), 9);
    EXPECT_FALSE(tailer.caught_up());
    EXPECT_GT(tailer.begin_read(), 0);
}

TEST(Tailer, ReadsOnWhileThereIsMoreInGrowingPages) {
    core::tailer tailer;
    const int first = tailer.begin_read();
    tailer.end_read({.message = first, .more_messages = true});
    const int second = tailer.begin_read();
    EXPECT_GT(second, first);
    tailer.end_read({.message = first + 1});
    EXPECT_EQ(tailer.begin_read(), 0);
}

TEST(Tailer, AFailedReadIsMadeAgainFromTheSamePosition) {
    core::tailer tailer;
    tailer.start_at(7);
    tailer.begin_read();
    tailer.fail_read();
    EXPECT_EQ(tailer.position(), 7);
    EXPECT_GT(tailer.begin_read(), 0);
}

TEST(Tailer, ReadsWhatRangUnheardWhenListenStandsAgain) {
    core::tailer tailer;
    tailer.start_at(7);
    tailer.begin_read();
    tailer.end_read({});
    tailer.listening(7);
    EXPECT_EQ(tailer.begin_read(), 0) << "nothing was committed meanwhile";
    tailer.listening(9);
    EXPECT_GT(tailer.begin_read(), 0);
    EXPECT_EQ(tailer.position(), 7);
}

TEST(Tailer, AFloodOfRingsWithNothingBehindThemIsSlowedDown) {
    core::tailer tailer;
    for (int i = 0; i < 100; ++i) {
        tailer.ring(t0);
        tailer.begin_read();
        tailer.end_read({});
    }
    EXPECT_GT(tailer.rest().count(), 0);
    tailer.ring(t0);
    tailer.begin_read();
    tailer.end_read({.message = 1});
    EXPECT_EQ(tailer.rest().count(), 0);
}

/// Reads a page after 10 that ends so; returns where the next one begins.
base::seq after_ten(core::tailer& tailer, const page_end& end) {
    tailer.start_at(10);
    tailer.begin_read();
    tailer.end_read(end);
    return tailer.position();
}

TEST(TailerPage, WithoutRemovalsEndsAtItsLastMessage) {
    core::tailer tailer;
    EXPECT_EQ(after_ten(tailer, {.message = 20}), 20);
    EXPECT_EQ(after_ten(tailer, {.message = 20, .more_messages = true}), 20);
    EXPECT_EQ(after_ten(tailer, {}), 10);
}

TEST(TailerPage, ARemovalBehindTheLastMessageIsSettledWhereNoMessageIsLeftBefore) {
    core::tailer tailer;
    EXPECT_EQ(after_ten(tailer, {.message = 20, .removal = 25}), 25);
    EXPECT_EQ(after_ten(tailer, {.removal = 25}), 25);
    EXPECT_EQ(after_ten(tailer, {.message = 20, .removal = 25, .more_messages = true}), 20)
        << "21 to 24 may be messages";
    EXPECT_EQ(after_ten(tailer, {.message = 20, .removal = 15}), 20);
}

TEST(TailerLag, IsTheAgeOfTheOldestRingWithoutAnAnswer) {
    core::tailer tailer;
    tailer.begin_read();
    tailer.end_read({});
    EXPECT_EQ(tailer.lag(t0 + 100s), 0s) << "nothing has rung";
    tailer.ring(t0 + 100s);
    tailer.ring(t0 + 101s);
    EXPECT_EQ(tailer.lag(t0 + 103s), 3s) << "not read: somebody holds it back";
    tailer.begin_read();
    EXPECT_EQ(tailer.lag(t0 + 104s), 4s) << "the page is on its way";
    tailer.fail_read();
    tailer.ring(t0 + 105s);
    tailer.begin_read();
    EXPECT_EQ(tailer.lag(t0 + 106s), 6s) << "a second try";
    tailer.end_read({.message = 5, .more_messages = true});
    EXPECT_EQ(tailer.lag(t0 + 107s), 7s) << "more than a page";
    tailer.begin_read();
    tailer.ring(t0 + 108s);
    tailer.end_read({.message = 6});
    EXPECT_EQ(tailer.lag(t0 + 110s), 2s) << "what rang meanwhile";
    tailer.begin_read();
    tailer.end_read({});
    EXPECT_EQ(tailer.lag(t0 + 200s), 0s);
}

TEST(TailerLag, UnderLoadItIsAtTheEndThoughNeverAtRest) {
    core::tailer tailer;
    for (int i = 1; i < 100; ++i) {
        tailer.begin_read();
        tailer.ring(t0 + i * 1s);
        tailer.end_read({.message = i});
        EXPECT_FALSE(tailer.caught_up());
        EXPECT_TRUE(tailer.at_end());
        EXPECT_EQ(tailer.lag(t0 + i * 1s), 0s);
    }
}

TEST(TailerLag, IsNotAtTheEndBeforeItHasReadToIt) {
    core::tailer tailer;
    EXPECT_FALSE(tailer.at_end());
    tailer.begin_read();
    tailer.end_read({.message = 1, .more_messages = true});
    EXPECT_FALSE(tailer.at_end());
    tailer.begin_read();
    tailer.end_read({.message = 2});
    EXPECT_TRUE(tailer.at_end());
    tailer.listening(2);
    EXPECT_TRUE(tailer.at_end()) << "nothing came while LISTEN was away";
    tailer.listening(3);
    EXPECT_FALSE(tailer.at_end());
    tailer.begin_read();
    tailer.fail_read();
    EXPECT_FALSE(tailer.at_end());
}

} // namespace
