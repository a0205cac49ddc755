#include "config/across.hpp"
#include "config/channel_rules.hpp"
#include "config/config.hpp"
#include "config/file.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "config/toml_file.hpp"

#include <algorithm>

namespace config {

namespace {

constexpr std::size_t largest_config = 1024 * 1024;

constexpr const char* rules_are_written =
    "holds rules: write [[channel]], with two brackets, once for each";

/// A name from a file as it may stand in a problem: a quoted TOML key can hold anything.
std::string name_of(const entry& from) {
    constexpr std::size_t longest = 64;
    auto name = printable(from.section, longest);
    if (!from.section.empty() && !from.key.empty())
        name += '.';
    return name + printable(from.key, longest);
}

class loader {
public:
    void file(std::string_view text, std::string_view name) {
        auto document = read_toml(text, name);
        for (auto& each : document.problems)
            result_.problems.push_back(std::move(each));
        for (const auto& each : document.entries)
            entry_from(each, std::string(name) + ':' + std::to_string(each.line));
    }

    void unreadable(std::string_view name, std::string why) {
        result_.problems.push_back({std::string(name), {}, std::move(why)});
    }

    void environment(const config::environment& lookup) {
        for (const auto& each : keys()) {
            const auto name = each.environment();
            if (const auto text = lookup(name))
                set(each, from_environment(each.type, *text), name);
        }
    }

    loaded finish() {
        for (std::size_t i = 0; i < rule_at_.size(); ++i)
            if (!has_pattern_[i])
                result_.problems.push_back({rule_at_[i], std::string(channel_section),
                                            "has no pattern, which says for which channels it "
                                            "is; pattern = \"*\" is for all"});
        read_secret_files(result_);
        check_across(result_, rule_at_);
        return std::move(result_);
    }

private:
    void entry_from(const entry& each, const std::string& where) {
        if (each.section == channel_section) {
            rule_from(each, where);
            return;
        }
        if (each.element > 0) { // [[server]]: said once
            if (each.element == 1 && each.key.empty())
                not_a_list(each, where);
            return;
        }
        if (each.key.empty() && is_section(each.section))
            return;
        if (!each.section.empty() && !is_section(each.section)) {
            // Said once for the section, not again for each key in it.
            if (each.key.empty())
                result_.problems.push_back(
                    {where, name_of(each), "is no section" + suggest_section(each.section)});
            return;
        }
        if (const auto* known = find_key(each.section, each.key)) {
            set(*known, each.value, where);
            return;
        }
        const auto name = name_of(each);
        if (each.section.empty() && each.key == channel_section)
            result_.problems.push_back({where, name, rules_are_written});
        else if (each.section.empty() && is_section(each.key))
            result_.problems.push_back({where, name, "is a section: write [" + name + "]"});
        else
            result_.problems.push_back(
                {where, name, "is no key" + suggest_key(each.section, each.key)});
    }

    void not_a_list(const entry& each, const std::string& where) {
        const auto name = name_of(each);
        result_.problems.push_back({where, name,
                                    is_section(each.section)
                                        ? "is a section: write [" + name + "], once"
                                        : "is no section" + suggest_section(each.section)});
    }

    /// Elements come in their order, each with its head before its keys.
    void rule_from(const entry& each, const std::string& where) {
        const std::string section(channel_section);
        if (each.element == 0) {
            if (each.key.empty())
                result_.problems.push_back({where, section, rules_are_written});
            return;
        }
        if (each.element > most_rules) {
            if (each.element == most_rules + 1 && each.key.empty())
                result_.problems.push_back(
                    {where, section,
                     "is one rule too many: there may be " + std::to_string(most_rules)});
            return;
        }
        if (each.key.empty()) {
            result_.values.channels.emplace_back();
            rule_at_.push_back(where);
            has_pattern_.push_back(false);
            result_.set_at[section] = where;
            return;
        }
        has_pattern_[each.element - 1] = has_pattern_[each.element - 1] || each.key == "pattern";
        auto wrong =
            set_in_rule(result_.values.channels.at(each.element - 1), each.key, each.value);
        if (!wrong.empty())
            result_.problems.push_back({where, name_of(each), std::move(wrong)});
    }

    void set(const key& known, const value& from, const std::string& where) {
        result_.set_at[known.full_name()] = where;
        if (auto wrong = known.set(result_.values, from); !wrong.empty())
            result_.problems.push_back({where, known.full_name(), std::move(wrong)});
    }

    loaded result_;
    std::vector<std::string> rule_at_; ///< where each of result_.values.channels stands
    std::vector<bool> has_pattern_;    ///< of each of them
};

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

/// Whether an environment name, without its prefix, begins as those of `section` do.
bool is_of(std::string_view section, std::string_view rest) {
    const auto begin = rest.substr(0, rest.find('_'));
    return std::equal(begin.begin(), begin.end(), section.begin(), section.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

bool is_of_a_section(std::string_view rest) {
    const auto sections = section_names();
    return std::any_of(sections.begin(), sections.end(),
                       [rest](std::string_view each) { return is_of(each, rest); });
}

/// For a Service named "pgherald..." Kubernetes sets PREFIX_SERVICE_HOST, PREFIX_PORT and more in
/// every container beside it.
bool is_service_link(std::string_view name, std::span<const std::string> all) {
    static constexpr std::string_view mark = "_SERVICE_HOST";
    return std::any_of(all.begin(), all.end(), [name](std::string_view each) {
        if (each.size() <= mark.size() || each.substr(each.size() - mark.size()) != mark)
            return false;
        const auto prefix = each.substr(0, each.size() - mark.size());
        const auto rest = starts_with(name, prefix) ? name.substr(prefix.size()) : "";
        return starts_with(rest, "_SERVICE_") || rest == "_PORT" || starts_with(rest, "_PORT_");
    });
}

} // namespace

loaded load(std::string_view toml, std::string_view name, const environment& lookup) {
    loader all;
    all.file(toml, name);
    all.environment(lookup);
    return all.finish();
}

loaded load(const std::optional<std::filesystem::path>& file, const environment& lookup) {
    loader all;
    if (file) {
        auto content = read_file(*file, largest_config);
        if (content.problem.empty())
            all.file(content.text, file->string());
        else
            all.unreadable(file->string(), std::move(content.problem));
    }
    all.environment(lookup);
    return all.finish();
}

std::vector<problem> check_environment_names(std::span<const std::string> names) {
    std::vector<std::string> variables;
    for (const auto& each : keys())
        variables.push_back(each.environment().substr(environment_prefix.size()));
    const std::vector<std::string_view> known(variables.begin(), variables.end());
    std::vector<problem> problems;
    for (const auto& name : names) {
        if (!starts_with(name, environment_prefix) || is_service_link(name, names))
            continue;
        const auto rest = std::string_view(name).substr(environment_prefix.size());
        if (std::find(known.begin(), known.end(), rest) != known.end())
            continue;
        const auto near = nearest(rest, known);
        // PGHERALD_VERSION of an image or a test's variable is no slip of a key.
        if (near.empty() && !is_of_a_section(rest))
            continue;
        auto hint = near.empty() ? std::string("the names are in docs/config.md")
                                 : "did you mean " + std::string(environment_prefix) +
                                       std::string(near) + '?';
        if (is_of(channel_section, rest))
            hint = "[[channel]] rules can only stand in a file";
        problems.push_back({printable(name, 64), {}, "sets no key; " + hint});
    }
    return problems;
}

std::string describe(const std::vector<problem>& problems) {
    std::string text;
    for (const auto& each : problems) {
        if (!each.where.empty())
            text += each.where + ": ";
        if (!each.key.empty())
            text += each.key + ": ";
        text += each.message + '\n';
    }
    return text;
}

} // namespace config
