#include "core/subscription.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
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
    one.page_begins();
    EXPECT_TRUE(one.take(7, true));
    one.page_ends(120, false);
    EXPECT_EQ(one.cursor(), 120);
}

TEST(Subscription, APageCutShortIsReadOnFromTheCut) {
    core::tail tail(1'000'000);
    tail.reset(100);
    auto one = subscription::behind_at(0);
    one.next(tail, "a", 100, true);
    one.page_begins();
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

/// A log that grows, a tail that forgets, an outbox that fills and empties, pages that arrive late
/// or fail: what the subscription sends must be the channel's log after its start, once, in order.
TEST(Subscription, RandomOperationsGiveTheLogOnceInOrder) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 random(seed);
        core::tail tail(400 + random() % 4'000);
        std::vector<base::seq> log; // of channel "a"
        base::seq position = 0;
        tail.reset(0);
        const auto grow = [&] {
            position += 1 + static_cast<base::seq>(random() % 3);
            const bool ours = random() % 2 == 0;
            if (ours) {
                log.push_back(position);
            }
            tail.push(frame(ours ? "a" : "b", position, random() % 100));
            return ours;
        };
        for (auto i = random() % 100; i > 0; --i) {
            grow();
        }
        const base::seq start = random() % 2 ? position : static_cast<base::seq>(random() % 50);
        auto one = start == position ? subscription::live_at(position)
                                     : subscription::behind_at(std::min(start, position));
        const base::seq begin = one.cursor();
        std::vector<base::seq> sent;
        int room = 3;
        std::optional<subscription::read_page> asked;
        const auto give = [&](base::seq seq) {
            sent.push_back(seq);
            --room;
        };
        const auto pump = [&] {
            while (true) {
                auto step = one.next(tail, "a", position, room > 0);
                if (auto* frame = std::get_if<subscription::send>(&step)) {
                    give(frame->frame->seq());
                } else if (auto* ask = std::get_if<subscription::read_page>(&step)) {
                    asked = *ask;
                    return;
                } else {
                    return;
                }
            }
        };
        const auto answer_page = [&] {
            if (random() % 5 == 0) {
                one.page_failed();
            } else {
                one.page_begins();
                const int limit = 1 + static_cast<int>(random() % 6); // may be cut by bytes
                int rows = 0;
                bool more = false;
                for (const base::seq seq : log) {
                    if (seq <= asked->after || seq > asked->upto) {
                        continue;
                    }
                    if (rows == limit) {
                        more = true;
                        break;
                    }
                    ++rows;
                    if (one.take(seq, room > 0)) {
                        give(seq);
                    }
                }
                one.page_ends(asked->upto, more);
            }
            asked.reset();
        };
        for (int step = 0; step < 400; ++step) {
            switch (random() % 4) {
            case 0:
                if (grow() && one.offer(position, room > 0)) {
                    give(position);
                }
                break;
            case 1:
                room = static_cast<int>(random() % 4);
                break;
            case 2:
                if (asked) {
                    answer_page();
                }
                break;
            default:
                if (!asked) {
                    pump();
                }
            }
        }
        room = 1'000'000;
        for (int i = 0; i < 10'000 && !one.live(); ++i) {
            if (asked) {
                answer_page();
            }
            pump();
        }
        std::vector<base::seq> expected;
        std::ranges::copy_if(log, std::back_inserter(expected),
                             [&](base::seq seq) { return seq > begin; });
        ASSERT_EQ(sent, expected) << "seed " << seed;
    }
}

} // namespace
