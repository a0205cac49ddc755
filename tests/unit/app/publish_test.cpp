#include "app/group_by_role.hpp"
#include "app/publish_failure.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace {

using base::errc;
using kind = pg::error::kind;

errc code_of(const std::string& sqlstate, bool as_role = false) {
    return app::failure_of({kind::refused, sqlstate, "its text"}, as_role).code;
}

TEST(PublishFailure, FollowsTheSqlstate) {
    EXPECT_EQ(code_of("23514"), errc::invalid_data);
    EXPECT_EQ(code_of("P0001"), errc::invalid_data);
    EXPECT_EQ(code_of("42501"), errc::forbidden);
    EXPECT_EQ(code_of("0P000"), errc::forbidden);
    EXPECT_EQ(code_of("40001"), errc::unavailable);
    EXPECT_EQ(code_of("42P01"), errc::unavailable);
    EXPECT_EQ(code_of("25006"), errc::unavailable);
    EXPECT_EQ(code_of("XX000"), errc::internal);
    EXPECT_EQ(app::failure_of({kind::lost, "", "gone"}, false).code, errc::unavailable);
}

TEST(PublishFailure, OfARoleTellsNothingOfItsPolicies) {
    const pg::error denied{kind::refused, "42501", "policy \"inner_circle\""};
    EXPECT_NE(app::failure_of(denied, false).message.find("inner_circle"), std::string::npos);
    EXPECT_EQ(app::failure_of(denied, true).message.find("inner_circle"), std::string::npos);
}

TEST(PublishFailure, OfOneRowIsToldFromThatOfAll) {
    for (const std::string sqlstate : {"23514", "P0001", "42501", "XX000"})
        EXPECT_TRUE(app::may_be_one_row({kind::refused, sqlstate, ""})) << sqlstate;
    for (const std::string sqlstate : {"40001", "42P01", "25006", "0P000"})
        EXPECT_FALSE(app::may_be_one_row({kind::refused, sqlstate, ""})) << sqlstate;
}

/// Somebody to publish; nobody looks inside.
std::shared_ptr<app::session> somebody() {
    return {std::make_shared<int>(), nullptr};
}

app::publish_request request(std::string id, const std::shared_ptr<app::session>& from,
                             const std::string& role) {
    app::publish_request made;
    made.id = std::move(id);
    made.from = from;
    if (!role.empty())
        made.role = std::make_shared<app::acting_as>(app::acting_as{role, "{}"});
    return made;
}

using groups = std::vector<std::vector<std::string>>;

groups ids(std::vector<app::publish_request> items) {
    groups found;
    for (const auto& group : app::group_by_role(std::move(items))) {
        found.emplace_back();
        for (const app::publish_request& item : group)
            found.back().push_back(item.id);
    }
    return found;
}

TEST(GroupByRole, RolesAreTheSameByContent) {
    const auto ann = somebody();
    const auto bob = somebody();
    EXPECT_EQ(ids({request("1", ann, "web"), request("2", bob, ""), request("3", bob, ""),
                   request("4", ann, "web")}),
              (groups{{"1", "4"}, {"2", "3"}}));
}

TEST(GroupByRole, OneSessionsPublishesStayInOrder) {
    const auto ann = somebody();
    const auto bob = somebody();
    EXPECT_EQ(ids({request("1", ann, "web"), request("2", ann, ""), request("3", ann, "web"),
                   request("4", bob, "web")}),
              (groups{{"1"}, {"2"}, {"3", "4"}}));
}

} // namespace
