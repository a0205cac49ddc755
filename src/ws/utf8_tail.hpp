#pragma once

#include <string_view>

namespace ws {

/// Whether text that is valid UTF-8 so far ends inside a character.
bool ends_inside_character(std::string_view text);

} // namespace ws
