#pragma once

#include "config/config.hpp"
#include "config/value.hpp"

#include <string>
#include <string_view>

namespace config {

inline constexpr std::string_view channel_section = "channel"; ///< each is a [[channel]]

/// Each message may be compared with all of them.
inline constexpr unsigned most_rules = 1000;

/// What is wrong with one key of a [[channel]], also that it is none; empty: nothing.
std::string set_in_rule(channel_rule& to, std::string_view key, const value& from);

} // namespace config
