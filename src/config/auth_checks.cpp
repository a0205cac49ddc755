// The checks of [auth] and [[channel]].
#include "config/checks.hpp"

#include <algorithm>
#include <array>

namespace config {

namespace {

constexpr std::array<std::string_view, 9> known_algorithms{
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"};

/// U+0000 to 1F and U+007F to 9F, in UTF-8.
bool has_control(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next >= 0x80 && next <= 0x9f))
            return true;
    }
    return false;
}

/// Whether the bytes have the form of UTF-8: a file's text always does, a variable's needn't.
bool is_utf8_by_form(std::string_view text) {
    unsigned more = 0;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool continues = byte >= 0x80 && byte < 0xc0;
        if (continues != (more > 0) || byte >= 0xf8)
            return false;
        if (continues)
            --more;
        else if (byte >= 0xc0)
            more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    }
    return more == 0;
}

std::string first_wrong(const std::vector<std::string>& all,
                        std::string (*check)(const std::string&)) {
    for (const auto& each : all)
        if (auto wrong = each.empty() ? "must not hold an empty text" : check(each); !wrong.empty())
            return wrong;
    return {};
}

} // namespace

bool is_hmac(std::string_view algorithm) {
    return algorithm.substr(0, 2) == "HS";
}

std::string check_algorithms(const std::vector<std::string>& algorithms) {
    for (const auto& each : algorithms) {
        if (each == "none" || each == "None" || each == "NONE")
            return "must not hold \"none\": such tokens are signed by nobody, so anybody could "
                   "make them; they are always refused";
        if (std::find(known_algorithms.begin(), known_algorithms.end(), each) ==
            known_algorithms.end())
            return "must hold names out of HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384 "
                   "and EdDSA; one is " +
                   in_quotes(each);
    }
    return {};
}

std::string check_secret(const std::string& secret) {
    constexpr std::size_t least = 32; // RFC 7518 3.2: as long as what HS256 computes
    if (!secret.empty() && secret.size() < least)
        return "must have at least 32 bytes, so that it can't be guessed; "
               "\"openssl rand -hex 32\" makes one";
    return {};
}

std::string check_claim(const std::string& text) {
    constexpr std::size_t longest = 1024;
    if (text.size() > longest || has_control(text) || !is_utf8_by_form(text))
        return "must be UTF-8 text of at most 1024 bytes without control characters";
    return {};
}

std::string check_claims(const std::vector<std::string>& texts) {
    return first_wrong(texts, check_claim);
}

std::string check_role(const std::string& role) {
    constexpr std::size_t longest = 63; // of a name in Postgres
    if (role.size() > longest || has_control(role) || !is_utf8_by_form(role))
        return "must be the name of a Postgres role: at most 63 bytes without control characters";
    if (role == "none") // Postgres takes it for "no other role": that would be the daemon's own
        return "must not be \"none\": to Postgres that is the role of the connection itself";
    return {};
}

std::string check_roles(const std::vector<std::string>& roles) {
    return first_wrong(roles, check_role);
}

std::string check_pattern(const std::string& pattern) {
    constexpr std::size_t longest = 255; // of a channel's name
    if (pattern.empty() || pattern.size() > longest || has_control(pattern) ||
        !is_utf8_by_form(pattern))
        return "must be 1 to 255 bytes of UTF-8 without control characters";
    return {};
}

} // namespace config
