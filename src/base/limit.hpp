#pragma once

#include <cstddef>
#include <string_view>

namespace base {

/// The bounds of what clients may take (docs/security.md), for counting how often one is met.
enum class limit {
    sessions,            ///< server.max_sessions
    address_connections, ///< twice limits.sessions_per_address, before a request is read
    address_sessions,    ///< limits.sessions_per_address
    address_handshakes,  ///< limits.handshakes_per_address
    handshake_time,      ///< limits.handshake_timeout
    header,              ///< limits.max_header, and the number of fields
    first_frame,         ///< limits.first_frame_timeout
    auth_time,           ///< auth.auth_timeout
    frame_size,          ///< websocket.max_frame
    frames,              ///< limits.frames_per_second
    publishes,           ///< limits.publishes_per_second
    tokens,              ///< five auth frames a second
    publishes_in_flight, ///< limits.max_publishes_in_flight
    subscriptions,       ///< limits.max_subscriptions
    unread_replies,      ///< twice websocket.outbox
    bad_frames,          ///< ten within a minute
};
inline constexpr std::size_t limit_count = static_cast<std::size_t>(limit::bad_frames) + 1;

/// A metric's label.
std::string_view name_of(limit which);

} // namespace base
