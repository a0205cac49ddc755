#pragma once

#include "pg/connection.hpp"

#include <string>
#include <vector>

namespace pg {

/// A conninfo taken apart, with the daemon's settings where it and the environment say nothing.
struct conninfo {
    std::vector<std::string> keywords;
    std::vector<std::string> values;
    std::chrono::seconds connect_timeout; ///< a host; the one that holds
};

/// An error tells what is wrong without repeating any of the text, which may be the password.
outcome<conninfo> complete_conninfo(const connect_options& options);

} // namespace pg
