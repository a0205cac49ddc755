#include "core/publish_groups.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using groups = core::publish_groups<char, int>;

/// Each item is a key and the digit of its source; the answer is the group of each.
std::vector<std::size_t> placed(const std::vector<std::string>& items) {
    groups made;
    std::vector<std::size_t> numbers;
    for (const std::string& item : items)
        numbers.push_back(made.place(item[0], item[1] - '0'));
    return numbers;
}

using numbers = std::vector<std::size_t>;

TEST(PublishGroups, EqualKeysGoTogether) {
    EXPECT_EQ(placed({"A1", "B2", "A3", "B4", "A1"}), (numbers{0, 1, 0, 1, 0}));
    EXPECT_EQ(placed({"A1", "A2"}), (numbers{0, 0}));
}

// Its key may change and change back.
TEST(PublishGroups, NoItemOvertakesAnEarlierOneOfItsSource) {
    EXPECT_EQ(placed({"A1", "B1", "A1"}), (numbers{0, 1, 2}));
    // The latest group of a key takes the others too.
    EXPECT_EQ(placed({"A1", "B1", "A1", "A2", "B2"}), (numbers{0, 1, 2, 2, 3}));
    EXPECT_EQ(placed({"A2", "B1", "A1", "A2", "B3", "C1", "B1"}), (numbers{0, 1, 2, 2, 1, 3, 4}));
}

TEST(PublishGroups, HoldsForAnyOrderOfArrival) {
    std::mt19937 random(20260727);
    for (int round = 0; round < 500; ++round) {
        groups made;
        std::map<int, std::size_t> last;
        std::map<std::size_t, char> key_of;
        const int keys = 1 + static_cast<int>(random() % 4);
        for (int item = 0; item < 60; ++item) {
            const char key = static_cast<char>('A' + random() % static_cast<unsigned>(keys));
            const int source = static_cast<int>(random() % 5);
            const std::size_t before = made.count();
            const std::size_t group = made.place(key, source);
            ASSERT_LE(group, before) << "numbers without a hole";
            ASSERT_EQ(made.count(), group == before ? before + 1 : before);
            ASSERT_EQ(key_of.try_emplace(group, key).first->second, key);
            ASSERT_GE(group, last[source]);
            last[source] = group;
        }
        if (keys == 1) {
            ASSERT_EQ(made.count(), 1U);
        }
    }
}

} // namespace
