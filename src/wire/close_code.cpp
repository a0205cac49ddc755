#include "wire/close_code.hpp"

namespace wire {

std::string_view reason_of(close_code code) {
    switch (code) {
    case close_code::going_away:
        return "the server is going away; reconnect";
    case close_code::invalid_utf8:
        return "a frame was not valid UTF-8";
    case close_code::no_first_frame:
        return "no frame came in time; subscribe or send a ping";
    case close_code::frame_too_large:
        return "a frame was larger than max_frame";
    case close_code::restart:
        return "the server restarts; reconnect";
    case close_code::overloaded:
        return "the server is overloaded; reconnect later";
    case close_code::too_many_malformed:
        return "too many bad frames within a minute";
    case close_code::unauthorized:
        return "no valid token in time, or it expired";
    case close_code::refused:
        return "this origin or address is not allowed";
    case close_code::rate_limit_abused:
        return "the rate limit was exceeded for too long";
    }
    return {};
}

bool should_reconnect(close_code code) {
    switch (code) {
    case close_code::going_away:
    case close_code::no_first_frame:
    case close_code::restart:
    case close_code::overloaded:
    case close_code::rate_limit_abused:
        return true;
    case close_code::invalid_utf8:
    case close_code::frame_too_large:
    case close_code::too_many_malformed:
    case close_code::unauthorized: // only with a new token
    case close_code::refused:
        return false;
    }
    return false;
}

} // namespace wire
