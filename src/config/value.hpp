#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// Values as they are written, before they are settings: the same for a TOML file and for the
/// environment. Setters return what is wrong, or an empty text; they change nothing when it is
/// wrong.
namespace config {

/// A value of a type that no key has, e.g. "a date".
struct other_value {
    std::string_view type;
};

using value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>, other_value>;

enum class value_type { string, integer, boolean, duration, size, list };

/// "string", "integer", ..., "list of strings".
std::string_view name_of(value_type type);

/// An environment variable's text as a value for a key of that type. What doesn't fit stays text
/// and is refused by the setter, in the same words as from a file.
value from_environment(value_type type, const std::string& text);

struct integer_range {
    std::int64_t least;
    std::int64_t most;
};
struct duration_range {
    std::chrono::milliseconds least;
    std::chrono::milliseconds most;
};

std::string set(bool& to, const value& from);
std::string set(std::string& to, const value& from);
std::string set(std::vector<std::string>& to, const value& from);
/// One string is a list of one, an empty one a list of none.
std::string set_one_or_more(std::vector<std::string>& to, const value& from);
std::string set(std::chrono::milliseconds& to, const value& from, duration_range range);

constexpr std::int64_t KiB = 1024;
constexpr std::int64_t MiB = 1024 * KiB;
constexpr std::int64_t GiB = 1024 * MiB;

/// "64KiB", "512", or an integer: bytes.
std::string set_size(std::size_t& to, const value& from, integer_range range);
/// Both ends of the range must fit T.
template <typename T>
std::string set_integer(T& to, const value& from, integer_range range);

std::string read_integer(std::int64_t& to, const value& from, integer_range range);

template <typename T>
std::string set_integer(T& to, const value& from, integer_range range) {
    std::int64_t number = 0;
    auto wrong = read_integer(number, from, range);
    if (wrong.empty())
        to = static_cast<T>(number);
    return wrong;
}

template <typename Choice>
using choices = std::vector<std::pair<std::string_view, Choice>>;

/// "must be one of "info", "warn", not "inof""
std::string not_one_of(const std::vector<std::string_view>& allowed, const value& from);

template <typename Choice>
std::string set_choice(Choice& to, const value& from, const choices<Choice>& allowed) {
    const auto* text = std::get_if<std::string>(&from);
    std::vector<std::string_view> names;
    for (const auto& [name, choice] : allowed) {
        if (text != nullptr && *text == name) {
            to = choice;
            return {};
        }
        names.push_back(name);
    }
    return not_one_of(names, from);
}

/// A duration of whole seconds.
template <typename Seconds>
std::string set_whole_seconds(Seconds& to, const value& from, duration_range range) {
    using namespace std::chrono_literals;
    std::chrono::milliseconds duration{};
    auto wrong = set(duration, from, range);
    if (wrong.empty() && duration % 1s != 0ms)
        wrong = "must be whole seconds";
    if (wrong.empty())
        to = std::chrono::duration_cast<std::chrono::seconds>(duration);
    return wrong;
}

/// As a TOML file would have it: "10s" with the quotes, 0, false, []. Different values are shown
/// differently.
std::string show(bool flag);
std::string show(std::string_view text);
std::string show(const std::vector<std::string>& list);
std::string show(std::chrono::milliseconds duration);
std::string show_integer(std::uint64_t number);
std::string show_size(std::uint64_t bytes);
template <typename Choice>
std::string show_choice(Choice choice, const choices<Choice>& all) {
    for (const auto& [name, each] : all)
        if (each == choice)
            return show(name);
    return {};
}

/// `text` as it may stand in a problem: plain ASCII, one line, cut to a length.
std::string printable(std::string_view text, std::size_t longest);

/// A value in quotes, but not shown at all where it looks like it could hold a password or be a
/// secret.
std::string in_quotes(std::string_view text);

} // namespace config
