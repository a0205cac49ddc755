#pragma once

#include "app/publisher.hpp"

#include <vector>

namespace app {

/// One batch for each statement, in the order in which they must go: each is of one role, and a
/// session's publishes stay in order.
std::vector<std::vector<publish_request>> group_by_role(std::vector<publish_request> items);

} // namespace app
