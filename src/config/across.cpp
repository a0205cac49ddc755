#include "config/across.hpp"

#include "config/channel_rules.hpp"
#include "config/checks.hpp"
#include "config/file.hpp"
#include "config/value.hpp"

#include <algorithm>
#include <initializer_list>

namespace config {

namespace {

constexpr std::size_t largest_pem = 1024 * 1024;
constexpr std::size_t largest_keys = 256 * 1024;

void refuse(loaded& to, const std::string& key, std::string message) {
    const auto at = to.set_at.find(key);
    to.problems.push_back(
        {at == to.set_at.end() ? std::string() : at->second, key, std::move(message)});
}

/// Whether none of these has a problem of its own.
bool sound(const loaded& in, std::initializer_list<std::string_view> keys) {
    return std::none_of(in.problems.begin(), in.problems.end(), [keys](const problem& each) {
        return std::find(keys.begin(), keys.end(), each.key) != keys.end();
    });
}

bool is_set(const loaded& in, std::string_view key) {
    return in.set_at.find(key) != in.set_at.end();
}

/// What is in the files is for who uses them to say.
void check_file(loaded& to, const std::string& key, const std::string& path, std::size_t largest) {
    if (path.empty())
        return;
    const auto content = read_file(path, largest);
    if (!content.problem.empty())
        refuse(to, key, describe_file(path) + ' ' + content.problem);
}

void check_tls(loaded& to) {
    const auto& tls = to.values.tls;
    if (tls.certificate.empty() != tls.key.empty()) {
        const bool has_key = tls.certificate.empty();
        refuse(to, has_key ? "tls.key" : "tls.certificate",
               std::string("is set without ") + (has_key ? "tls.certificate" : "tls.key") +
                   "; both or neither");
        return;
    }
    check_file(to, "tls.certificate", tls.certificate, largest_pem);
    check_file(to, "tls.key", tls.key, largest_pem);
}

/// A daemon that asks for tokens and can't verify any would refuse everybody.
void check_keys(loaded& to) {
    if (!sound(to, {"auth.mode", "auth.algorithms", "auth.secret", "auth.secret_file",
                    "auth.public_key_file", "auth.jwks_file", "auth.jwks_url"}))
        return;
    const auto& auth = to.values.auth;
    if (auth.mode == auth_mode::none)
        return;
    const bool has_secret = !auth.secret.empty();
    const bool has_public =
        !auth.public_key_file.empty() || !auth.jwks_file.empty() || !auth.jwks_url.empty();
    if (!has_secret && !has_public) {
        refuse(to, "auth.mode",
               "is \"token\", and there is no key to verify tokens with: set auth.secret_file (or "
               "secret), auth.public_key_file, auth.jwks_file or auth.jwks_url");
        return;
    }
    const auto& names = auth.algorithms;
    const bool fits = std::any_of(names.begin(), names.end(), [=](const std::string& each) {
        return is_hmac(each) ? has_secret : has_public;
    });
    if (!names.empty() && !fits)
        refuse(to, "auth.algorithms",
               has_secret ? "holds no HS256, HS384 or HS512, and auth.secret is for nothing else"
                          : "holds only algorithms for a secret, and the keys that are set are "
                            "public ones");
}

void check_roles_together(loaded& to) {
    const auto& auth = to.values.auth;
    if (!sound(to, {"auth.mode", "auth.role_claim", "auth.roles", "auth.anonymous_role"}))
        return;
    if (!auth.role_claim.empty() && auth.mode == auth_mode::none) {
        refuse(to, "auth.role_claim",
               "does nothing with auth.mode = \"none\": there are no tokens to name a role, and "
               "publishes would run as the daemon's own; set auth.mode = \"token\" and a key");
        return;
    }
    if (!auth.role_claim.empty() && auth.roles.empty())
        refuse(to, "auth.role_claim",
               "is set without auth.roles: list the roles that a token may name");
    if (!auth.role_claim.empty())
        return;
    const char* const without = "does nothing without auth.role_claim: publishes would run as the "
                                "daemon's own role";
    if (!auth.roles.empty())
        refuse(to, "auth.roles", without);
    if (!auth.anonymous_role.empty())
        refuse(to, "auth.anonymous_role", without);
}

void check_sizes(loaded& to) {
    const auto& values = to.values;
    if (!sound(to, {"auth.max_token", "limits.max_header"}) ||
        values.auth.max_token < values.limits.max_header)
        return;
    const bool at_token = is_set(to, "auth.max_token") || !is_set(to, "limits.max_header");
    refuse(to, at_token ? "auth.max_token" : "limits.max_header",
           std::string(at_token ? "must be less than limits.max_header"
                                : "must be more than auth.max_token") +
               ": a token may come in a header");
}

std::string name_of(requirement what) {
    return what == requirement::token ? "\"token\"" : "\"claim\"";
}

void check_rules(loaded& to, std::span<const std::string> rule_at) {
    const auto& rules = to.values.channels;
    const bool knows_mode = sound(to, {"auth.mode"});
    const auto say = [&](std::size_t rule, std::string_view key, std::string message) {
        to.problems.push_back({rule_at[rule], std::string(key), std::move(message)});
    };
    std::map<std::string_view, std::size_t> first; // rule of each pattern
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const auto& pattern = rules[i].pattern;
        if (!pattern.empty())
            if (const auto [earlier, is_new] = first.emplace(pattern, i); !is_new)
                say(i, "channel.pattern",
                    "stands in the rule at " + rule_at[earlier->second] +
                        " already, and the first rule that matches decides: put both in one");
        if (!knows_mode || to.values.auth.mode == auth_mode::token)
            continue;
        for (const auto& [key, asked] : {std::pair("channel.subscribe", rules[i].subscribe),
                                         std::pair("channel.publish", rules[i].publish)})
            if (asked == requirement::token || asked == requirement::claim)
                say(i, key,
                    "is " + name_of(*asked) +
                        ", which nobody can meet: with auth.mode = \"none\" there are no tokens");
    }
}

} // namespace

void check_across(loaded& to, std::span<const std::string> rule_at) {
    check_tls(to);
    const auto& auth = to.values.auth;
    check_file(to, "auth.public_key_file", auth.public_key_file, largest_keys);
    check_file(to, "auth.jwks_file", auth.jwks_file, largest_keys);
    check_file(to, "auth.jwks_ca_file", auth.jwks_ca_file, largest_keys);
    check_keys(to);
    check_roles_together(to);
    check_sizes(to);
    check_rules(to, rule_at);
}

void check_serving(loaded& from) {
    const auto& values = from.values;
    if (!sound(from, {"server.listen", "auth.mode", "auth.insecure"}) ||
        values.auth.mode != auth_mode::none || values.auth.insecure ||
        is_loopback(values.server.listen))
        return;
    refuse(from, "server.listen",
           "others can reach " + in_quotes(values.server.listen) +
               ", and with auth.mode = \"none\" whoever does may read and publish everything: set "
               "auth.mode = \"token\" and a key, or listen on 127.0.0.1 behind something that "
               "decides who may connect, or set auth.insecure = true if that is meant so");
}

} // namespace config
