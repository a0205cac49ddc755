#pragma once

#include <string_view>
#include <vector>

namespace config {

/// How many characters must be added, removed or replaced to make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known name that `name` is probably a slip of; empty when none is near enough.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known);

} // namespace config
