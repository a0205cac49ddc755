#pragma once

#include "wire/frames.hpp"

#include <boost/system/result.hpp>

#include <string_view>

namespace wire {

/// One client frame from its JSON text (already within max_frame). Checks everything that can be
/// known without state: types, channel and ref length, uuid form, ranges.
boost::system::result<client_frame, bad_frame> decode(std::string_view text);

/// Whether `channel` is 1..255 bytes of UTF-8 without control characters (U+0000..1F, U+007F..9F).
bool valid_channel(std::string_view channel);

[[noreturn]] void throw_exception_from_error(const bad_frame& error,
                                             const boost::source_location& where);

} // namespace wire
