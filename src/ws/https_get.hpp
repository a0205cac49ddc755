#pragma once

#include "ws/net.hpp"

#include <boost/system/result.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace ws {

struct https_request {
    std::string url;                           ///< https://host[:port]/path
    std::string certificate_authorities;       ///< PEM; empty: those of the system
    std::chrono::milliseconds timeout{10'000}; ///< for all of it
    std::size_t max_body = 256 * 1024;
};

/// Why nothing was fetched; names neither the query nor anything that was received.
struct fetch_problem {
    std::string reason;
};
[[noreturn]] void throw_exception_from_error(const fetch_problem& error,
                                             const boost::source_location& where);

/// The body of a 200 answer. The server must show a certificate for the URL's host.
asio::awaitable<boost::system::result<std::string, fetch_problem>>
https_get(asio::io_context& context, https_request request);

} // namespace ws
