#pragma once

#include <string>
#include <string_view>

namespace json {

/// `text` with each number outside strings replaced by a small one of the same length: RapidJSON
/// 1.1.0 refuses numbers that no double can hold, even where it is to hand them on as text. What is
/// no JSON stays none.
std::string with_small_numbers(std::string_view text);

} // namespace json
