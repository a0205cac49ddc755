#include "core/origin.hpp"

#include "core/network.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace core {

namespace {

bool same_text(std::string_view a, std::string_view b) {
    return std::ranges::equal(
        a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
    return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

/// "https://*.example.com" stands for every host below example.com, not for example.com itself.
bool matches(std::string_view origin, std::string_view allowed) {
    constexpr std::string_view any = "://*.";
    const auto star = allowed.find(any);
    if (star == allowed.npos) {
        return same_text(origin, allowed);
    }
    const auto scheme = allowed.substr(0, star + 3);
    const auto domain = allowed.substr(star + any.size() - 1); // with its dot
    if (origin.size() <= scheme.size() + domain.size() ||
        !same_text(origin.substr(0, scheme.size()), scheme) ||
        !same_text(origin.substr(origin.size() - domain.size()), domain)) {
        return false;
    }
    const auto labels = origin.substr(scheme.size(), origin.size() - scheme.size() - domain.size());
    return labels.find_first_of("/@:?#\\") == labels.npos;
}

} // namespace

bool origin_allowed(std::string_view origin, std::string_view host,
                    std::span<const std::string> allowed) {
    if (!allowed.empty()) {
        return std::ranges::any_of(
            allowed, [&](const std::string& candidate) { return matches(origin, candidate); });
    }
    // The scheme isn't compared: behind a proxy that ends TLS the daemon can't know its own. The
    // scheme's default port may be left out on either side.
    if (constexpr std::string_view http = "http://"; origin.starts_with(http)) {
        return same_text(without_suffix(origin.substr(http.size()), ":80"),
                         without_suffix(host, ":80"));
    }
    if (constexpr std::string_view https = "https://"; origin.starts_with(https)) {
        return same_text(without_suffix(origin.substr(https.size()), ":443"),
                         without_suffix(host, ":443"));
    }
    return false;
}

bool is_this_machine(std::string_view host) {
    const bool in_brackets = host.starts_with('[');
    const auto end = in_brackets ? host.find(']') : host.find(':');
    const auto name = host.substr(in_brackets ? 1 : 0, end - (in_brackets ? 1 : 0));
    constexpr std::string_view below = ".localhost";
    if (same_text(name, below.substr(1)) ||
        (name.size() > below.size() && same_text(name.substr(name.size() - below.size()), below))) {
        return true;
    }
    static const std::array loopback = {*network::parse("127.0.0.0/8"), *network::parse("::1")};
    const auto address = parse_address(name);
    return address && any_contains(loopback, *address);
}

} // namespace core
