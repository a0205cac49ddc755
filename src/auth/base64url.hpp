#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace auth {

/// The bytes that base64url without padding stands for (RFC 7515 2). Nothing for any other text,
/// also where others are lenient: padding, white space, left-over bits that aren't zero. So there
/// is one text for each run of bytes.
std::optional<std::string> decode_base64url(std::string_view text);

} // namespace auth
