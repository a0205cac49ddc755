#include "config/checks.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

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

std::optional<in_addr> parse_v4(const std::string& text) {
    in_addr address{};
    return inet_pton(AF_INET, text.c_str(), &address) == 1 ? std::optional(address) : std::nullopt;
}

std::optional<in6_addr> parse_v6(const std::string& text) {
    in6_addr address{};
    return inet_pton(AF_INET6, text.c_str(), &address) == 1 ? std::optional(address) : std::nullopt;
}

bool is_v4_loopback(const in_addr& address) {
    return ntohl(address.s_addr) >> 24 == 127;
}

/// The host of an address to listen on, without an IPv6 address's brackets.
std::string host_of(std::string_view listen) {
    auto host = listen.substr(0, listen.rfind(':'));
    if (host.size() > 2 && host.front() == '[')
        host = host.substr(1, host.size() - 2);
    return std::string(host);
}

bool is_network(std::string_view text) {
    const auto slash = text.find('/');
    const std::string base(text.substr(0, slash));
    const auto v6 = parse_v6(base);
    // An IPv4 network in IPv6's clothes has two ways to count its bits.
    if (v6 ? IN6_IS_ADDR_V4MAPPED(&*v6) : !parse_v4(base))
        return false;
    if (slash == text.npos)
        return true;
    unsigned bits = 0;
    const auto digits = text.substr(slash + 1);
    const auto [stopped, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    return error == std::errc{} && stopped == digits.data() + digits.size() &&
           bits <= (v6 ? 128 : 32);
}

/// scheme://host[:port], where the host's first label may be a star.
bool is_origin(std::string_view origin) {
    const auto scheme = origin.find("://");
    if (scheme == origin.npos || scheme == 0)
        return false;
    auto host = origin.substr(scheme + 3);
    if (host.size() > 2 && host.substr(0, 2) == "*.") {
        host.remove_prefix(2);
        if (host.front() == '.' || host.front() == ':')
            return false;
    }
    return !host.empty() && host.find_first_of("/?# *") == host.npos;
}

} // namespace

std::string check_listen(const std::string& listen) {
    const std::string_view text = listen;
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return "must be \"host:port\", \"[v6]:port\" or \":port\", not " + in_quotes(listen);
    const auto host = text.substr(0, colon);
    const auto bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed && !only(host.substr(1, host.size() - 2), ":.%_-"))
        return "has no IPv6 address in its brackets: " + in_quotes(listen);
    if (!bracketed && host.find(':') != host.npos)
        return "needs brackets around an IPv6 address, e.g. \"[::1]:8080\"; it is " +
               in_quotes(listen);
    if (!bracketed && !only(host, ".-_"))
        return "has no host name or address before the port: " + in_quotes(listen);
    if (!is_port(text.substr(colon + 1)))
        return "must end in a port from 0 to 65535; it is " + in_quotes(listen);
    return {};
}

std::string check_origins(const std::vector<std::string>& origins) {
    for (const auto& origin : origins) {
        if (origin == "null") // what a sandboxed frame or a local file sends
            continue;
        if (!is_origin(origin))
            return "must hold origins as browsers send them, scheme://host[:port] without a path "
                   "or a slash at the end, or scheme://*.domain for all hosts below a domain; one "
                   "is " +
                   in_quotes(origin);
    }
    return {};
}

std::string check_ciphers(const std::string& ciphers) {
    if (ciphers.empty() || !only(ciphers, "+-_!:@=."))
        return "must be an OpenSSL cipher list, e.g. \"ECDHE+AESGCM\"; it is " + in_quotes(ciphers);
    return {};
}

bool is_loopback(std::string_view listen) {
    const auto host = host_of(listen);
    if (host == "localhost")
        return true;
    if (const auto v4 = parse_v4(host))
        return is_v4_loopback(*v4);
    const auto v6 = parse_v6(host);
    if (!v6 || !IN6_IS_ADDR_V4MAPPED(&*v6))
        return v6 && IN6_IS_ADDR_LOOPBACK(&*v6);
    in_addr mapped{};
    std::copy(v6->s6_addr + 12, v6->s6_addr + 16, reinterpret_cast<unsigned char*>(&mapped));
    return is_v4_loopback(mapped);
}

std::string check_networks(const std::vector<std::string>& networks) {
    for (const auto& each : networks)
        if (!is_network(each))
            return "must hold addresses or networks such as \"192.0.2.1\", \"10.0.0.0/8\" or "
                   "\"2001:db8::/32\"; one is " +
                   in_quotes(each);
    return {};
}

std::string check_https(const std::string& url) {
    constexpr std::string_view scheme = "https://";
    constexpr std::size_t longest = 2000;
    if (url.empty())
        return {};
    // The address itself isn't said: its query may hold a key.
    if (url.compare(0, scheme.size(), scheme) != 0)
        return "must begin with https://, as \"https://id.example.org/jwks.json\" does";
    const auto is_plain = [](char c) { return c > ' ' && c < 0x7f && c != '\\' && c != '"'; };
    if (url.size() > longest || !std::all_of(url.begin(), url.end(), is_plain))
        return "is no address: only printable ASCII without spaces may stand there, at most " +
               std::to_string(longest) + " characters";
    if (url.find('#') != url.npos)
        return "must not have a part after #";
    const auto rest = std::string_view(url).substr(scheme.size());
    const auto authority = rest.substr(0, rest.find_first_of("/?"));
    if (authority.find('@') != authority.npos)
        return "must not hold a user name or password";
    const auto port = authority.rfind(':');
    const bool bracketed = !authority.empty() && authority.front() == '[';
    const bool has_port = port != authority.npos && authority.back() != ']';
    const auto host = has_port ? authority.substr(0, port) : authority;
    const bool has_host = bracketed ? parse_v6(host_of(std::string(host) + ":")).has_value()
                                    : !host.empty() && only(host, ".-_");
    if (!has_host)
        return "has no host after https://";
    if (has_port && (!is_port(authority.substr(port + 1)) || authority.substr(port + 1) == "0"))
        return "must have a port from 1 to 65535 after the host, or none";
    return {};
}

} // namespace config
