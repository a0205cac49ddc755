#include "app/group_by_role.hpp"

#include "core/publish_groups.hpp"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

namespace app {

namespace {

/// By content: every session has an object of its own.
struct role_order {
    bool operator()(const acting_as* one, const acting_as* other) const {
        if (one == nullptr || other == nullptr) {
            return one == nullptr && other != nullptr;
        }
        return std::tie(one->role, one->claims) < std::tie(other->role, other->claims);
    }
};

using role_groups = core::publish_groups<const acting_as*, std::weak_ptr<session>, role_order,
                                         std::owner_less<std::weak_ptr<session>>>;

} // namespace

std::vector<std::vector<publish_request>> group_by_role(std::vector<publish_request> items) {
    std::vector<std::vector<publish_request>> groups;
    const bool same_role = std::ranges::all_of(
        items, [&](const auto& role) { return role == items.front().role; },
        &publish_request::role);
    if (same_role) {
        groups.push_back(std::move(items));
        return groups;
    }
    role_groups order;
    // The keys point to roles that the first item of each group holds.
    for (publish_request& item : items) {
        const std::size_t group = order.place(item.role.get(), item.from);
        groups.resize(order.count());
        groups[group].push_back(std::move(item));
    }
    return groups;
}

} // namespace app
