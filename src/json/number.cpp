#include "json/number.hpp"

#include <algorithm>

namespace json {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_of_number(char c) {
    return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/// The end of the JSON number that starts at `p`, or `p` if none does.
const char* number_end(const char* const p, const char* const end) {
    const auto digits = [end](const char* from) { return std::find_if_not(from, end, is_digit); };
    const char* const first = p != end && *p == '-' ? p + 1 : p;
    const char* last = first != end && *first == '0' ? first + 1 : digits(first);
    if (last == first)
        return p;
    if (last != end && *last == '.') {
        const char* const fraction = digits(last + 1);
        if (fraction == last + 1)
            return p;
        last = fraction;
    }
    if (last != end && (*last == 'e' || *last == 'E')) {
        const char* from = last + 1;
        if (from != end && (*from == '+' || *from == '-'))
            ++from;
        const char* const exponent = digits(from);
        if (exponent == from)
            return p;
        last = exponent;
    }
    return last;
}

} // namespace

std::string with_small_numbers(std::string_view text) {
    std::string out(text);
    char* const end = out.data() + out.size();
    bool in_string = false;
    for (char* p = out.data(); p != end; ++p) {
        if (in_string && *p == '\\' && p + 1 != end) {
            ++p;
        } else if (*p == '"') {
            in_string = !in_string;
        } else if (!in_string && (*p == '-' || is_digit(*p))) {
            const char* const last = number_end(p, end);
            // No number, or two in a row such as 01: left for the parser to refuse.
            if (last == p || (last != end && is_of_number(*last)))
                break;
            const auto length = last - p;
            std::fill(p, p + length, '1');
            if (length > 2)
                p[1] = '.';
            p += length - 1;
        }
    }
    return out;
}

} // namespace json
