#include "base/utf8.hpp"

#include <cstring>

namespace base {
namespace {

/// How many bytes from `at` on are ASCII; may stop short of all.
std::size_t ascii_from(std::string_view text, std::size_t at) {
    constexpr std::uint64_t not_ascii = 0x8080808080808080;
    std::size_t end = at;
    for (std::uint64_t eight = 0; text.size() - end >= sizeof eight; end += sizeof eight) {
        std::memcpy(&eight, text.data() + end, sizeof eight);
        if ((eight & not_ascii) != 0)
            break;
    }
    return end - at;
}

} // namespace

bool utf8_check::feed(std::string_view piece) {
    for (std::size_t i = 0; i < piece.size(); ++i) {
        const auto byte = static_cast<std::uint8_t>(piece[i]);
        if (needed_ > 0) {
            if (byte < low_ || byte > high_)
                return false;
            low_ = 0x80;
            high_ = 0xbf;
            --needed_;
        } else if (byte < 0x80) {
            i += ascii_from(piece, i + 1);
        } else if (byte < 0xc2 || byte > 0xf4) {
            return false;
        } else {
            needed_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
            if (byte == 0xe0)
                low_ = 0xa0;
            else if (byte == 0xed)
                high_ = 0x9f;
            else if (byte == 0xf0)
                low_ = 0x90;
            else if (byte == 0xf4)
                high_ = 0x8f;
        }
    }
    return true;
}

bool is_utf8(std::string_view text) {
    utf8_check check;
    return check.feed(text) && check.is_complete();
}

} // namespace base
