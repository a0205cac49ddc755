#include "core/subscription.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using core::subscription;

base::frame_ptr frame(std::string channel, base::seq seq, std::size_t bytes = 10) {
    return std::make_shared<base::frame>(std::string(bytes, 'x'), 0, std::move(channel), seq);
}

TEST(Subscription, LiveTakesWhatComesAndNothingTwice) {
    auto one = subscription::live_at(10);
    EXPECT_FALSE(one.offer(10, true));
    EXPECT_TRUE(one.offer(11, true));
    EXPECT_FALSE(one.offer(11, true));
    EXPECT_TRUE(one.live());
}

TEST(Subscription, WithoutRoomItStopsJustBeforeTheMessage) {
    auto one = subscription::live_at(10);
    EXPECT_FALSE(one.offer(15, false));
    EXPECT_FALSE(one.live());
    EXPECT_EQ(one.cursor(), 14);
    EXPECT_FALSE(one.offer(16, true)) << "behind, it is pumped, not offered";
}

TEST(Subscription, CatchesUpFromTheTail) {
    core::tail tail(1'000'000);
    tail.reset(10);
    tail.push(frame("a", 11));
    tail.push(frame("b", 12));
    tail.push(frame("a", 13));
    auto one = subscription::behind_at(11);
    auto step = one.next(tail, "a", 13, true);
    ASSERT_TRUE(std::holds_alternative<subscription::send>(step));
    EXPECT_EQ(std::get<subscription::send>(step).frame->seq(), 13);
    step = one.next(tail, "a", 13, true);
    ASSERT_TRUE(std::holds_alternative<subscription::caught_up>(step));
    EXPECT_EQ(std::get<subscription::caught_up>(step).seq, 13);
    EXPECT_TRUE(one.live());
}

TEST(Subscription, ReadsPagesWhereTheTailDoesNotReach) {
    core::tail tail(1'000'000);
    tail.reset(100);
    auto one = subscription::behind_at(5);
    const auto step = one.next(tail, "a", 120, true);
    ASSERT_TRUE(std::holds_alternative<subscription::read_page>(step));
    EXPECT_EQ(std::get<subscription::read_page>(step).after, 5);
    EXPECT_EQ(std::get<subscription::read_page>(step).upto, 120);
    EXPECT_TRUE(std::holds_alternative<subscription::wait>(one.next(tail, "a", 120, true)))
        << "one page at a time";
    EXPECT_TRUE(one.page_begins(0, 0));
    EXPECT_TRUE(one.take(7, true));
    one.page_ends(120, false);
    EXPECT_EQ(one.cursor(), 120);
}

TEST(Subscription, APageCutShortIsReadOnFromTheCut) {
    core::tail tail(1'000'000);
    tail.reset(100);
    auto one = subscription::behind_at(0);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.page_begins(0, 0));
    EXPECT_TRUE(one.take(7, true));
    EXPECT_FALSE(one.take(8, false));
    EXPECT_FALSE(one.take(9, true)) << "nothing may overtake the message that had no room";
    one.page_ends(100, false);
    EXPECT_EQ(one.cursor(), 7);
    const auto step = one.next(tail, "a", 100, true);
    ASSERT_TRUE(std::holds_alternative<subscription::read_page>(step));
    EXPECT_EQ(std::get<subscription::read_page>(step).after, 7);
}

TEST(Subscription, ACursorAheadOfThisInstanceWaitsForItsMessage) {
    core::tail tail(1'000);
    tail.reset(10);
    auto one = subscription::behind_at(20);
    const auto step = one.next(tail, "a", 10, true);
    ASSERT_TRUE(std::holds_alternative<subscription::caught_up>(step));
    EXPECT_EQ(std::get<subscription::caught_up>(step).seq, 20);
    EXPECT_FALSE(one.offer(19, true));
    EXPECT_TRUE(one.offer(21, true));
}

TEST(Subscription, AFullWindowIsTheSameAsAFullOutbox) {
    core::tail tail(1'000'000);
    tail.reset(10);
    auto one = subscription::live_at(10);
    one.limit_unacknowledged(1);
    EXPECT_TRUE(one.offer(11, true));
    EXPECT_FALSE(one.offer(12, true));
    tail.push(frame("a", 12));
    EXPECT_FALSE(one.live());
    EXPECT_TRUE(one.window_full());
    EXPECT_TRUE(std::holds_alternative<subscription::wait>(one.next(tail, "a", 12, true)));
    EXPECT_FALSE(one.ack(12)) << "it was not sent yet";
    EXPECT_TRUE(one.ack(11));
    const auto step = one.next(tail, "a", 12, true);
    ASSERT_TRUE(std::holds_alternative<subscription::send>(step));
    EXPECT_EQ(std::get<subscription::send>(step).frame->seq(), 12);
}

TEST(Subscription, AsksForNoMoreThanItsWindowTakes) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::behind_at(0);
    one.limit_unacknowledged(3);
    const auto step = one.next(tail, "a", 100, true);
    EXPECT_EQ(std::get<subscription::read_page>(step).limit, 3);
}

TEST(Subscription, IsResetWhenMessagesAfterItsCursorWereRemoved) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::behind_at(5);
    one.next(tail, "a", 100, true);
    EXPECT_FALSE(one.page_begins(6, 0));
    auto step = one.next(tail, "a", 100, false);
    ASSERT_TRUE(std::holds_alternative<subscription::find_head>(step)) << "without room, too";
    EXPECT_EQ(std::get<subscription::find_head>(step).reason, base::reset_reason::trimmed);
    one.failed();
    step = one.next(tail, "a", 100, true);
    ASSERT_TRUE(std::holds_alternative<subscription::find_head>(step));
    one.reset_to(120);
    EXPECT_TRUE(one.live());
    EXPECT_FALSE(one.offer(120, true));
    EXPECT_TRUE(one.offer(121, true));
}

TEST(Subscription, WhatWasRemovedUpToItsCursorIsNoReason) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::behind_at(5);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.page_begins(5, 5));
}

TEST(Subscription, AnEmptiedLogIsAnotherOne) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::behind_at(5);
    one.next(tail, "a", 100, true);
    EXPECT_FALSE(one.page_begins(6, 6));
    const auto step = one.next(tail, "a", 100, true);
    EXPECT_EQ(std::get<subscription::find_head>(step).reason, base::reset_reason::epoch);
}

TEST(Subscription, FromTheStartForgivesWhatWasRemovedBefore) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::from_start();
    one.next(tail, "a", 100, true);
    EXPECT_FALSE(one.removed(50)) << "it has not begun";
    EXPECT_TRUE(one.page_begins(50, 40));
    EXPECT_TRUE(one.take(45, true));
    one.page_ends(100, true);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.page_begins(50, 40));
    one.page_ends(100, true);
    one.next(tail, "a", 100, true);
    EXPECT_FALSE(one.page_begins(51, 40)) << "removed since";
}

TEST(Subscription, APageThatArrivesAfterARefusalIsOfNoUse) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::behind_at(90);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.good_upto(80, base::reset_reason::epoch));
    EXPECT_TRUE(std::holds_alternative<subscription::wait>(one.next(tail, "a", 100, true)));
    EXPECT_FALSE(one.page_begins(0, 0));
    EXPECT_TRUE(std::holds_alternative<subscription::find_head>(one.next(tail, "a", 100, true)));
}

TEST(Subscription, GoesOnInALogThatSharesItsCursor) {
    auto one = subscription::live_at(80);
    EXPECT_FALSE(one.good_upto(80, base::reset_reason::epoch));
    EXPECT_TRUE(one.live());
}

} // namespace
