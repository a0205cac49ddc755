// The comparison must be able to fail: each way to break a promise, and that it is found.
#include "tests/chaos/evidence.hpp"

#include <gtest/gtest.h>

namespace {

using namespace chaos;

const std::vector<std::string> names = {"even", "odd"};

/// Rows 2, 4, 6, 8, 10 of one channel and 1, 3, 5 of the other.
table some_rows() {
    table truth;
    truth.channels = {{{2, 20}, {4, 40}, {6, 60}, {8, 80}, {10, 100}}, {{1, 10}, {3, 30}, {5, 50}}};
    return truth;
}

/// How often each offence was found.
struct counts {
    explicit counts(const findings& found) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] = found.count(static_cast<offence>(i));
        }
    }
    bool any() const { return all != decltype(all){}; }

    std::array<std::size_t, static_cast<std::size_t>(offence::count)> all{};
};

/// Only this was found, and so often.
testing::AssertionResult only(const counts& found, offence wanted, std::size_t count = 1) {
    for (std::size_t i = 0; i < found.all.size(); ++i) {
        const auto each = static_cast<offence>(i);
        const std::size_t right = each == wanted ? count : 0;
        if (found.all[i] != right) {
            return testing::AssertionFailure()
                   << name_of(each) << " " << found.all[i] << " times, wanted " << right;
        }
    }
    return testing::AssertionSuccess();
}

trail follows(seq begin, const std::vector<message>& given, bool final = true) {
    trail made;
    made.who = "follower";
    made.begin = begin;
    made.cursor = begin;
    made.final = final;
    for (const message& each : given) {
        EXPECT_FALSE(made.take(each));
    }
    return made;
}

counts compared(const trail& seen) {
    findings found;
    compare(seen, names, some_rows(), 10, found);
    return counts(found);
}

TEST(Trail, EverythingIsFine) {
    EXPECT_FALSE(compared(follows(0, {{2, 20}, {4, 40}, {6, 60}, {8, 80}, {10, 100}})).any());
    EXPECT_FALSE(compared(follows(5, {{6, 60}, {8, 80}, {10, 100}})).any());
    EXPECT_FALSE(compared(follows(10, {})).any());
    EXPECT_FALSE(compared(follows(0, {{2, 20}, {4, 40}}, false)).any()) << "it went away";
}

TEST(Trail, OneThatNeverBeganIsOwedNothing) {
    EXPECT_FALSE(compared(trail{}).any());
}

TEST(Trail, ARowThatWasSkippedIsLost) {
    EXPECT_TRUE(only(compared(follows(0, {{2, 20}, {4, 40}, {8, 80}, {10, 100}})), offence::lost));
    EXPECT_TRUE(only(compared(follows(0, {{4, 40}, {8, 80}}, false)), offence::lost, 2));
}

TEST(Trail, WhatDidNotComeInTheEndIsLost) {
    EXPECT_TRUE(only(compared(follows(0, {{2, 20}, {4, 40}})), offence::lost, 3));
    EXPECT_TRUE(only(compared(follows(0, {})), offence::lost, 5));
}

TEST(Trail, ARowThatLiveWasSaidToBeBeyondIsLost) {
    trail seen = follows(0, {{2, 20}, {4, 40}}, false);
    seen.cursor = 7;
    EXPECT_TRUE(only(compared(seen), offence::lost));
}

TEST(Trail, AMessageThatComesAgainIsRepeated) {
    trail seen = follows(0, {{2, 20}, {4, 40}});
    EXPECT_EQ(seen.take({4, 40}), offence::repeated);
    EXPECT_EQ(seen.take({2, 20}), offence::repeated);
}

TEST(Trail, AMessageThatComesLateIsOutOfOrderAndNotLost) {
    trail seen = follows(0, {{2, 20}, {6, 60}});
    EXPECT_EQ(seen.take({4, 40}), offence::out_of_order);
    EXPECT_FALSE(seen.take({8, 80}));
    EXPECT_FALSE(seen.take({10, 100}));
    EXPECT_FALSE(compared(seen).any());
}

TEST(Trail, AMessageBelowTheBeginningIsOutOfOrder) {
    EXPECT_EQ(follows(5, {}).take({4, 40}), offence::out_of_order);
}

TEST(Trail, AMessageThatIsNoRowIsFound) {
    EXPECT_TRUE(only(compared(follows(7, {{8, 80}, {9, 90}, {10, 100}})), offence::phantom));
    EXPECT_TRUE(only(compared(follows(10, {{11, 110}})), offence::phantom));
}

TEST(Trail, AMessageOfAnotherChannelIsFound) {
    EXPECT_TRUE(
        only(compared(follows(4, {{5, 50}, {6, 60}, {8, 80}, {10, 100}})), offence::phantom));
}

TEST(Trail, AMessageWithOtherDataIsFound) {
    EXPECT_TRUE(only(compared(follows(7, {{8, 81}, {10, 100}})), offence::altered));
}

stint works(seq stored, seq acknowledged, const std::vector<message>& given) {
    stint made;
    made.stored = stored;
    made.acknowledged = acknowledged;
    for (const message& each : given) {
        EXPECT_FALSE(made.take(each));
    }
    return made;
}

counts compared(std::vector<stint> stints, seq acknowledged = 10) {
    consumer_trail seen;
    seen.who = "consumer";
    seen.stints = std::move(stints);
    seen.acknowledged = acknowledged;
    findings found;
    compare(seen, names, some_rows(), 10, found);
    return counts(found);
}

TEST(Stint, EverythingIsFine) {
    EXPECT_FALSE(compared({works(0, 0, {{2, 20}, {4, 40}, {6, 60}, {8, 80}, {10, 100}})}).any());
    // 4 was acknowledged and stored or not; 6 wasn't acknowledged.
    EXPECT_FALSE(compared({works(0, 0, {{2, 20}, {4, 40}, {6, 60}}),
                           works(2, 4, {{4, 40}, {6, 60}, {8, 80}, {10, 100}})})
                     .any());
    EXPECT_FALSE(compared({works(0, 0, {{2, 20}, {4, 40}, {6, 60}}),
                           works(2, 4, {{6, 60}, {8, 80}, {10, 100}})})
                     .any());
}

TEST(Stint, AMessageSkippedWithinOneIsLost) {
    EXPECT_TRUE(
        only(compared({works(0, 0, {{2, 20}, {4, 40}, {8, 80}, {10, 100}})}), offence::lost));
}

TEST(Stint, WhatWasNotAcknowledgedMustComeAgain) {
    EXPECT_TRUE(only(
        compared({works(0, 0, {{2, 20}, {4, 40}, {6, 60}}), works(2, 4, {{8, 80}, {10, 100}})}),
        offence::lost));
}

TEST(Stint, ARowThatLiveWasSaidToBeBeyondIsLost) {
    stint now = works(0, 0, {{2, 20}, {4, 40}});
    now.cursor = 7;
    EXPECT_TRUE(only(compared({now, works(7, 7, {{8, 80}, {10, 100}})}), offence::lost));
    stint nothing = works(4, 4, {});
    nothing.cursor = 6;
    EXPECT_TRUE(only(compared({nothing}), offence::lost));
}

TEST(Stint, WhatWasNeverAcknowledgedInTheEndIsLost) {
    EXPECT_TRUE(only(compared({works(0, 0, {{2, 20}, {4, 40}, {6, 60}})}, 6), offence::lost, 2));
}

TEST(Stint, WhatIsKnownToBeDoneMustNotComeAgain) {
    stint now = works(4, 6, {});
    EXPECT_EQ(now.take({4, 40}), offence::done_again);
    EXPECT_FALSE(now.take({6, 60}));
}

TEST(Stint, WithinOneNothingComesAgain) {
    stint now = works(0, 0, {{2, 20}, {6, 60}});
    EXPECT_EQ(now.take({6, 60}), offence::repeated);
    EXPECT_EQ(now.take({4, 40}), offence::out_of_order);
    EXPECT_EQ(now.given.size(), 2U);
}

TEST(Stint, AMessageThatIsNoRowIsFound) {
    EXPECT_TRUE(only(compared({works(6, 6, {{8, 80}, {9, 90}, {10, 100}})}), offence::phantom));
    EXPECT_TRUE(only(compared({works(6, 6, {{8, 81}, {10, 100}})}), offence::altered));
}

counts compared(std::optional<seq> receipt, const table::row* row, unsigned sent = 1) {
    const publication made{"id", 0, "data", sent, receipt};
    table truth = some_rows();
    if (row != nullptr) {
        truth.by_id["id"] = *row;
    }
    findings found;
    compare(made, names, truth, found);
    return counts(found);
}

TEST(Publication, AReceiptMustHaveItsRow) {
    const table::row row{0, 8, content_of("id", "data")};
    EXPECT_FALSE(compared(8, &row).any());
    EXPECT_TRUE(only(compared(8, nullptr), offence::receipt_without_row));
    EXPECT_TRUE(only(compared(6, &row), offence::receipt_without_row)) << "another seq";
    const table::row elsewhere{1, 8, row.content};
    EXPECT_TRUE(only(compared(8, &elsewhere), offence::receipt_without_row));
    const table::row other{0, 8, content_of("id", "other")};
    EXPECT_TRUE(only(compared(8, &other), offence::receipt_without_row));
}

TEST(Publication, MustBeAnswered) {
    const table::row row{0, 8, content_of("id", "data")};
    EXPECT_TRUE(only(compared(std::nullopt, &row), offence::unanswered));
    EXPECT_TRUE(only(compared(std::nullopt, nullptr), offence::unanswered));
    EXPECT_FALSE(compared(std::nullopt, nullptr, 0).any()) << "never sent";
}

} // namespace
