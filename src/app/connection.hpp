#pragma once

#include "app/shard.hpp"
#include "base/limit.hpp"
#include "core/network.hpp"
#include "ws/net.hpp"
#include "ws/tls_context.hpp"

#include <functional>
#include <optional>
#include <string>

namespace app {

/// One session's place among those there may be.
struct place {
    std::optional<core::address> from; ///< nothing: its address isn't limited
};

/// What the HTTP side answers with; the same for all shards.
/// Owner: app::server. Thread: any, it never changes. Lifetime: the server's.
struct http_options {
    /// Awaited on the shard's thread.
    std::function<asio::awaitable<bool>()> ready;
    std::function<asio::awaitable<std::string>()> metrics;
    /// Takes a place for one more session; otherwise the limit that is met. Awaited there, too.
    std::function<asio::awaitable<std::optional<base::limit>>(place)> enter;
    std::function<void(place)> leave; ///< any thread
};

/// One accepted connection: answers HTTP requests until it closes or becomes a session.
/// Runs on the shard's thread; `http` must outlive it. `tls` null: plain TCP.
asio::awaitable<void> serve_connection(shard& shard, const http_options& http,
                                       ws::tcp_socket socket, ws::tls_context::pointer tls);

} // namespace app
