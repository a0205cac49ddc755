#include "core/log_epoch.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

const core::log_epoch epoch("7d1f.4", {{1, 0}, {3, 120}, {4, 200}});

TEST(LogEpoch, ItsOwnCursorsAreAllGood) {
    EXPECT_EQ(epoch.good_upto("7d1f.4"), std::numeric_limits<base::seq>::max());
}

TEST(LogEpoch, AnOlderTimelineIsGoodUpToWhereTheNextOneBegan) {
    EXPECT_EQ(epoch.good_upto("7d1f.3"), 200);
    EXPECT_EQ(epoch.good_upto("7d1f.1"), 120);
    EXPECT_EQ(epoch.good_upto("7d1f.2"), 120) << "a timeline that nobody recorded";
}

TEST(LogEpoch, ALaterFailoverMayGoBackFurther) {
    const core::log_epoch twice("7d1f.3", {{1, 0}, {2, 34}, {3, 31}});
    EXPECT_EQ(twice.good_upto("7d1f.1"), 31);
}

TEST(LogEpoch, NothingIsKnownOfOtherLogsAndLaterTimelines) {
    for (const char* other : {"8888.4", "7d1f.5", "7d1f.", "7d1f", "7d1f.x", "7d1f.4x", "", ".",
                              "7d1f.99999999999999999999"}) {
        EXPECT_EQ(epoch.good_upto(other), -1) << other;
    }
}

} // namespace
