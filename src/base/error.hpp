#pragma once

#include <boost/system/result.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace base {

/// The error codes a client can be answered with. Their names are the protocol's
/// (docs/protocol.md).
enum class errc {
    malformed,              ///< not a JSON object of the protocol, or a value of the wrong type
    unknown_type,           ///< the frame's type is not one of the protocol's
    unauthorized,           ///< no valid token where one is needed
    forbidden,              ///< known, but not allowed to
    invalid_channel,        ///< not 1..255 bytes of UTF-8 without control characters
    invalid_data,           ///< the database refuses this row
    too_large,              ///< data larger than the limit
    rate_limited,           ///< too much at once from this session; wait, then send it again
    already_subscribed,     ///< this session has a subscription on the channel
    not_subscribed,         ///< this session has none
    too_many_subscriptions, ///< the session's limit is reached
    conflict,               ///< a message with this id and other content is stored
    unavailable,            ///< Postgres is away or behind; send it again later
    internal,               ///< a defect or an unforeseen answer of Postgres
};

/// The code's name on the wire, e.g. "unknown_type".
std::string_view name_of(errc code);

/// Whether sending the same frame again can help.
bool can_retry(errc code);

/// What went wrong, in a sentence meant for the client's developer. Never holds a secret.
struct failure {
    errc code;
    std::string message;
};

template <typename T>
using outcome = boost::system::result<T, failure>;

/// Needed by boost::system::result for value() on a failure; reached only through a defect.
[[noreturn]] void throw_exception_from_error(const failure& error,
                                             const boost::source_location& where);

} // namespace base
