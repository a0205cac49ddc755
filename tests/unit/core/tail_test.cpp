#include "core/tail.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

base::frame_ptr frame(std::string channel, base::seq seq, std::size_t bytes) {
    return std::make_shared<base::frame>(std::string(bytes, 'x'), 0, std::move(channel), seq);
}

TEST(Tail, ForgetsTheOldestBeyondItsBytes) {
    core::tail tail(1'000);
    tail.reset(0);
    for (base::seq seq = 1; seq <= 10; ++seq) {
        tail.push(frame("a", seq, 100));
    }
    EXPECT_LE(tail.bytes(), 1'000U);
    EXPECT_GT(tail.floor(), 0);
    ASSERT_NE(tail.next("a", tail.floor()), nullptr);
    EXPECT_EQ(tail.next("a", tail.floor())->seq(), tail.floor() + 1);
    EXPECT_EQ(tail.next("a", 10), nullptr);
}

TEST(Tail, OfNoBytesKeepsNothing) {
    core::tail tail(0);
    tail.push(frame("a", 7, 1));
    EXPECT_EQ(tail.floor(), 7);
    EXPECT_EQ(tail.bytes(), 0U);
    EXPECT_EQ(tail.next("a", 0), nullptr);
}

TEST(Tail, LacksWhatWasRemovedInOneChannelOnly) {
    core::tail tail(100'000);
    tail.reset(10);
    tail.push(frame("a", 11, 1));
    tail.lacks("a", 15);
    EXPECT_EQ(tail.floor("a"), 15);
    EXPECT_EQ(tail.floor("b"), 10);
    tail.lacks("a", 12);
    EXPECT_EQ(tail.floor("a"), 15) << "floors don't sink";
    tail.reset(20);
    EXPECT_EQ(tail.floor("a"), 20);
}

TEST(Tail, RandomOperationsAgreeWithAMap) {
    std::mt19937 random(11);
    core::tail tail(20'000);
    std::map<std::string, std::vector<base::seq>> model;
    base::seq seq = 0;
    for (int step = 0; step < 20'000; ++step) {
        const std::string channel = "c" + std::to_string(random() % 5);
        seq += 1 + static_cast<base::seq>(random() % 3);
        tail.push(frame(channel, seq, random() % 300));
        model[channel].push_back(seq);
        ASSERT_LE(tail.bytes(), 20'000U);
        const base::seq after = tail.floor() + static_cast<base::seq>(random() % 100);
        const auto& log = model[channel];
        const auto expected = std::ranges::upper_bound(log, after);
        const auto found = tail.next(channel, after);
        ASSERT_EQ(found ? found->seq() : 0, expected == log.end() ? 0 : *expected);
    }
}

} // namespace
