#include "core/hub.hpp"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/core/frames.hpp"

namespace {

using core_test::frame;

struct recorder final : core::subscriber {
    void offer(const base::frame_run& run) override {
        for (const base::frame_ptr& each : run.frames) {
            seen.push_back(each->seq());
        }
    }
    void removed(base::seq upto) override { removed_upto = upto; }
    std::vector<base::seq> seen;
    base::seq removed_upto = 0;
};

void fan_out(const core::hub& hub, const std::vector<base::frame_ptr>& frames) {
    for (core::subscriber* const who : hub.on(frames.front()->channel())) {
        who->offer({frames, nullptr});
    }
}

TEST(Hub, GivesAFrameToItsChannelOnly) {
    core::hub hub;
    recorder sports;
    recorder news;
    hub.add("sports", sports);
    hub.add("news", news);
    fan_out(hub, {frame("sports", 1), frame("sports", 2)});
    fan_out(hub, {frame("weather", 3)});
    EXPECT_EQ(sports.seen, (std::vector<base::seq>{1, 2}));
    EXPECT_EQ(hub.on("sports").size(), 1U);
    EXPECT_TRUE(hub.on("weather").empty());
    EXPECT_TRUE(news.seen.empty());
}

TEST(Hub, TellsAChannelWhatWasRemoved) {
    core::hub hub;
    recorder sports;
    recorder news;
    hub.add("sports", sports);
    hub.add("news", news);
    hub.removed("sports", 7);
    hub.removed("weather", 8);
    EXPECT_EQ(sports.removed_upto, 7);
    EXPECT_EQ(news.removed_upto, 0);
}

TEST(Hub, ForgetsChannelsWithoutSubscriptions) {
    core::hub hub;
    recorder one;
    hub.add("sports", one);
    EXPECT_EQ(hub.channels(), 1U);
    hub.remove("sports", one);
    EXPECT_EQ(hub.channels(), 0U);
    EXPECT_EQ(hub.subscriptions(), 0U);
}

TEST(Hub, RandomOperationsAgreeWithAMap) {
    std::mt19937 random(7);
    core::hub hub;
    std::map<std::string, std::list<recorder>> model;
    base::seq seq = 0;
    for (int step = 0; step < 20'000; ++step) {
        const std::string channel = "c" + std::to_string(random() % 8);
        auto& members = model[channel];
        switch (random() % 3) {
        case 0:
            hub.add(channel, members.emplace_back());
            break;
        case 1:
            if (!members.empty()) {
                const auto gone = std::next(members.begin(),
                                            static_cast<std::ptrdiff_t>(random() % members.size()));
                hub.remove(channel, *gone);
                members.erase(gone);
            }
            break;
        default:
            ++seq;
            ASSERT_EQ(hub.on(channel).size(), members.size());
            fan_out(hub, {frame(channel, seq)});
            for (const recorder& member : members) {
                ASSERT_EQ(member.seen.back(), seq);
            }
        }
    }
}

} // namespace
