#include "base/limit.hpp"

namespace base {

std::string_view name_of(limit which) {
    switch (which) {
    case limit::sessions:
        return "sessions";
    case limit::address_connections:
        return "address_connections";
    case limit::address_sessions:
        return "address_sessions";
    case limit::address_handshakes:
        return "address_handshakes";
    case limit::handshake_time:
        return "handshake_time";
    case limit::header:
        return "header";
    case limit::first_frame:
        return "first_frame";
    case limit::auth_time:
        return "auth_time";
    case limit::frame_size:
        return "frame_size";
    case limit::frames:
        return "frames";
    case limit::publishes:
        return "publishes";
    case limit::tokens:
        return "tokens";
    case limit::publishes_in_flight:
        return "publishes_in_flight";
    case limit::subscriptions:
        return "subscriptions";
    case limit::unread_replies:
        return "unread_replies";
    case limit::bad_frames:
        return "bad_frames";
    }
    return "other";
}

} // namespace base
