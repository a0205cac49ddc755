#include "config/checks.hpp"

#include <algorithm>
#include <charconv>

namespace config {

namespace {

bool is_port(std::string_view text) {
    unsigned number = 0;
    const auto* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && stopped == end && number <= 65'535;
}

bool only(std::string_view text, std::string_view allowed_signs) {
    return std::all_of(text.begin(), text.end(), [allowed_signs](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               allowed_signs.find(c) != allowed_signs.npos;
    });
}

} // namespace

std::string check_listen(const std::string& listen) {
    const std::string_view text = listen;
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return "must be \"host:port\", \"[v6]:port\" or \":port\", not " + quoted(listen);
    const auto host = text.substr(0, colon);
    const auto bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed && !only(host.substr(1, host.size() - 2), ":.%_-"))
        return "has no IPv6 address in its brackets: " + quoted(listen);
    if (!bracketed && host.find(':') != host.npos)
        return "needs brackets around an IPv6 address, e.g. \"[::1]:8080\"; it is " +
               quoted(listen);
    if (!bracketed && !only(host, ".-_"))
        return "has no host name or address before the port: " + quoted(listen);
    if (!is_port(text.substr(colon + 1)))
        return "must end in a port from 0 to 65535; it is " + quoted(listen);
    return {};
}

std::string check_origins(const std::vector<std::string>& origins) {
    for (const auto& origin : origins) {
        if (origin == "null") // what a sandboxed frame or a local file sends
            continue;
        const auto scheme = origin.find("://");
        const auto has_host = scheme != origin.npos && scheme > 0 && scheme + 3 < origin.size();
        if (!has_host || origin.find_first_of("/?# ", scheme + 3) != origin.npos)
            return "must hold origins as browsers send them, scheme://host[:port] without a path "
                   "or a slash at the end; one is " +
                   quoted(origin);
    }
    return {};
}

std::string check_ciphers(const std::string& ciphers) {
    if (ciphers.empty() || !only(ciphers, "+-_!:@=."))
        return "must be an OpenSSL cipher list, e.g. \"ECDHE+AESGCM\"; it is " + quoted(ciphers);
    return {};
}

} // namespace config
