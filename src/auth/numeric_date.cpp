#include "auth/numeric_date.hpp"

#include <charconv>
#include <cstdint>
#include <system_error>

namespace auth {

namespace {

constexpr std::int64_t last_second = 253'402'300'799; // 9999-12-31T23:59:59Z

/// Further than any number of digits a text can have.
constexpr std::int64_t far_away = std::int64_t{1} << 40;

std::int64_t exponent_of(std::string_view text) {
    if (text.starts_with('+'))
        text.remove_prefix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range || value > far_away || value < -far_away)
        return text.starts_with('-') ? -far_away : far_away;
    return value;
}

std::chrono::sys_seconds at(std::int64_t second) {
    return std::chrono::sys_seconds(std::chrono::seconds(second));
}

} // namespace

// Not by way of a double: those that hold no such number differ in what they make of it.
std::chrono::sys_seconds to_date(std::string_view number) {
    if (number.starts_with('-'))
        return at(0);
    const auto mark = number.find_first_of("eE");
    const auto mantissa = number.substr(0, mark);
    const auto whole = mantissa.substr(0, mantissa.find('.'));
    const auto fraction =
        whole.size() == mantissa.size() ? std::string_view() : mantissa.substr(whole.size() + 1);
    const auto digit = [&](std::size_t i) -> std::int64_t {
        if (i < whole.size())
            return whole[i] - '0';
        i -= whole.size();
        return i < fraction.size() ? fraction[i] - '0' : 0;
    };

    const std::size_t digits = whole.size() + fraction.size();
    std::size_t first = 0;
    while (first < digits && digit(first) == 0)
        ++first;
    if (first == digits)
        return at(0);
    // How many digits stand before the point once the exponent has moved it.
    const std::int64_t before = static_cast<std::int64_t>(whole.size()) +
                                (mark == number.npos ? 0 : exponent_of(number.substr(mark + 1)));
    std::int64_t value = 0;
    for (std::size_t i = first; static_cast<std::int64_t>(i) < before; ++i) {
        value = value * 10 + digit(i);
        if (value > last_second)
            return at(last_second);
    }
    return at(value);
}

} // namespace auth
