#include "config/channel_rules.hpp"

#include "config/checks.hpp"
#include "config/nearest.hpp"

#include <algorithm>
#include <array>

namespace config {

namespace {

const choices<requirement> requirements{{"anyone", requirement::anyone},
                                        {"token", requirement::token},
                                        {"claim", requirement::claim},
                                        {"nobody", requirement::nobody}};

struct rule_key {
    std::string_view full_name;
    std::string_view otherwise; ///< what holds where it isn't set
    std::string_view meaning;
    std::string (*set)(channel_rule& to, const value& from);

    std::string_view name() const { return full_name.substr(channel_section.size() + 1); }
};

std::string set_requirement(std::optional<requirement>& to, const value& from) {
    requirement read{};
    auto wrong = set_choice(read, from, requirements);
    if (wrong.empty())
        to = read;
    return wrong;
}

constexpr std::array rule_keys{
    rule_key{"channel.pattern", "required",
             "the channels it is for: * stands for any run of characters, {sub} for the token's "
             "subject; the first rule that matches decides",
             [](channel_rule& to, const value& from) {
                 return set_checked(to.pattern, from, check_pattern);
             }},
    rule_key{
        "channel.subscribe", "as without a rule",
        "who may subscribe and read history: anyone, token (any valid one), claim (a token "
        "that grants it), nobody",
        [](channel_rule& to, const value& from) { return set_requirement(to.subscribe, from); }},
    rule_key{"channel.publish", "as without a rule", "who may publish: the same four",
             [](channel_rule& to, const value& from) { return set_requirement(to.publish, from); }},
};

} // namespace

std::string set_in_rule(channel_rule& to, std::string_view key, const value& from) {
    std::vector<std::string_view> names;
    for (const auto& each : rule_keys) {
        if (each.name() == key)
            return each.set(to, from);
        names.push_back(each.name());
    }
    if (const auto near = nearest(key, names); !near.empty())
        return "is no key; did you mean channel." + std::string(near) + '?';
    std::string text = "is no key; a [[channel]] has";
    for (const auto& name : names)
        text += (&name == &names.front() ? " " : ", ") + std::string(name);
    return text;
}

std::vector<key_description> describe_channel_keys() {
    std::vector<key_description> described;
    for (const auto& each : rule_keys)
        described.push_back({each.full_name,
                             name_of(value_type::string),
                             std::string(each.otherwise),
                             {},
                             each.meaning});
    return described;
}

} // namespace config
