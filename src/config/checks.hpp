#pragma once

#include "config/value.hpp"

#include <string>
#include <vector>

/// Whether a value can mean anything, by its form alone: no name is resolved, no file is opened.
namespace config {

/// What is wrong with an address to listen on; empty: nothing.
std::string check_listen(const std::string& listen);

/// Browsers send scheme://host[:port] without a path; anything else would never match.
std::string check_origins(const std::vector<std::string>& origins);

/// Whether a text could be an OpenSSL cipher list; which names there are only OpenSSL knows.
std::string check_ciphers(const std::string& ciphers);

template <typename T, typename Check>
std::string set_checked(T& to, const value& from, Check check) {
    T read;
    auto wrong = set(read, from);
    if (wrong.empty())
        wrong = check(read);
    if (wrong.empty())
        to = std::move(read);
    return wrong;
}

} // namespace config
