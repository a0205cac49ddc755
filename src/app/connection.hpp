#pragma once

#include "app/shard.hpp"
#include "ws/net.hpp"
#include "ws/tls_context.hpp"

#include <functional>
#include <string>
#include <vector>

namespace app {

/// What the HTTP side answers with; the same for all shards.
/// Owner: app::server. Thread: any, it never changes. Lifetime: the server's.
struct http_options {
    std::vector<std::string> allowed_origins;
    std::chrono::milliseconds request_timeout{10'000};
    /// Awaited on the shard's thread.
    std::function<asio::awaitable<bool>()> ready;
    std::function<asio::awaitable<std::string>()> metrics;
    /// Takes a place for one more session; false when max_sessions is reached. Any thread.
    std::function<bool()> enter;
    std::function<void()> leave;
};

/// One accepted connection: answers HTTP requests until it closes or becomes a session.
/// Runs on the shard's thread; `http` must outlive it. `tls` null: plain TCP.
asio::awaitable<void> serve_connection(shard& shard, const http_options& http,
                                       ws::tcp_socket socket, ws::tls_context::pointer tls);

} // namespace app
