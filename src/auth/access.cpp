#include "auth/access.hpp"

#include <algorithm>

namespace auth {

namespace {

requirement needed(const rule& rule, verb verb, requirement otherwise) {
    return (verb == verb::subscribe ? rule.subscribe : rule.publish).value_or(otherwise);
}

bool grants_it(const holder& who, verb verb, std::string_view channel) {
    const auto& patterns = verb == verb::subscribe ? who.granted.subscribe : who.granted.publish;
    return std::ranges::any_of(patterns, [&](const pattern& candidate) {
        return candidate.matches(channel, who.subject);
    });
}

/// Rules that name a subject match nobody who has none.
bool anyone_may(const rules& rules, verb verb) {
    for (const rule& rule : rules.list) {
        const std::string_view pattern = rule.pattern.text();
        if (pattern.find("{sub}") != pattern.npos)
            continue;
        if (needed(rule, verb, rules.otherwise) == requirement::anyone)
            return true;
        if (pattern == "*")
            return false;
    }
    return rules.otherwise == requirement::anyone;
}

} // namespace

access decide(const rules& rules, verb verb, std::string_view channel, const holder* who) {
    const std::string_view subject = who == nullptr ? std::string_view() : who->subject;
    const auto found = std::ranges::find_if(
        rules.list, [&](const rule& rule) { return rule.pattern.matches(channel, subject); });
    const auto required =
        found == rules.list.end() ? rules.otherwise : needed(*found, verb, rules.otherwise);
    switch (required) {
    case requirement::anyone:
        return access::granted;
    case requirement::token:
        return who != nullptr ? access::granted : access::needs_token;
    case requirement::claim:
        if (who == nullptr)
            return access::needs_token;
        return grants_it(*who, verb, channel) ? access::granted : access::forbidden;
    case requirement::nobody:
        break;
    }
    return access::forbidden;
}

bool anyone_may_something(const rules& rules) {
    return anyone_may(rules, verb::subscribe) || anyone_may(rules, verb::publish);
}

} // namespace auth
