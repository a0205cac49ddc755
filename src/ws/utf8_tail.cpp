#include "ws/utf8_tail.hpp"

#include <algorithm>
#include <cstddef>

namespace ws {

bool ends_inside_character(std::string_view text) {
    // A character has at most three continuation bytes (10xxxxxx) behind its first byte.
    for (std::size_t behind = 0; behind < std::min<std::size_t>(text.size(), 4); ++behind) {
        const auto byte = static_cast<unsigned char>(text[text.size() - 1 - behind]);
        if ((byte & 0xc0) == 0x80)
            continue;
        const std::size_t needed = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        return behind < needed;
    }
    return false;
}

} // namespace ws
