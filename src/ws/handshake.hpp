#pragma once

#include "ws/http_door.hpp"
#include "ws/inflater.hpp"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace ws {

using parsed_request = boost::beast::http::request<boost::beast::http::string_body>;

/// Why a request that Beast takes must be refused all the same.
struct refusal {
    unsigned status = 0; ///< 0: it need not
    std::string text;
};

refusal check_request(const parsed_request& request);

/// What Sec-WebSocket-Extensions of our answer agrees on; empty: nothing.
std::optional<deflate_terms> deflate_agreed(std::string_view extensions);

/// What the daemon wants to know of it, the validity of a WebSocket handshake included.
http_request describe_request(const parsed_request& request);

} // namespace ws
