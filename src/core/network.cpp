#include "core/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace core {

namespace {

constexpr std::size_t mapped_prefix = 12; // bytes before the IPv4 address in ::ffff:a.b.c.d
constexpr unsigned mapped_bits = mapped_prefix * 8;

bool is_mapped(const address& address) {
    constexpr std::array<unsigned char, mapped_prefix> prefix{0, 0, 0, 0, 0,    0,
                                                              0, 0, 0, 0, 0xff, 0xff};
    return std::ranges::equal(std::span(address).first<mapped_prefix>(), prefix);
}

std::string_view trimmed(std::string_view text) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

/// Takes what stands before the next `mark` off `text`; where it `has_quotes`, outside of them.
/// X-Forwarded-For has none: one that a client writes there hides no comma.
std::string_view next_part(std::string_view& text, char mark, bool has_quotes = true) {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < text.size() && (quoted || text[end] != mark); ++end) {
        if (has_quotes && text[end] == '"') {
            quoted = !quoted;
        } else if (quoted && text[end] == '\\') {
            ++end;
        }
    }
    const auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return trimmed(part);
}

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80".
std::optional<address> parse_node(std::string_view text) {
    if (text.starts_with('[')) {
        return parse_address(text.substr(1, text.find(']') - 1));
    }
    const auto colon = text.find(':');
    if (colon != text.npos && text.find(':', colon + 1) == text.npos) {
        text = text.substr(0, colon);
    }
    return parse_address(text);
}

/// The `for` of one element of Forwarded, without its quotes.
std::string_view for_of(std::string_view element) {
    while (!element.empty()) {
        const auto pair = next_part(element, ';');
        const auto equals = pair.find('=');
        const auto name = trimmed(pair.substr(0, equals));
        const bool is_for = name.size() == 3 && std::tolower(name[0]) == 'f' &&
                            std::tolower(name[1]) == 'o' && std::tolower(name[2]) == 'r';
        if (is_for && equals != pair.npos) {
            auto value = trimmed(pair.substr(equals + 1));
            if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
                value = value.substr(1, value.size() - 2);
            }
            return value;
        }
    }
    return {};
}

/// Every hop's text, in the order in which proxies have added them.
std::vector<std::string_view> hops(const forwarding& headers) {
    const bool plain = !headers.forwarded_for.empty();
    std::vector<std::string_view> found;
    for (const std::string& value : plain ? headers.forwarded_for : headers.forwarded) {
        std::string_view rest = value;
        while (!rest.empty()) {
            const auto part = next_part(rest, ',', !plain);
            found.push_back(plain ? part : for_of(part));
        }
    }
    return found;
}

} // namespace

std::optional<address> parse_address(std::string_view text) {
    const std::string terminated(text);
    if (terminated.find('\0') != terminated.npos) {
        return std::nullopt;
    }
    address parsed{};
    if (inet_pton(AF_INET6, terminated.c_str(), parsed.data()) == 1) {
        return parsed;
    }
    parsed[10] = parsed[11] = 0xff;
    if (inet_pton(AF_INET, terminated.c_str(), parsed.data() + mapped_prefix) == 1) {
        return parsed;
    }
    return std::nullopt;
}

std::string to_string(const address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = is_mapped(address);
    inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? mapped_prefix : 0), text.data(),
              text.size());
    return text.data();
}

address limited_as(const address& address) {
    auto whole = address;
    if (!is_mapped(address)) {
        std::fill(whole.begin() + 8, whole.end(), static_cast<unsigned char>(0));
    }
    return whole;
}

std::optional<network> network::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto base = parse_address(text.substr(0, slash));
    if (!base) {
        return std::nullopt;
    }
    const unsigned added = is_mapped(*base) ? mapped_bits : 0;
    if (slash == text.npos) {
        return network(*base, 128);
    }
    unsigned bits = 0;
    const auto digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits + added > 128) {
        return std::nullopt;
    }
    return network(*base, bits + added);
}

bool network::contains(const address& address) const {
    const std::size_t whole = bits_ / 8;
    if (!std::equal(base_.begin(), base_.begin() + static_cast<std::ptrdiff_t>(whole),
                    address.begin())) {
        return false;
    }
    const unsigned rest = bits_ % 8;
    return rest == 0 || (base_[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool any_contains(std::span<const network> networks, const address& address) {
    return std::ranges::any_of(networks,
                               [&](const network& each) { return each.contains(address); });
}

client client_of(const address& peer, const forwarding& headers, std::span<const network> trusted) {
    client nearest{peer, false};
    auto left = hops(headers);
    for (; !left.empty() && any_contains(trusted, nearest.from); left.pop_back()) {
        const auto before = parse_node(left.back());
        if (!before) {
            nearest.is_hidden = true;
            break;
        }
        nearest.from = *before;
    }
    return nearest;
}

} // namespace core
