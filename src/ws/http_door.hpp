#pragma once

#include "ws/flush_turn.hpp"
#include "ws/net.hpp"
#include "ws/socket.hpp"
#include "ws/tls_context.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ws {

struct door_options {
    std::chrono::milliseconds request_timeout{10'000}; ///< for a whole request, however it trickles
    std::size_t max_header = 16 * 1024;
    tls_context::pointer tls; ///< null: plain HTTP
};

/// One HTTP request, body ignored (a body longer than 4 KiB ends the connection).
struct http_request {
    std::string method;
    std::string target; ///< as sent
    std::string path;   ///< target without the query
    std::string host;
    std::string origin;        ///< empty: none sent
    std::string authorization; ///< empty: none sent
    bool has_origin = false;
    std::vector<std::string> forwarded_for; ///< values of X-Forwarded-For, in order
    std::vector<std::string> forwarded;     ///< values of Forwarded, in order
    bool wants_upgrade = false;  ///< Upgrade: websocket with Connection: upgrade
    std::string upgrade_problem; ///< why the WebSocket handshake is not valid; empty: it is
    unsigned upgrade_status = 0; ///< what to answer then: 400, or 426 for another version
    std::vector<std::string> subprotocols;
};

struct http_response {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

/// One accepted TCP connection before it is a WebSocket: does the TLS handshake where there is one,
/// reads requests, sends answers, upgrades.
/// Owner: app's coroutine for this connection. Thread: the shard's. Lifetime: that coroutine's.
class http_door {
public:
    http_door(tcp_socket socket, flush_turn& turn, const door_options& options);
    http_door(http_door&&) noexcept;
    ~http_door();

    /// The peer's address, e.g. "192.0.2.1".
    std::string peer() const;

    /// The next request. Broken, too large (431) or too slow requests are answered here and end in
    /// an error, as does the peer's closing.
    asio::awaitable<boost::system::result<http_request>> read();

    /// After read() has failed: why the TLS handshake did. No error: it didn't, or the peer went
    /// away.
    error_code tls_failure() const;

    /// After read() has failed: the status it answered with by itself, e.g. 431, also where the
    /// peer was gone by then. 408 as well for a first request that didn't begin in time. 0: none.
    unsigned refused() const;

    /// Sends the answer to the last request. Afterwards read() gives the next one, or an error
    /// where the connection doesn't stay open. HEAD gets no body.
    asio::awaitable<error_code> respond(http_response response);

    /// Answers the last request with 101 and makes the WebSocket. `subprotocol` empty: none.
    /// The door is empty afterwards.
    asio::awaitable<boost::system::result<socket>>
    upgrade(socket_options options, std::string subprotocol, std::string server_name);

private:
    class impl;
    std::unique_ptr<impl> impl_;
};

} // namespace ws
