#pragma once

#include "app/signal.hpp"
#include "base/observation.hpp"
#include "core/backoff.hpp"
#include "pg/connection.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace app {

namespace asio = boost::asio;

/// A connection string that a reload may replace; connections made from then on use it.
/// Owner: shared. Thread: the Postgres side's, once that runs. Lifetime: its last holder's.
using shared_dsn = std::shared_ptr<std::string>;

/// How every connection of the daemon is made.
struct database_options {
    shared_dsn dsn;
    shared_dsn listen_dsn; ///< for LISTEN; the same as dsn unless set
    bool migrate = false;
    unsigned replay_connections = 2;
    std::size_t max_delivery = 16 * 1024 * 1024;
    std::chrono::milliseconds canary_interval{5'000};
    std::chrono::milliseconds start_timeout{0};
};

/// One connection that comes back by itself: opens with backoff, says what happened.
/// Owner: the loop that uses it. Thread: the Postgres side's. Lifetime: its owner's.
class reopening_connection {
public:
    reopening_connection(asio::io_context& context, shared_dsn dsn, std::string purpose,
                         base::observer& observer,
                         std::chrono::milliseconds query_timeout = std::chrono::seconds(30));

    /// One attempt, after the wait that backoff asks for. False: try again. The connection is a new
    /// one, with nothing prepared.
    asio::awaitable<bool> open();

    bool is_open() const { return connection_ && connection_->alive(); }
    pg::connection& operator*() { return *connection_; }
    pg::connection* operator->() { return &*connection_; }

    /// Lets go of a connection that failed (or is of no use), and says why.
    void lost(const pg::error& why);
    /// Closes without a word. An open() under way fails, once it has got its connection or at once
    /// where it waits for the next attempt.
    void close();

private:
    asio::io_context& context_;
    shared_dsn dsn_;
    std::string purpose_;
    base::observer& observer_;
    std::chrono::milliseconds query_timeout_;
    core::backoff backoff_;
    std::optional<pg::connection> connection_;
    signal closed_;
};

} // namespace app
