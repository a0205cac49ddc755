#pragma once

#include "app/publisher.hpp"
#include "auth/access.hpp"
#include "auth/key_set.hpp"
#include "auth/token.hpp"
#include "config/config.hpp"
#include "core/network.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace app {

/// Who may do what and how much: what of the settings a reload changes for sessions. A new one is
/// made whenever settings or keys change.
/// Owner: shared by server and shards. Thread: any, it never changes. Lifetime: its last holder's.
struct policy {
    bool needs_tokens = false;
    auth::rules rules;
    auth::key_set keys;
    auth::token_rules token_rules;
    std::chrono::milliseconds auth_timeout{};
    bool uses_roles = false; ///< auth.role_claim is set
    std::vector<std::string> roles;
    std::shared_ptr<const acting_as> anonymous; ///< for who names no role; null: none may
    config::limits_section limits;
    std::vector<core::network> trusted_proxies;
    std::vector<core::network> exempt;
    std::vector<std::string> allowed_origins;
    bool only_local_pages = false; ///< no tokens, no origins listed, and others can't reach us
    bool console = true;
};
using policy_ptr = std::shared_ptr<const policy>;

/// The settings must have been checked.
policy_ptr make_policy(const config::settings& settings, auth::key_set keys);

/// Who a session is, by the token it has shown.
struct identity {
    using time_point = std::chrono::steady_clock::time_point;

    auth::claims claims;
    std::shared_ptr<const acting_as> acting; ///< null: as the daemon's own role
    time_point expires = time_point::max();
};
using identity_ptr = std::shared_ptr<const identity>;

/// What a verified token makes of its session.
identity_ptr identify(const policy& policy, auth::claims claims);

/// The same person under another policy than `old`, who expires when they did.
identity_ptr identify_again(const policy& policy, const struct policy& old, const identity& before);

/// What `who`, null for nobody, may do.
auth::access access_of(const policy& policy, auth::verb verb, std::string_view channel,
                       const identity* who);

/// The role that a publish runs under; an error where it may not.
base::outcome<std::shared_ptr<const acting_as>> role_of(const policy& policy, const identity* who);

} // namespace app
