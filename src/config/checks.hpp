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

/// Whether only programs on this machine reach an address that check_listen() has passed. A name
/// other than localhost is taken for one that others reach.
bool is_loopback(std::string_view listen);

/// Each an IPv4 or IPv6 address, or a network of such (CIDR).
std::string check_networks(const std::vector<std::string>& networks);

/// https://host[:port][/path], without user and password.
std::string check_https(const std::string& url);

/// Those a token's signature may have.
std::string check_algorithms(const std::vector<std::string>& algorithms);
bool is_hmac(std::string_view algorithm);

/// A secret for HMAC; what is said of it never holds any of it.
std::string check_secret(const std::string& secret);

/// A text that is compared with one in a token: no control characters.
std::string check_claim(const std::string& text);
std::string check_claims(const std::vector<std::string>& texts);

/// The name of a Postgres role.
std::string check_role(const std::string& role);
std::string check_roles(const std::vector<std::string>& roles);

/// A glob over channel names.
std::string check_pattern(const std::string& pattern);

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
