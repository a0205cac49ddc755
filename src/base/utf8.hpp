#pragma once

#include <cstdint>
#include <string_view>

namespace base {

/// Checks UTF-8 that comes in pieces, cut anywhere (RFC 3629: no surrogates, nothing overlong,
/// nothing beyond U+10FFFF).
class utf8_check {
public:
    /// False: it can't become valid any more.
    bool feed(std::string_view piece);

    /// Whether it doesn't end inside a character.
    bool is_complete() const { return needed_ == 0; }

private:
    std::uint8_t needed_ = 0;  ///< continuation bytes of the character under way
    std::uint8_t low_ = 0x80;  ///< the next of them is from here
    std::uint8_t high_ = 0xbf; ///< up to here
};

bool is_utf8(std::string_view text);

} // namespace base
