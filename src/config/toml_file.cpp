#include "config/toml_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <optional>

namespace config {

namespace {

constexpr std::size_t largest_file = 1024 * 1024;
// The library bounds nested values, but not dotted keys (a.a.a.a...), and it takes a table's parts
// down by recursion. Outside of strings and comments, dots stand in keys and numbers only.
constexpr std::size_t most_dots = 1000;

/// The end of the string that begins at `begin`, behind its closing quotes.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
    const char quote = text[begin];
    const std::string three(3, quote);
    const bool multi_line = text.substr(begin, 3) == three;
    for (std::size_t at = begin + (multi_line ? 3 : 1); at < text.size(); ++at) {
        if (quote == '"' && text[at] == '\\')
            ++at;
        else if (multi_line && text.substr(at, 3) == three)
            return at + 3;
        else if (!multi_line && (text[at] == quote || text[at] == '\n'))
            return at + 1;
    }
    return text.size();
}

bool nests_too_deeply(std::string_view text) {
    std::size_t dots = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else if (text[at] == '"' || text[at] == '\'') {
            at = end_of_string(text, at);
        } else {
            dots += text[at] == '.' ? 1 : 0;
            ++at;
        }
    }
    return dots > most_dots;
}

value value_of(const toml::node& node) {
    if (const auto* flag = node.as_boolean())
        return flag->get();
    if (const auto* number = node.as_integer())
        return number->get();
    if (const auto* text = node.as_string())
        return text->get();
    if (const auto* array = node.as_array()) {
        std::vector<std::string> list;
        for (const auto& item : *array) {
            const auto* text = item.as_string();
            if (text == nullptr)
                return other_value{"a list that holds something else than strings"};
            list.push_back(text->get());
        }
        return list;
    }
    if (node.is_floating_point())
        return other_value{"a number with a fraction"};
    if (node.is_table())
        return other_value{"a section"};
    return other_value{"a date or time"};
}

std::string_view line_of(std::string_view text, unsigned line) {
    for (; line > 1 && !text.empty(); --line)
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    return text.substr(0, text.find('\n'));
}

/// What the library says, unless the line may hold a secret: the library quotes parts of it.
std::string describe_error(std::string_view text, const toml::parse_error& error) {
    const auto line = line_of(text, error.source().begin.line);
    const auto holds = [line](std::string_view part) { return line.find(part) != line.npos; };
    if (holds("dsn") || holds("secret") || holds("password") || holds("@"))
        return "is not valid TOML (is a quote missing, or a key written twice?); the line isn't "
               "shown, it may hold a secret";
    return "is not valid TOML: " + printable(error.description(), 300);
}

void add_section(document& to, const toml::key& name, const toml::table& section,
                 const toml::source_position& at, unsigned element) {
    to.entries.push_back({std::string(name.str()),
                          {},
                          other_value{"a section"},
                          static_cast<unsigned>(at.line),
                          element});
    for (const auto& [key, content] : section)
        to.entries.push_back({std::string(name.str()), std::string(key.str()), value_of(content),
                              static_cast<unsigned>(key.source().begin.line), element});
}

} // namespace

document read_toml(std::string_view text, std::string_view name) {
    document read;
    const auto fail = [&](unsigned line, std::string message) {
        auto where = std::string(name);
        if (line > 0)
            where += ':' + std::to_string(line);
        read.entries.clear();
        read.problems.push_back({std::move(where), {}, std::move(message)});
        return read;
    };
    if (text.size() > largest_file)
        return fail(0, "is larger than 1 MiB; that is no configuration");
    if (nests_too_deeply(text))
        return fail(0, "nests its keys too deeply");
    try {
        const toml::table root = toml::parse(text);
        for (const auto& [key, node] : root) {
            const auto* array = node.as_array();
            if (const auto* section = node.as_table()) {
                add_section(read, key, *section, key.source().begin, 0);
            } else if (array != nullptr && array->is_array_of_tables()) {
                unsigned element = 0;
                for (const auto& each : *array)
                    add_section(read, key, *each.as_table(), each.source().begin, ++element);
            } else {
                read.entries.push_back({{},
                                        std::string(key.str()),
                                        value_of(node),
                                        static_cast<unsigned>(key.source().begin.line)});
            }
        }
    } catch (const toml::parse_error& error) {
        return fail(error.source().begin.line, describe_error(text, error));
    } catch (const std::exception&) {
        return fail(0, "can't be read as TOML");
    }
    std::stable_sort(read.entries.begin(), read.entries.end(),
                     [](const entry& a, const entry& b) { return a.line < b.line; });
    return read;
}

} // namespace config
