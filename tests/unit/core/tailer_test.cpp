#include "core/tailer.hpp"

#include <gtest/gtest.h>

namespace {

TEST(Tailer, ReadsOnceAtStartThenRests) {
    core::tailer tailer;
    tailer.start_at(5);
    EXPECT_GT(tailer.begin_read(), 0);
    tailer.end_read(0, false);
    EXPECT_TRUE(tailer.caught_up());
    EXPECT_EQ(tailer.begin_read(), 0);
    EXPECT_EQ(tailer.position(), 5);
}

TEST(Tailer, ARingDuringAReadIsAnsweredByAnother) {
    core::tailer tailer;
    tailer.begin_read();
    tailer.ring();
    tailer.end_read(9, false);
    EXPECT_EQ(tailer.position(), 9);
    EXPECT_FALSE(tailer.caught_up());
    EXPECT_GT(tailer.begin_read(), 0);
}

TEST(Tailer, ReadsOnWhileThereIsMoreInGrowingPages) {
    core::tailer tailer;
    const int first = tailer.begin_read();
    tailer.end_read(first, true);
    const int second = tailer.begin_read();
    EXPECT_GT(second, first);
    tailer.end_read(first + 1, false);
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
    tailer.end_read(0, false);
    tailer.listening(7);
    EXPECT_EQ(tailer.begin_read(), 0) << "nothing was committed meanwhile";
    tailer.listening(9);
    EXPECT_GT(tailer.begin_read(), 0);
    EXPECT_EQ(tailer.position(), 7);
}

TEST(Tailer, AFloodOfRingsWithNothingBehindThemIsSlowedDown) {
    core::tailer tailer;
    for (int i = 0; i < 100; ++i) {
        tailer.ring();
        tailer.begin_read();
        tailer.end_read(0, false);
    }
    EXPECT_GT(tailer.rest().count(), 0);
    tailer.ring();
    tailer.begin_read();
    tailer.end_read(1, false);
    EXPECT_EQ(tailer.rest().count(), 0);
}

} // namespace
