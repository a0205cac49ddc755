#pragma once

#include "auth/pattern.hpp"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace auth {

/// What a session wants with a channel. Reading history counts as subscribe.
enum class verb { subscribe, publish };

/// What a rule asks of whoever wants something.
enum class requirement {
    anyone, ///< nothing
    token,  ///< a valid token
    claim,  ///< a token whose grants name the channel
    nobody, ///< refused in any case
};

struct rule {
    auth::pattern pattern;
    std::optional<requirement> subscribe; ///< nothing: as where no rule matches
    std::optional<requirement> publish;
};

/// What a token grants by itself.
struct grants {
    std::vector<pattern> subscribe;
    std::vector<pattern> publish;
};

/// The rules in their order, the first whose pattern matches decides, and what holds where none
/// does.
struct rules {
    std::vector<rule> list;
    requirement otherwise = requirement::claim;
};

/// Who asks, as far as access depends on it.
struct holder {
    std::string_view subject;
    const auth::grants& granted;
};

enum class access { granted, needs_token, forbidden };

/// `who` null: no token was shown.
access decide(const rules& rules, verb verb, std::string_view channel, const holder* who);

/// Whether somebody without a token may do anything at all.
bool anyone_may_something(const rules& rules);

} // namespace auth
