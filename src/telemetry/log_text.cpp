#include "telemetry/log_line.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace telemetry {

namespace {

struct decoded {
    char32_t point;   ///< U+FFFD where the bytes are not UTF-8
    std::size_t size; ///< bytes it takes, at least one
    bool valid;
};

/// The character at the front of `text`, which is not empty. Invalid bytes are one character each.
decoded decode(std::string_view text) {
    const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    constexpr decoded invalid{0xfffd, 1, false};
    const unsigned lead = byte(0);
    if (lead < 0x80)
        return {lead, 1, true};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size)
        return invalid;
    char32_t point = lead & (0xffu >> (size + 1));
    for (std::size_t at = 1; at < size; ++at) {
        if ((byte(at) & 0xc0) != 0x80)
            return invalid;
        point = point << 6 | (byte(at) & 0x3fu);
    }
    constexpr std::array<char32_t, 5> least_of_size{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (point < least_of_size[size] || point > 0x10ffff || surrogate)
        return invalid;
    return {point, size, true};
}

/// Characters that a terminal obeys or that make a line read other than it is: controls (C0, DEL,
/// C1), marks that turn the direction of text, line separators, invisible tags.
bool must_escape(char32_t point) {
    constexpr std::array<std::array<char32_t, 2>, 9> ranges{{{0x00, 0x1f},
                                                             {0x7f, 0x9f},
                                                             {0x61c, 0x61c},
                                                             {0x200e, 0x200f},
                                                             {0x2028, 0x202e},
                                                             {0x2066, 0x2069},
                                                             {0xfeff, 0xfeff},
                                                             {0xfff9, 0xfffb},
                                                             {0xe0000, 0xe007f}}};
    return std::any_of(ranges.begin(), ranges.end(),
                       [point](const auto& r) { return point >= r[0] && point <= r[1]; });
}

void append_unit(std::string& to, unsigned unit) {
    constexpr std::string_view digits = "0123456789abcdef";
    to += "\\u";
    for (const unsigned shift : {12u, 8u, 4u, 0u})
        to += digits[unit >> shift & 0xf];
}

void append_escape(std::string& to, char32_t point) {
    switch (point) {
    case '\n':
        to += "\\n";
        return;
    case '\r':
        to += "\\r";
        return;
    case '\t':
        to += "\\t";
        return;
    default:
        break;
    }
    if (point < 0x10000) {
        append_unit(to, point);
    } else {
        append_unit(to, 0xd800 + ((point - 0x10000) >> 10));
        append_unit(to, 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
}

constexpr std::string_view name_of(level which) {
    switch (which) {
    case level::trace:
        return "trace";
    case level::debug:
        return "debug";
    case level::info:
        return "info";
    case level::warn:
        return "warn";
    case level::error:
        return "error";
    }
    return "error";
}

/// Bare where it is one word that can't be taken for something else.
bool needs_quotes(std::string_view text) {
    return text.empty() || text.find_first_of(" =\\\"") != text.npos;
}

} // namespace

std::string escaped(std::string_view text, std::size_t max) {
    std::string safe;
    safe.reserve(std::min(text.size(), max));
    for (std::size_t at = 0; at < text.size();) {
        const auto next = decode(text.substr(at));
        if (at + next.size > max)
            return safe + "...";
        if (!next.valid || must_escape(next.point)) {
            append_escape(safe, next.point);
        } else {
            if (next.point == '"' || next.point == '\\')
                safe += '\\';
            safe += text.substr(at, next.size);
        }
        at += next.size;
    }
    return safe;
}

std::string timestamp(wall_time when) {
    using namespace std::chrono;
    const auto day = floor<days>(when);
    const year_month_day date(day);
    const hh_mm_ss time(floor<milliseconds>(when - day));
    std::array<char, 64> text{};
    const int size = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int(date.year()),
        unsigned(date.month()), unsigned(date.day()), static_cast<int>(time.hours().count()),
        static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
        static_cast<int>(time.subseconds().count()));
    return {text.data(), static_cast<std::size_t>(std::max(size, 0))};
}

std::string as_text(const line& what, wall_time when) {
    auto text = timestamp(when) + ' ';
    const auto level = name_of(what.level);
    text += level;
    text.append(6 - level.size(), ' ');
    text += what.message;
    for (const auto& each : what.fields) {
        text += ' ';
        text += each.key;
        text += '=';
        if (const auto* number = std::get_if<std::int64_t>(&each.value))
            text += std::to_string(*number);
        else if (const auto& value = std::get<std::string>(each.value); needs_quotes(value))
            text += '"' + value + '"';
        else
            text += value;
    }
    return text;
}

std::string as_json(const line& what, wall_time when) {
    std::string text = "{\"time\":\"" + timestamp(when) + "\",\"level\":\"";
    text += name_of(what.level);
    text += "\",\"event\":\"";
    text += what.event;
    text += "\",\"message\":\"";
    text += what.message;
    text += '"';
    for (const auto& each : what.fields) {
        text += ",\"";
        text += each.key;
        text += "\":";
        if (const auto* number = std::get_if<std::int64_t>(&each.value))
            text += std::to_string(*number);
        else
            text += '"' + std::get<std::string>(each.value) + '"';
    }
    return text + '}';
}

} // namespace telemetry
