#include "base/error.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <stdexcept>

namespace {

using base::errc;

struct named {
    errc code;
    std::string_view name;
    bool retry;
};
// Clients decide by these names: a change here is a change of the protocol.
constexpr std::array codes{
    named{errc::malformed, "malformed", false},
    named{errc::unknown_type, "unknown_type", false},
    named{errc::unauthorized, "unauthorized", false},
    named{errc::forbidden, "forbidden", false},
    named{errc::invalid_channel, "invalid_channel", false},
    named{errc::invalid_data, "invalid_data", false},
    named{errc::too_large, "too_large", false},
    named{errc::rate_limited, "rate_limited", true},
    named{errc::already_subscribed, "already_subscribed", false},
    named{errc::not_subscribed, "not_subscribed", false},
    named{errc::too_many_subscriptions, "too_many_subscriptions", false},
    named{errc::conflict, "conflict", false},
    named{errc::unavailable, "unavailable", true},
    named{errc::internal, "internal", false},
};

TEST(error, every_code_has_its_name) {
    for (const auto& each : codes)
        EXPECT_EQ(base::name_of(each.code), each.name);
}

TEST(error, only_what_passes_by_itself_can_be_retried) {
    for (const auto& each : codes)
        EXPECT_EQ(base::can_retry(each.code), each.retry) << each.name;
}

TEST(error, the_table_above_is_complete) {
    std::set<std::string_view> names;
    for (int code = 0; code <= static_cast<int>(errc::internal); ++code)
        names.insert(base::name_of(static_cast<errc>(code)));
    EXPECT_EQ(names.size(), codes.size());
}

TEST(error, a_value_read_from_a_failure_throws_its_message) {
    const base::outcome<int> failed = base::failure{errc::conflict, "an id stored before"};
    try {
        static_cast<void>(failed.value());
        FAIL() << "did not throw";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "an id stored before");
    }
}

} // namespace
