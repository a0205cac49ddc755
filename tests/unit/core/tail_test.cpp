#include "core/tail.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/core/frames.hpp"

namespace {

using core_test::frame;

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

/// Retention takes messages from all channels, and each page read later names all of them.
TEST(Tail, ManyChannelsThatLackSomethingCostNoMoreEach) {
    constexpr int channels = 100'000;
    core::tail tail(1'000);
    tail.reset(10);
    const auto begun = std::chrono::steady_clock::now();
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < channels; ++i) {
            tail.lacks("c" + std::to_string(i), 20);
        }
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(3));
    EXPECT_EQ(tail.floors(), static_cast<std::size_t>(channels));
    EXPECT_EQ(tail.floor("c77"), 20);
}

TEST(Tail, ForgetsWhatChannelsLackedBelowItsFloor) {
    core::tail tail(0);
    for (base::seq seq = 1; seq <= 10'000; ++seq) {
        tail.lacks("c" + std::to_string(seq), seq);
        tail.push(frame("a", seq));
    }
    EXPECT_LT(tail.floors(), 200U);
    tail.lacks("late", 10'000);
    EXPECT_EQ(tail.floor("late"), 10'000);
    EXPECT_LT(tail.floors(), 200U);
}

/// Random messages of so many channels, in a tail that holds about `frames` of them.
void agrees_with_a_map(std::size_t frames, std::size_t channels, int steps) {
    std::mt19937 random(11);
    const std::size_t most = frames * 330;
    core::tail tail(most);
    std::map<std::string, std::vector<base::seq>> model;
    base::seq seq = 0;
    for (int step = 0; step < steps; ++step) {
        seq += 1 + static_cast<base::seq>(random() % 3);
        const std::string channel = "c" + std::to_string(random() % channels);
        tail.push(frame(channel, seq, random() % 300));
        model[channel].push_back(seq);
        ASSERT_LE(tail.bytes(), most);
        const auto all = static_cast<std::uint64_t>(seq - tail.floor());
        const base::seq after = tail.floor() + static_cast<base::seq>(random() % (all + 1));
        const std::string asked = "c" + std::to_string(random() % (channels + 1));
        const auto& log = model[asked];
        const auto expected = std::ranges::upper_bound(log, after);
        const auto found = tail.next(asked, after);
        ASSERT_EQ(found ? found->seq() : 0, expected == log.end() ? 0 : *expected);
    }
}

TEST(Tail, RandomOperationsAgreeWithAMap) {
    agrees_with_a_map(60, 5, 20'000);
}

TEST(Tail, OfManyFramesAndChannelsAgreesWithAMap) {
    agrees_with_a_map(10'000, 3'000, 40'000);
}

} // namespace
