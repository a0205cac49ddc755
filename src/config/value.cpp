#include "config/value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace config {

namespace {

struct unit {
    std::string_view name;
    std::int64_t factor;
};
// The greatest first: showing takes the first one that divides.
constexpr std::array<unit, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<unit, 4> size_units{
    {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}};

std::string_view type_of(const value& from) {
    struct names {
        std::string_view operator()(bool) const { return "a boolean"; }
        std::string_view operator()(std::int64_t) const { return "an integer"; }
        std::string_view operator()(const std::string&) const { return "a string"; }
        std::string_view operator()(const std::vector<std::string>&) const { return "a list"; }
        std::string_view operator()(const other_value& other) const { return other.type; }
    };
    return std::visit(names{}, from);
}

std::string expected(std::string_view what, const value& from) {
    std::string wrong = "must be " + std::string(what) + ", not ";
    const auto* text = std::get_if<std::string>(&from);
    return wrong + (text != nullptr ? in_quotes(*text) : std::string(type_of(from)));
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stopped != end)
        return std::nullopt;
    return number;
}

/// A number and its unit as a product; nothing for any other text and for what overflows.
template <std::size_t N>
std::optional<std::int64_t> measure(std::string_view text, const std::array<unit, N>& units) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = whole_number(text.substr(0, digits));
    const auto found =
        std::find_if(units.begin(), units.end(),
                     [name = text.substr(digits)](const unit& each) { return each.name == name; });
    if (!number || found == units.end() ||
        *number > std::numeric_limits<std::int64_t>::max() / found->factor)
        return std::nullopt;
    return *number * found->factor;
}

template <std::size_t N>
std::string in_units(std::int64_t amount, const std::array<unit, N>& units, std::string_view zero) {
    if (amount == 0)
        return std::string(zero);
    for (const auto& each : units)
        if (amount % each.factor == 0)
            return std::to_string(amount / each.factor) + std::string(each.name);
    return std::to_string(amount);
}

std::string size_text(std::int64_t bytes) {
    return in_units(bytes, size_units, "0");
}

std::string duration_text(std::chrono::milliseconds duration) {
    return in_units(duration.count(), duration_units, "0s");
}

std::string outside(const std::string& least, const std::string& most) {
    return "must be from " + least + " to " + most;
}

bool has_nul(std::string_view text) {
    return text.find('\0') != text.npos;
}

} // namespace

std::string_view name_of(value_type type) {
    switch (type) {
    case value_type::string:
        return "string";
    case value_type::integer:
        return "integer";
    case value_type::boolean:
        return "boolean";
    case value_type::duration:
        return "duration";
    case value_type::size:
        return "size";
    case value_type::list:
        return "list of strings";
    }
    return "";
}

value from_environment(value_type type, const std::string& text) {
    switch (type) {
    case value_type::boolean:
        if (text == "true" || text == "false")
            return text == "true";
        return text;
    case value_type::integer:
        if (const auto number = whole_number(text))
            return *number;
        return text;
    case value_type::list: {
        std::vector<std::string> list;
        std::string_view rest = text;
        while (!rest.empty()) {
            const auto comma = std::min(rest.find(','), rest.size());
            auto item = rest.substr(0, comma);
            while (!item.empty() && item.front() == ' ')
                item.remove_prefix(1);
            while (!item.empty() && item.back() == ' ')
                item.remove_suffix(1);
            list.emplace_back(item);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
        return list;
    }
    case value_type::string:
    case value_type::duration:
    case value_type::size:
        return text;
    }
    return text;
}

std::string set(bool& to, const value& from) {
    const auto* flag = std::get_if<bool>(&from);
    if (flag == nullptr)
        return expected("true or false", from);
    to = *flag;
    return {};
}

std::string set(std::string& to, const value& from) {
    const auto* text = std::get_if<std::string>(&from);
    if (text == nullptr)
        return "must be a string, not " + std::string(type_of(from));
    if (has_nul(*text))
        return "must not hold a NUL character";
    to = *text;
    return {};
}

std::string set(std::vector<std::string>& to, const value& from) {
    const auto* list = std::get_if<std::vector<std::string>>(&from);
    if (list == nullptr)
        return "must be a list of strings, not " + std::string(type_of(from));
    if (std::any_of(list->begin(), list->end(), has_nul))
        return "must not hold a NUL character";
    to = *list;
    return {};
}

std::string set_one_or_more(std::vector<std::string>& to, const value& from) {
    const auto* text = std::get_if<std::string>(&from);
    if (text == nullptr)
        return set(to, from);
    return set(to, text->empty() ? value(std::vector<std::string>())
                                 : value(std::vector<std::string>{*text}));
}

std::string set(std::chrono::milliseconds& to, const value& from, duration_range range) {
    const auto* text = std::get_if<std::string>(&from);
    const auto amount = text == nullptr ? std::nullopt : measure(*text, duration_units);
    if (!amount)
        return expected("a duration as a string with its unit (ms, s, m, h or d), e.g. \"10s\"",
                        from);
    const std::chrono::milliseconds duration{*amount};
    if (duration < range.least || duration > range.most)
        return outside(duration_text(range.least), duration_text(range.most));
    to = duration;
    return {};
}

std::string set_size(std::size_t& to, const value& from, integer_range range) {
    std::optional<std::int64_t> bytes;
    if (const auto* number = std::get_if<std::int64_t>(&from))
        bytes = *number;
    else if (const auto* text = std::get_if<std::string>(&from))
        bytes = measure(*text, size_units);
    if (!bytes)
        return expected("a size such as \"64KiB\", \"16MiB\", \"1GiB\" or a number of bytes", from);
    if (*bytes < range.least || *bytes > range.most)
        return outside(size_text(range.least), size_text(range.most));
    to = static_cast<std::size_t>(*bytes);
    return {};
}

std::string read_integer(std::int64_t& to, const value& from, integer_range range) {
    const auto* number = std::get_if<std::int64_t>(&from);
    if (number == nullptr)
        return expected("an integer", from);
    if (*number < range.least || *number > range.most)
        return outside(std::to_string(range.least), std::to_string(range.most));
    to = *number;
    return {};
}

std::string not_one_of(const std::vector<std::string_view>& allowed, const value& from) {
    std::string list = "one of ";
    for (const auto& name : allowed) {
        if (&name != &allowed.front())
            list += ", ";
        list += show(name);
    }
    return expected(list, from);
}

std::string show(bool flag) {
    return flag ? "true" : "false";
}

std::string show(std::string_view text) {
    std::string shown = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            shown += '\\';
        shown += c;
    }
    return shown + '"';
}

std::string show(const std::vector<std::string>& list) {
    std::string text = "[";
    for (const auto& item : list) {
        if (&item != &list.front())
            text += ", ";
        text += show(std::string_view(item));
    }
    return text + "]";
}

std::string show(std::chrono::milliseconds duration) {
    return show(std::string_view(duration_text(duration)));
}

std::string show_integer(std::uint64_t number) {
    return std::to_string(number);
}

std::string show_size(std::uint64_t bytes) {
    return show(std::string_view(size_text(static_cast<std::int64_t>(bytes))));
}

std::string printable(std::string_view text, std::size_t longest) {
    std::string safe(text.substr(0, longest));
    for (char& c : safe)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
            c = '?';
    return text.size() > longest ? safe + "..." : safe;
}

std::string in_quotes(std::string_view text) {
    // A connection string or a secret may end up under any key by mistake. Secrets for tokens have
    // 32 bytes and more; what belongs into settings and is as long as that is an address.
    constexpr std::size_t least_secret = 32;
    const auto holds = [text](std::string_view part) { return text.find(part) != text.npos; };
    const bool is_token = text.substr(0, 3) == "eyJ";
    const bool may_be_secret = text.size() >= least_secret && !holds(":");
    if (holds("@") || holds("password") || holds("-----BEGIN") || is_token || may_be_secret)
        return "this text (not shown: it may hold a secret)";
    return '"' + printable(text, 64) + '"';
}

} // namespace config
