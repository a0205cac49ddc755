#pragma once

#include "base/frame.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ws {

/// Bytes to leave free in front of a payload, so that its header can be written without a copy.
constexpr std::size_t header_room = 10;

/// A buffer that starts with header_room free bytes; append the payload to it.
std::string start_frame(std::size_t payload_hint = 0);

/// Writes the header of one unmasked, final text frame (RFC 6455 5.2) in front of the payload.
base::frame_ptr seal_frame(std::string buffer, std::string channel = {}, base::seq seq = 0);

/// The payload of a frame made by seal_frame(). Lifetime: the frame's.
std::string_view payload_of(const base::frame& frame);

/// The bytes of several frames in one piece, which a socket sends, and counts, as one.
base::frame_ptr join_frames(std::span<const base::frame_ptr> frames);

} // namespace ws
