#pragma once

#include "ws/http_door.hpp"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <string>

namespace ws {

using parsed_request = boost::beast::http::request<boost::beast::http::string_body>;

/// Why a request that Beast takes must be refused all the same.
struct refusal {
    unsigned status = 0; ///< 0: it need not
    std::string text;
};

refusal check_request(const parsed_request& request);

/// What the daemon wants to know of it, the validity of a WebSocket handshake included.
http_request describe_request(const parsed_request& request);

} // namespace ws
