#include "core/turns.hpp"

#include <gtest/gtest.h>

namespace {

using core::need;

constexpr bool room = true;
constexpr bool full = false;

class Turns : public testing::Test {
protected:
    core::turns turns;
    core::turns::member a;
    core::turns::member b;
    core::turns::member c;

    void ask(int times) {
        for (int i = 0; i < times; ++i) {
            turns.asked();
        }
    }
};

TEST_F(Turns, WhoTookTheRoomGoesToTheEnd) {
    turns.wait(a, need::room);
    turns.wait(b, need::room);
    turns.wait(c, need::room);
    EXPECT_EQ(turns.next(full), nullptr);
    // Each time one of them takes all the room there is.
    for (core::turns::member* const whose : {&a, &b, &c, &a, &b}) {
        ASSERT_EQ(turns.next(room), whose);
        turns.wait(*whose, need::room);
        EXPECT_EQ(turns.next(full), nullptr);
        EXPECT_TRUE(turns.wants_room());
    }
}

TEST_F(Turns, WhoWaitsKeepsItsPlaceWhateverElseHappensToIt) {
    turns.wait(a, need::room);
    turns.wait(b, need::room);
    turns.wait(a, need::room);
    EXPECT_EQ(turns.next(room), &a);
    EXPECT_EQ(turns.next(room), &b);
    EXPECT_EQ(turns.next(room), nullptr) << "each is in line once";
}

TEST_F(Turns, AResetIsReachedWithoutRoom) {
    turns.wait(a, need::room);
    turns.wait(b, need::room);
    turns.wait(b, need::head);
    EXPECT_EQ(turns.next(full), &b);
    EXPECT_EQ(turns.next(full), nullptr);
    EXPECT_EQ(turns.next(room), &a);
    EXPECT_EQ(turns.next(room), nullptr);
}

TEST_F(Turns, APageIsAskedForOnlyWithRoom) {
    turns.wait(a, need::page);
    EXPECT_EQ(turns.next(full), nullptr);
    EXPECT_TRUE(turns.wants_room());
    EXPECT_EQ(turns.next(room), &a);
}

TEST_F(Turns, FourQuestionsAtATime) {
    ask(3);
    EXPECT_TRUE(turns.grants(need::page, room));
    EXPECT_TRUE(turns.grants(need::head, full));
    ask(1);
    EXPECT_FALSE(turns.grants(need::page, room));
    EXPECT_FALSE(turns.grants(need::head, room));
    turns.wait(a, need::head);
    turns.wait(b, need::page);
    EXPECT_EQ(turns.next(room), nullptr);
    EXPECT_FALSE(turns.wants_room()) << "it would help nobody";
    turns.answered();
    EXPECT_EQ(turns.next(room), &a);
    turns.asked();
    EXPECT_EQ(turns.next(room), nullptr);
    turns.answered();
    EXPECT_EQ(turns.next(room), &b);
}

TEST_F(Turns, WhoWaitsForAPageIsNoBrakeOnThoseWhoNeedOnlyRoom) {
    ask(4);
    turns.wait(a, need::page);
    turns.wait(b, need::room);
    EXPECT_TRUE(turns.wants_room());
    EXPECT_EQ(turns.next(room), &b);
    EXPECT_EQ(turns.next(room), nullptr);
}

TEST_F(Turns, WhoNeedsNothingIsNotInLine) {
    turns.wait(a, need::room);
    turns.wait(b, need::nothing);
    turns.wait(a, need::nothing);
    EXPECT_EQ(turns.next(room), nullptr);
    EXPECT_FALSE(turns.wants_room());
    EXPECT_FALSE(turns.grants(need::nothing, room));
}

TEST_F(Turns, WhoEndsLeavesTheLine) {
    turns.wait(a, need::room);
    {
        core::turns::member gone;
        turns.wait(gone, need::room);
        turns.wait(b, need::room);
    }
    EXPECT_EQ(turns.next(room), &a);
    EXPECT_EQ(turns.next(room), &b);
    EXPECT_EQ(turns.next(room), nullptr);
}

} // namespace
