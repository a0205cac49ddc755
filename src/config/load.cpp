#include "config/config.hpp"
#include "config/file.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "config/toml_file.hpp"

#include <algorithm>
#include <exception>
#include <map>

namespace config {

namespace {

constexpr std::size_t largest_config = 1024 * 1024;
constexpr std::size_t largest_dsn = 64 * 1024;
constexpr std::size_t largest_pem = 1024 * 1024;

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
        auto& postgres = result_.values.postgres;
        if (!postgres.dsn_file.empty() && !postgres.dsn.empty())
            refuse("postgres.dsn_file",
                   "can't be set together with postgres.dsn; empty one of them (an environment "
                   "variable may be empty to undo what a file sets)");
        else if (!postgres.dsn_file.empty())
            read_dsn(postgres);
        check_tls(result_.values.tls);
        return std::move(result_);
    }

private:
    void entry_from(const entry& each, const std::string& where) {
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
        if (each.section.empty() && is_section(each.key))
            result_.problems.push_back({where, name, "is a section: write [" + name + "]"});
        else
            result_.problems.push_back(
                {where, name, "is no key" + suggest_key(each.section, each.key)});
    }

    void set(const key& known, const value& from, const std::string& where) {
        set_by_[known.full_name()] = where;
        if (auto wrong = known.set(result_.values, from); !wrong.empty())
            result_.problems.push_back({where, known.full_name(), std::move(wrong)});
    }

    void refuse(const std::string& key, std::string message) {
        result_.problems.push_back({set_by_[key], key, std::move(message)});
    }

    void read_dsn(postgres_section& postgres) {
        const auto& path = postgres.dsn_file;
        // A dsn put here by mistake must not be shown as the name of a missing file.
        if (path.find("://") != path.npos || path.find('=') != path.npos) {
            refuse("postgres.dsn_file", "must be a path, and looks like a connection string; that "
                                        "belongs into postgres.dsn");
            return;
        }
        auto content = read_file(path, largest_dsn);
        auto& dsn = content.text;
        while (!dsn.empty() && (dsn.back() == '\n' || dsn.back() == '\r'))
            dsn.pop_back();
        if (content.problem.empty() && dsn.empty())
            content.problem = "is empty";
        if (content.problem.empty() && dsn.find('\0') != dsn.npos)
            content.problem = "holds a NUL character";
        if (content.problem.empty())
            postgres.dsn = std::move(dsn);
        else
            refuse("postgres.dsn_file",
                   "the file \"" + printable(path, 200) + "\" " + content.problem);
    }

    /// What is in the files is for who uses them to say.
    void check_tls(const tls_section& tls) {
        if (tls.certificate.empty() != tls.key.empty()) {
            const bool has_key = tls.certificate.empty();
            refuse(has_key ? "tls.key" : "tls.certificate",
                   std::string("is set without ") + (has_key ? "tls.certificate" : "tls.key") +
                       "; both or neither");
            return;
        }
        for (const auto& [key, path] :
             {std::pair("tls.certificate", &tls.certificate), std::pair("tls.key", &tls.key)})
            if (auto content = path->empty() ? file_content{} : read_file(*path, largest_pem);
                !content.problem.empty())
                refuse(key, "the file \"" + printable(*path, 200) + "\" " + content.problem);
    }

    loaded result_;
    std::map<std::string, std::string> set_by_; ///< key -> where it was set last
};

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

/// Whether an environment name, without its prefix, begins as those of a section do.
bool is_section_of(std::string_view rest) {
    std::string section(rest.substr(0, rest.find('_')));
    for (char& c : section)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return is_section(section);
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
        if (near.empty() && !is_section_of(rest))
            continue;
        const auto hint = near.empty() ? std::string("the names are in docs/config.md")
                                       : "did you mean " + std::string(environment_prefix) +
                                             std::string(near) + '?';
        problems.push_back({printable(name, 64), {}, "sets no key; " + hint});
    }
    return problems;
}

std::string describe(const std::vector<problem>& problems) {
    std::string text;
    for (const auto& each : problems) {
        text += each.where + ": ";
        if (!each.key.empty())
            text += each.key + ": ";
        text += each.message + '\n';
    }
    return text;
}

} // namespace config
