#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace ws {

namespace asio = boost::asio;
using boost::system::error_code;

/// A socket bound to io_context by type: half the size of asio's type-erased one.
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

/// co_await gives the error and what was done, and throws nothing.
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

} // namespace ws
