#include "core/subscription.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/core/frames.hpp"

namespace {

using core::subscription;
using core_test::frame;

/// After what the page is that it asks for; nothing where it asks for none.
std::optional<base::seq> page_after(const subscription::step& step) {
    const auto* const ask = std::get_if<subscription::read_page>(&step);
    return ask == nullptr ? std::nullopt : std::optional(ask->after);
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

TEST(Subscription, TakesSeveralAtOnceOnlyWhereEachIsTaken) {
    auto one = subscription::live_at(10);
    EXPECT_TRUE(one.offer_all(11, 15));
    EXPECT_EQ(one.cursor(), 15);
    EXPECT_FALSE(one.offer(15, true));
    EXPECT_FALSE(one.offer_all(15, 17)) << "the first is there already";
    EXPECT_EQ(one.cursor(), 15);
    EXPECT_TRUE(one.live()) << "nothing was decided";

    auto behind = subscription::behind_at(10);
    EXPECT_FALSE(behind.offer_all(11, 12));
    EXPECT_EQ(behind.cursor(), 10);

    auto consumer = subscription::live_at(10);
    consumer.limit_unacknowledged(5);
    EXPECT_FALSE(consumer.offer_all(11, 12)) << "its window counts each of them";
    EXPECT_TRUE(consumer.offer(11, true));
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
    ASSERT_EQ(page_after(step), 5);
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
    EXPECT_EQ(page_after(one.next(tail, "a", 100, true)), 7);
}

/// Otherwise it would be read again and again while others take the room.
TEST(Subscription, APageThatComesToAFullOutboxMovesTheCursorByOne) {
    core::tail tail(1'000'000);
    tail.reset(100);
    auto one = subscription::behind_at(5);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.page_begins(0, 0));
    EXPECT_FALSE(one.take(5, false)) << "it has this one";
    EXPECT_TRUE(one.take(7, false));
    EXPECT_FALSE(one.take(8, false));
    one.page_ends(100, false);
    EXPECT_EQ(one.cursor(), 7);
    EXPECT_EQ(page_after(one.next(tail, "a", 100, true)), 7);
}

TEST(Subscription, APageThatComesToAFullWindowMovesNothing) {
    core::tail tail(1'000'000);
    tail.reset(100);
    auto one = subscription::behind_at(5);
    one.limit_unacknowledged(1);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.page_begins(0, 0));
    EXPECT_TRUE(one.take(7, false));
    one.page_ends(100, true);
    EXPECT_TRUE(std::holds_alternative<subscription::wait>(one.next(tail, "a", 100, true)));
    EXPECT_TRUE(one.page_begins(0, 0));
    EXPECT_FALSE(one.take(8, true));
}

TEST(Subscription, SaysWhatItNeeds) {
    core::tail tail(1'000'000);
    tail.reset(100);
    tail.push(frame("a", 101));
    const auto needs = [&](const subscription& one) { return one.needs(tail, "a", 101); };
    EXPECT_EQ(needs(subscription::live_at(101)), core::need::nothing);
    EXPECT_EQ(needs(subscription::behind_at(100)), core::need::room);
    EXPECT_EQ(needs(subscription::behind_at(101)), core::need::room) << "to say that it is live";
    auto one = subscription::behind_at(99);
    one.limit_unacknowledged(1);
    EXPECT_EQ(needs(one), core::need::page);
    one.next(tail, "a", 101, true);
    EXPECT_EQ(needs(one), core::need::nothing) << "it waits for its page";
    one.page_begins(0, 0);
    one.take(100, true);
    one.page_ends(101, false);
    EXPECT_EQ(needs(one), core::need::nothing) << "its window is full";
    one.refuse(base::reset_reason::trimmed);
    EXPECT_EQ(needs(one), core::need::head);
    one.next(tail, "a", 101, false);
    EXPECT_EQ(needs(one), core::need::nothing);
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
    EXPECT_EQ(one.ack(12), std::nullopt) << "it was not sent yet";
    EXPECT_EQ(one.ack(11), 11);
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

// The shard has come to 100 of a batch that goes on to 200, and whose removals it was told before.
TEST(Subscription, WhatIsRemovedAheadOfTheShardIsKnownToWhoJoinsInBetween) {
    core::tail tail(1'000);
    tail.reset(50);
    tail.lacks("a", 150);
    for (const base::seq cursor : {60, 100, 120, 149}) {
        auto one = subscription::behind_at(cursor);
        one.joins(tail, "a", 100);
        const auto step = one.next(tail, "a", 100, true);
        ASSERT_TRUE(std::holds_alternative<subscription::find_head>(step)) << cursor;
        EXPECT_EQ(std::get<subscription::find_head>(step).reason, base::reset_reason::trimmed);
    }
    auto from_now = subscription::live_at(100);
    from_now.joins(tail, "a", 100);
    EXPECT_FALSE(from_now.live());
    auto behind_it = subscription::behind_at(150);
    behind_it.joins(tail, "a", 100);
    EXPECT_TRUE(
        std::holds_alternative<subscription::caught_up>(behind_it.next(tail, "a", 100, true)));
    // A page tells of what lies behind the shard.
    auto behind = subscription::behind_at(60);
    behind.joins(tail, "a", 150);
    EXPECT_TRUE(std::holds_alternative<subscription::read_page>(behind.next(tail, "a", 150, true)));
    auto other = subscription::live_at(100);
    other.joins(tail, "b", 100);
    EXPECT_TRUE(other.live());
    auto everything = subscription::from_start();
    everything.joins(tail, "a", 100);
    EXPECT_TRUE(
        std::holds_alternative<subscription::read_page>(everything.next(tail, "a", 100, true)));
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

/// A consumer with room for `most` that was given `seqs`, live at the last one.
subscription consumer_given(const std::vector<base::seq>& seqs, std::uint32_t most) {
    auto one = subscription::live_at(seqs.front() - 1);
    one.limit_unacknowledged(most);
    for (const base::seq seq : seqs) {
        EXPECT_TRUE(one.offer(seq, true)) << seq;
    }
    return one;
}

TEST(SubscriptionFailover, AConsumerGoesBackToWhereTheLogsPart) {
    core::tail tail(1'000'000);
    tail.reset(12);
    auto one = consumer_given({11, 12, 13, 14}, 4);
    EXPECT_EQ(one.ack(11), 11);
    EXPECT_TRUE(one.good_upto(12, base::reset_reason::epoch)) << "it is to be pumped";
    EXPECT_FALSE(one.live());
    EXPECT_EQ(one.cursor(), 12) << "12 is the same message in both, and is still with the client";
    auto step = one.next(tail, "a", 12, true);
    ASSERT_TRUE(std::holds_alternative<subscription::caught_up>(step)) << "no reset";
    EXPECT_EQ(std::get<subscription::caught_up>(step).seq, 12);
    for (const base::seq again : {13, 14, 15}) {
        EXPECT_TRUE(one.offer(again, true)) << again << ", another message now";
    }
    EXPECT_FALSE(one.offer(16, true)) << "12 to 15 are unacknowledged";
    EXPECT_TRUE(one.window_full());
    EXPECT_EQ(one.ack(15), 15);
    EXPECT_FALSE(one.window_full());
}

TEST(SubscriptionFailover, WhatIsLostFillsNoWindow) {
    auto one = consumer_given({11, 12, 13}, 3);
    EXPECT_FALSE(one.offer(14, true));
    ASSERT_TRUE(one.window_full());
    EXPECT_TRUE(one.good_upto(11, base::reset_reason::epoch));
    EXPECT_FALSE(one.window_full());
}

TEST(SubscriptionFailover, AConsumerWhoseAcksAreBeyondIsReset) {
    core::tail tail(1'000'000);
    auto one = consumer_given({11, 12, 13}, 4);
    EXPECT_EQ(one.ack(13), 13);
    EXPECT_TRUE(one.good_upto(12, base::reset_reason::epoch));
    const auto step = one.next(tail, "a", 12, true);
    ASSERT_TRUE(std::holds_alternative<subscription::find_head>(step));
    EXPECT_EQ(std::get<subscription::find_head>(step).reason, base::reset_reason::epoch);
}

TEST(SubscriptionFailover, AConsumerOfALogThatIsNoMoreIsReset) {
    core::tail tail(1'000'000);
    auto one = subscription::live_at(0);
    one.limit_unacknowledged(4);
    EXPECT_TRUE(one.good_upto(-1, base::reset_reason::epoch));
    EXPECT_TRUE(std::holds_alternative<subscription::find_head>(one.next(tail, "a", 12, true)));
}

/// The client acknowledges what it was given, before it has read that the log is another one.
TEST(SubscriptionFailover, AnAckOfWhatIsLostCountsForWhatIsKept) {
    auto one = consumer_given({11, 12, 13, 14}, 4);
    one.good_upto(12, base::reset_reason::epoch);
    EXPECT_EQ(one.ack(15), std::nullopt) << "never sent";
    EXPECT_EQ(one.ack(14), 12);
    EXPECT_EQ(one.ack(12), 12);
    one.reset_to(12);
    for (const base::seq again : {13, 14, 15, 16}) {
        EXPECT_TRUE(one.offer(again, true)) << "nothing is unacknowledged";
    }
    EXPECT_EQ(one.ack(14), 14) << "given in this log";
}

TEST(SubscriptionFailover, AnAckThatCrossesAResetIsNoMistake) {
    auto one = consumer_given({11, 12, 13, 14}, 4);
    one.ack(13);
    one.good_upto(12, base::reset_reason::epoch);
    one.reset_to(12);
    EXPECT_EQ(one.ack(14), 12);
    EXPECT_EQ(one.ack(15), std::nullopt);
}

TEST(SubscriptionFailover, APageAskedForBeforeIsReadAgainFromTheNewPlace) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::behind_at(50);
    one.limit_unacknowledged(10);
    one.next(tail, "a", 100, true);
    one.page_begins(0, 0);
    EXPECT_TRUE(one.take(60, true));
    one.page_ends(100, true);
    one.next(tail, "a", 100, true);
    ASSERT_TRUE(one.waiting());
    EXPECT_TRUE(one.good_upto(55, base::reset_reason::epoch));
    EXPECT_TRUE(std::holds_alternative<subscription::wait>(one.next(tail, "a", 55, true)))
        << "one page at a time, also when it will be thrown away";
    one.failed();
    EXPECT_EQ(page_after(one.next(tail, "a", 70, true)), 55);
}

/// Just before the oldest message that is kept is a number of the log, too.
TEST(SubscriptionFailover, OneThatHasNotBegunBeginsNoLaterThanWhereTheLogsPart) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::from_start(80);
    one.limit_unacknowledged(10);
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.good_upto(70, base::reset_reason::epoch));
    one.failed();
    EXPECT_EQ(page_after(one.next(tail, "a", 100, true)), 70);
    EXPECT_TRUE(one.page_begins(90, 0)) << "what was removed before it began";
}

TEST(SubscriptionFailover, WhatWasForgivenInALostPartIsNotForgivenInTheNewOne) {
    core::tail tail(1'000);
    tail.reset(100);
    auto one = subscription::from_start();
    one.next(tail, "a", 100, true);
    EXPECT_TRUE(one.page_begins(90, 0));
    EXPECT_TRUE(one.take(20, true));
    one.page_ends(100, true);
    EXPECT_FALSE(one.good_upto(70, base::reset_reason::epoch));
    one.next(tail, "a", 100, true);
    EXPECT_FALSE(one.page_begins(80, 0)) << "80 is another message now, and it was removed";
}

} // namespace
