#include "config/checks.hpp"
#include "config/keys.hpp"

#include <array>

namespace config {

namespace {

using namespace std::chrono_literals;
using type = value_type;

const choices<auth_mode> modes{{"none", auth_mode::none}, {"token", auth_mode::token}};

std::string set_audience(settings& to, const value& from) {
    std::vector<std::string> read;
    auto wrong = set_one_or_more(read, from);
    if (wrong.empty())
        wrong = check_claims(read);
    if (wrong.empty())
        to.auth.audience = std::move(read);
    return wrong;
}

std::string check_grants_claim(const std::string& claim) {
    return claim.empty() ? "must name a claim" : check_claim(claim);
}

constexpr std::array keys_of_auth{
    key{"auth", "mode", type::string,
        "who clients are: none asks nobody, token asks for a JWT that one of the keys below "
        "verifies",
        [](const settings& s) { return show_choice(s.auth.mode, modes); },
        [](settings& s, const value& v) { return set_choice(s.auth.mode, v, modes); }},
    key{"auth", "insecure", type::boolean,
        "with mode none, serve an address that others reach: all of them may read and publish "
        "everything",
        [](const settings& s) { return show(s.auth.insecure); },
        [](settings& s, const value& v) { return set(s.auth.insecure, v); }},
    key{"auth", "algorithms", type::list,
        "signatures a token may have: HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, "
        "EdDSA; empty: those that a key is for",
        [](const settings& s) { return show(s.auth.algorithms); },
        [](settings& s, const value& v) {
            return set_checked(s.auth.algorithms, v, check_algorithms);
        }},
    key{"auth", "secret", type::string, "secret for HS256, HS384 and HS512, at least 32 bytes",
        [](const settings& s) { return show(std::string_view(s.auth.secret)); },
        [](settings& s, const value& v) { return set_checked(s.auth.secret, v, check_secret); }},
    key{"auth", "secret_file", type::string, "file that holds the secret; not together with secret",
        [](const settings& s) { return show(std::string_view(s.auth.secret_file)); },
        [](settings& s, const value& v) { return set(s.auth.secret_file, v); }},
    key{"auth", "public_key_file", type::string,
        "PEM file with public keys or certificates, for RS, ES and EdDSA",
        [](const settings& s) { return show(std::string_view(s.auth.public_key_file)); },
        [](settings& s, const value& v) { return set(s.auth.public_key_file, v); }},
    key{"auth", "jwks_file", type::string, "file with a JSON Web Key Set",
        [](const settings& s) { return show(std::string_view(s.auth.jwks_file)); },
        [](settings& s, const value& v) { return set(s.auth.jwks_file, v); }},
    key{"auth", "jwks_url", type::string, "https address of a JSON Web Key Set",
        [](const settings& s) { return show(std::string_view(s.auth.jwks_url)); },
        [](settings& s, const value& v) { return set_checked(s.auth.jwks_url, v, check_https); }},
    key{"auth", "jwks_ca_file", type::string,
        "PEM file with the authorities that jwks_url's certificate may be from; empty: the "
        "system's",
        [](const settings& s) { return show(std::string_view(s.auth.jwks_ca_file)); },
        [](settings& s, const value& v) { return set(s.auth.jwks_ca_file, v); }},
    key{"auth", "jwks_refresh", type::duration, "how often key sets are read again",
        [](const settings& s) { return show(s.auth.jwks_refresh); },
        [](settings& s, const value& v) {
            return set(s.auth.jwks_refresh, v, {1s, 24h});
        }},
    key{"auth", "issuer", type::string, "what a token must have as iss; empty: anything",
        [](const settings& s) { return show(std::string_view(s.auth.issuer)); },
        [](settings& s, const value& v) { return set_checked(s.auth.issuer, v, check_claim); }},
    key{"auth", "audience", type::list,
        "a token must have one of these as aud; empty: anything; one string stands for itself",
        [](const settings& s) { return show(s.auth.audience); },
        [](settings& s, const value& v) { return set_audience(s, v); }},
    key{"auth", "leeway", type::duration,
        "how far clocks may differ when exp and nbf are looked at",
        [](const settings& s) { return show(s.auth.leeway); },
        [](settings& s, const value& v) {
            return set_whole_seconds(s.auth.leeway, v, {0s, 10min});
        }},
    key{"auth", "claim", type::string, "the claim that holds what a token grants",
        [](const settings& s) { return show(std::string_view(s.auth.claim)); },
        [](settings& s, const value& v) {
            return set_checked(s.auth.claim, v, check_grants_claim);
        }},
    key{"auth", "role_claim", type::string,
        "the claim that names the Postgres role a publish runs as; empty: the daemon's own role",
        [](const settings& s) { return show(std::string_view(s.auth.role_claim)); },
        [](settings& s, const value& v) { return set_checked(s.auth.role_claim, v, check_claim); }},
    key{"auth", "roles", type::list, "the Postgres roles that a token may name",
        [](const settings& s) { return show(s.auth.roles); },
        [](settings& s, const value& v) { return set_checked(s.auth.roles, v, check_roles); }},
    key{"auth", "anonymous_role", type::string,
        "with role_claim, the role of who names none; empty: their publishes are refused",
        [](const settings& s) { return show(std::string_view(s.auth.anonymous_role)); },
        [](settings& s, const value& v) {
            return set_checked(s.auth.anonymous_role, v, check_role);
        }},
    key{"auth", "auth_timeout", type::duration,
        "how long a session may take to show a token that is asked for",
        [](const settings& s) { return show(s.auth.auth_timeout); },
        [](settings& s, const value& v) {
            return set(s.auth.auth_timeout, v, {1s, 10min});
        }},
    key{"auth", "max_token", type::size, "largest token that is looked at",
        [](const settings& s) { return show_size(s.auth.max_token); },
        [](settings& s, const value& v) {
            return set_size(s.auth.max_token, v, {256, 64 * KiB});
        }},
};

} // namespace

std::span<const key> auth_keys() {
    return keys_of_auth;
}

} // namespace config
