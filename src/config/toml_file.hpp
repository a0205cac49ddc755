#pragma once

#include "config/config.hpp"
#include "config/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace config {

/// One key of a TOML file, or a section's head where `key` is empty.
struct entry {
    std::string section; ///< empty: the key stands outside any section
    std::string key;
    config::value value;
    unsigned line = 0;
    unsigned element = 0; ///< of an array of tables, from 1; 0: a plain section
};

struct document {
    std::vector<entry> entries;    ///< by line
    std::vector<problem> problems; ///< syntax; entries is empty then
};

/// The only place that knows the TOML library. Never throws for what stands in the text.
document read_toml(std::string_view text, std::string_view name);

} // namespace config
