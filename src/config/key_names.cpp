#include "config/channel_rules.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"

#include <algorithm>

namespace config {

namespace {

std::string did_you_mean(std::string_view name) {
    return "; did you mean " + std::string(name) + "?";
}

/// As it stands in a file: "[server]", "[[channel]]".
std::string head_of(std::string_view section) {
    const auto head = '[' + std::string(section) + ']';
    return section == channel_section ? '[' + head + ']' : head;
}

} // namespace

std::string key::environment() const {
    auto text = std::string(environment_prefix) + std::string(section) + '_' + std::string(name);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return text;
}

const key* find_key(std::string_view section, std::string_view name) {
    const auto all = keys();
    const auto found = std::find_if(all.begin(), all.end(), [&](const key& each) {
        return each.section == section && each.name == name;
    });
    return found == all.end() ? nullptr : &*found;
}

std::vector<std::string_view> section_names() {
    std::vector<std::string_view> names;
    for (const auto& each : keys()) {
        if (std::find(names.begin(), names.end(), each.section) != names.end())
            continue;
        names.push_back(each.section);
        if (each.section == "auth")
            names.push_back(channel_section);
    }
    return names;
}

bool is_section(std::string_view name) {
    const auto all = keys();
    return std::any_of(all.begin(), all.end(),
                       [name](const key& each) { return each.section == name; });
}

std::string suggest_key(std::string_view section, std::string_view name) {
    std::vector<std::string_view> here;
    for (const auto& each : keys()) {
        if (each.name == name) // the right key in the wrong section
            return did_you_mean(each.full_name());
        if (each.section == section)
            here.push_back(each.name);
    }
    if (const auto near = nearest(name, here); !near.empty())
        return did_you_mean(std::string(section) + '.' + std::string(near));
    std::string text = here.empty() ? "; there are" : "; this section has";
    const auto names = here.empty() ? section_names() : here;
    for (const auto each : names)
        text += (each == names.front() ? " " : ", ") +
                (here.empty() ? head_of(each) : std::string(each));
    return text;
}

std::string suggest_section(std::string_view name) {
    if (const auto near = nearest(name, section_names()); !near.empty())
        return did_you_mean(head_of(near));
    return suggest_key({}, {});
}

std::vector<key_description> describe_keys() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const auto& each : keys())
            all.push_back(each.full_name());
        return all;
    }();
    const settings defaults;
    std::vector<key_description> described;
    for (const auto& each : keys())
        described.push_back({names[described.size()], name_of(each.type), each.show(defaults),
                             each.environment(), each.meaning});
    return described;
}

} // namespace config
