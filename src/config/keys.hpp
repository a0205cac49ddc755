#pragma once

#include "config/config.hpp"
#include "config/value.hpp"

#include <span>
#include <string>
#include <string_view>

namespace config {

/// Everything the daemon knows about one key. A new key is one row in keys.cpp, auth_keys.cpp or
/// limits_keys.cpp.
struct key {
    std::string_view section;
    std::string_view name; ///< within the section
    value_type type;
    std::string_view meaning;
    std::string (*show)(const settings& from);
    std::string (*set)(settings& to, const value& from); ///< what is wrong; empty: nothing

    std::string full_name() const { return std::string(section) + '.' + std::string(name); }
    std::string environment() const; ///< "PGHERALD_SERVER_LISTEN"
};

inline constexpr std::string_view environment_prefix = "PGHERALD_";

std::span<const key> keys();
std::span<const key> auth_keys();
std::span<const key> limits_keys();

/// Nothing when there is no such key.
const key* find_key(std::string_view section, std::string_view name);

/// Of a plain section; not of [[channel]].
bool is_section(std::string_view name);
/// With [[channel]]'s.
std::vector<std::string_view> section_names();

/// " (did you mean ...?)" or a list of what there is; for a key that isn't one.
std::string suggest_key(std::string_view section, std::string_view name);
std::string suggest_section(std::string_view name);

} // namespace config
