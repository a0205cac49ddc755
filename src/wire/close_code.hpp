#pragma once

#include <cstdint>
#include <string_view>

namespace wire {

/// The codes the server closes a WebSocket with (docs/errors.md).
enum class close_code : std::uint16_t {
    going_away = 1001,
    invalid_utf8 = 1007,
    no_first_frame = 1008,
    frame_too_large = 1009,
    restart = 1012,
    overloaded = 1013,
    too_many_malformed = 4400,
    unauthorized = 4401,
    refused = 4403,
    rate_limit_abused = 4429,
};

/// What the client is told as the close reason; at most 123 bytes.
std::string_view reason_of(close_code code);

/// Whether a client should come back by itself.
bool should_reconnect(close_code code);

} // namespace wire
