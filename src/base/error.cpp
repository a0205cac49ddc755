#include "base/error.hpp"

#include <stdexcept>

namespace base {

std::string_view name_of(errc code) {
    switch (code) {
    case errc::malformed:
        return "malformed";
    case errc::unknown_type:
        return "unknown_type";
    case errc::unauthorized:
        return "unauthorized";
    case errc::forbidden:
        return "forbidden";
    case errc::invalid_channel:
        return "invalid_channel";
    case errc::invalid_data:
        return "invalid_data";
    case errc::too_large:
        return "too_large";
    case errc::rate_limited:
        return "rate_limited";
    case errc::already_subscribed:
        return "already_subscribed";
    case errc::not_subscribed:
        return "not_subscribed";
    case errc::too_many_subscriptions:
        return "too_many_subscriptions";
    case errc::conflict:
        return "conflict";
    case errc::unavailable:
        return "unavailable";
    case errc::internal:
        return "internal";
    }
    return "internal";
}

bool can_retry(errc code) {
    return code == errc::unavailable || code == errc::rate_limited;
}

void throw_exception_from_error(const failure& error, const boost::source_location&) {
    throw std::runtime_error(error.message);
}

} // namespace base
