#include "tests/bench/results.hpp"
#include "tests/bench/tally.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

bench::tally after(const std::vector<std::uint64_t>& numbers) {
    bench::tally counts;
    for (const std::uint64_t each : numbers)
        counts.take({0, each});
    return counts;
}

TEST(Tally, FindsNothingWrongWithNumbersInOrder) {
    const auto counts = after({0, 1, 2, 3});
    EXPECT_EQ(counts.taken(), 4U);
    EXPECT_EQ(counts.missing() + counts.repeated() + counts.reordered(), 0U);
}

TEST(Tally, CountsWhatIsMissing) {
    EXPECT_EQ(after({0, 3}).missing(), 2U);
    EXPECT_EQ(after({1}).missing(), 1U);
}

TEST(Tally, CountsWhatComesLaterThanItsSuccessor) {
    const auto counts = after({0, 2, 1, 3});
    EXPECT_EQ(counts.reordered(), 1U);
    EXPECT_EQ(counts.missing(), 0U);
    EXPECT_EQ(counts.repeated(), 0U);
}

TEST(Tally, CountsWhatComesTwice) {
    EXPECT_EQ(after({0, 1, 1, 0}).repeated(), 2U);
    EXPECT_EQ(after({0, 2, 1, 1}).repeated(), 1U);
}

TEST(Tally, KeepsPublishersApart) {
    bench::tally counts;
    for (const bench::stamp each : {bench::stamp{1, 0}, {2, 0}, {1, 1}, {2, 2}})
        counts.take(each);
    EXPECT_EQ(counts.missing(), 1U);
    EXPECT_EQ(counts.repeated(), 0U);
}

TEST(StampFinder, ReadsWhatDataWasStampedWith) {
    bench::stamp_finder finder;
    for (const std::uint64_t number : {9U, 10U, 12'345U}) {
        const std::string frame = R"({"type":"message","channel":"c","seq":)" +
                                  std::to_string(number * 3) + R"(,"id":"x","data":)" +
                                  bench::stamped_data({7, number}, 256) + "}";
        const auto found = finder.find(frame);
        ASSERT_TRUE(found) << frame;
        EXPECT_EQ(found->publisher, 7U);
        EXPECT_EQ(found->number, number);
    }
    EXPECT_FALSE(finder.find(R"({"type":"ok","ref":1})"));
}

TEST(StampedData, HasTheSizeAskedFor) {
    EXPECT_EQ(bench::stamped_data({3, 77}, 256).size(), 256U);
    EXPECT_EQ(bench::stamped_data({3, 77}, 0), R"({"p":3,"n":77,"pad":""})");
}

TEST(Percentile, IsAValueThatWasMeasured) {
    EXPECT_EQ(bench::percentile({3, 1, 2}, 0.5), 2);
    EXPECT_EQ(bench::percentile({1, 2, 3, 4}, 0.99), 4);
    EXPECT_EQ(bench::median({5}), 5);
}

} // namespace
