#include "app/policy.hpp"

#include "config/checks.hpp"
#include "json/reader.hpp"

#include <algorithm>
#include <optional>

namespace app {

namespace {

auth::requirement requirement_of(config::requirement from) {
    switch (from) {
    case config::requirement::anyone:
        return auth::requirement::anyone;
    case config::requirement::token:
        return auth::requirement::token;
    case config::requirement::claim:
        return auth::requirement::claim;
    case config::requirement::nobody:
        break;
    }
    return auth::requirement::nobody;
}

std::optional<auth::requirement> requirement_of(std::optional<config::requirement> from) {
    return from ? std::optional(requirement_of(*from)) : std::nullopt;
}

auth::rules rules_of(const config::settings& settings) {
    auth::rules rules;
    rules.otherwise = settings.auth.mode == config::auth_mode::token ? auth::requirement::claim
                                                                     : auth::requirement::anyone;
    for (const config::channel_rule& each : settings.channels) {
        rules.list.push_back({auth::pattern(each.pattern), requirement_of(each.subscribe),
                              requirement_of(each.publish)});
    }
    return rules;
}

auth::token_rules token_rules_of(const config::auth_section& from) {
    auth::token_rules rules;
    for (const std::string& name : from.algorithms) {
        if (const auto known = auth::algorithm_named(name)) {
            rules.algorithms.push_back(*known);
        }
    }
    rules.issuer = from.issuer;
    rules.audience = from.audience;
    rules.leeway = std::chrono::duration_cast<std::chrono::seconds>(from.leeway);
    rules.max_bytes = from.max_token;
    rules.grants_claim = from.claim;
    rules.role_claim = from.role_claim;
    return rules;
}

std::vector<core::network> networks_of(const std::vector<std::string>& texts) {
    std::vector<core::network> networks;
    for (const std::string& text : texts) {
        if (const auto one = core::network::parse(text)) {
            networks.push_back(*one);
        }
    }
    return networks;
}

std::shared_ptr<const acting_as> acting(const policy& policy, const auth::claims& claims) {
    if (!policy.uses_roles) {
        return nullptr;
    }
    if (claims.role.empty()) {
        return policy.anonymous == nullptr ? nullptr
                                           : std::make_shared<const acting_as>(
                                                 acting_as{policy.anonymous->role, claims.json});
    }
    const bool listed = std::ranges::find(policy.roles, claims.role) != policy.roles.end();
    return listed ? std::make_shared<const acting_as>(acting_as{claims.role, claims.json})
                  : nullptr;
}

/// A token holds until it expires; one that is accepted in the leeway after that, until its end.
identity::time_point expiry_of(const policy& policy, const auth::claims& claims) {
    if (!claims.expires) {
        return identity::time_point::max();
    }
    using seconds = std::chrono::duration<double>;
    const auto wall = std::chrono::system_clock::now();
    // Not their difference: that is in nanoseconds, and the far end of a long one is before now.
    auto left = seconds(claims.expires->time_since_epoch()) - seconds(wall.time_since_epoch());
    if (left <= seconds::zero()) {
        left += policy.token_rules.leeway;
    }
    // Beyond that the clock's own range would end; no session lives so long.
    constexpr seconds longest = std::chrono::hours(24 * 365 * 100);
    left = std::clamp(left, seconds::zero(), longest);
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<identity::time_point::duration>(left);
}

} // namespace

policy_ptr make_policy(const config::settings& settings, auth::key_set keys) {
    auto made = std::make_shared<policy>();
    made->needs_tokens = settings.auth.mode == config::auth_mode::token;
    made->rules = rules_of(settings);
    made->keys = std::move(keys);
    made->token_rules = token_rules_of(settings.auth);
    made->auth_timeout = settings.auth.auth_timeout;
    made->uses_roles = made->needs_tokens && !settings.auth.role_claim.empty();
    made->roles = settings.auth.roles;
    if (!settings.auth.anonymous_role.empty()) {
        acting_as nobody{settings.auth.anonymous_role, R"({"role":)"};
        json::append_string(nobody.claims, nobody.role);
        nobody.claims.push_back('}');
        made->anonymous = std::make_shared<const acting_as>(std::move(nobody));
    }
    made->limits = settings.limits;
    made->trusted_proxies = networks_of(settings.limits.trusted_proxies);
    made->exempt = networks_of(settings.limits.exempt_addresses);
    made->allowed_origins = settings.websocket.allowed_origins;
    made->only_local_pages = !made->needs_tokens && made->allowed_origins.empty() &&
                             config::is_loopback(settings.server.listen);
    made->console = settings.server.console;
    return made;
}

identity_ptr identify(const policy& policy, auth::claims claims) {
    auto made = std::make_shared<identity>();
    made->acting = acting(policy, claims);
    made->expires = expiry_of(policy, claims);
    made->claims = std::move(claims);
    return made;
}

identity_ptr identify_again(const policy& policy, const struct policy& old,
                            const identity& before) {
    auto made = std::make_shared<identity>(before);
    if (policy.token_rules.grants_claim != old.token_rules.grants_claim ||
        policy.token_rules.role_claim != old.token_rules.role_claim) {
        auth::read_grants_again(made->claims, policy.token_rules);
    }
    made->acting = acting(policy, made->claims);
    return made;
}

auth::access access_of(const policy& policy, auth::verb verb, std::string_view channel,
                       const identity* who) {
    if (who == nullptr) {
        return auth::decide(policy.rules, verb, channel, nullptr);
    }
    const auth::holder holder{who->claims.subject, who->claims.granted};
    return auth::decide(policy.rules, verb, channel, &holder);
}

base::outcome<std::shared_ptr<const acting_as>> role_of(const policy& policy, const identity* who) {
    if (!policy.uses_roles) {
        return std::shared_ptr<const acting_as>();
    }
    auto role = who != nullptr ? who->acting : policy.anonymous;
    if (role == nullptr) {
        return base::failure{base::errc::forbidden,
                             who != nullptr && !who->claims.role.empty()
                                 ? "the token's role is none of those that may publish here"
                                 : "publishing needs a token that names a role"};
    }
    return role;
}

} // namespace app
