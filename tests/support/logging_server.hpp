#pragma once

#include "tests/support/postgres.hpp"

#include <cstddef>
#include <string>

namespace support {

/// A server that writes every statement into its log, with the name of who sent it. One for the
/// whole program.
inline postgres_server& logging_server() {
    static postgres_server server(
        {.settings = {{"log_statement", "all"}, {"log_line_prefix", "<%a> "}}});
    return server;
}

/// Statements of daemons for `purpose`, in what its log has beyond the first bytes.
inline std::size_t statements(const std::string& purpose, std::size_t log_begins = 0) {
    const std::string log = logging_server().log();
    const std::string sent = "<pgherald/" + purpose + "> LOG:";
    std::size_t found = 0;
    for (std::size_t at = log_begins; (at = log.find(sent, at)) != log.npos; ++at) {
        ++found;
    }
    return found;
}

} // namespace support
