#pragma once

#include "app/certificate.hpp"
#include "app/connection.hpp"
#include "app/consumers.hpp"
#include "app/publisher.hpp"
#include "app/replay.hpp"
#include "app/retention.hpp"
#include "app/shard.hpp"
#include "app/tail_loop.hpp"
#include "config/config.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "ws/acceptor.hpp"

#include <boost/asio/signal_set.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace app {

/// The daemon: owns every part, starts them in order and stops them in order.
/// Owner: main. Thread: run() is the Postgres side's thread; shards have their own.
/// Lifetime: one run().
class server {
public:
    /// Throws where start-up can't go on (address in use).
    server(const config::settings& settings, base::observer& observer, const telemetry::log& log,
           const telemetry::metrics& metrics, const std::string& version);
    ~server();

    /// Serves until SIGTERM, SIGINT or a start-up that can't succeed. Returns the exit code: 78
    /// where a setting can't be worked with.
    int run();

private:
    asio::awaitable<void> accept();
    asio::awaitable<void> watch_signals();
    asio::awaitable<void> drain(std::string reason);
    asio::awaitable<std::size_t> drain_shards(std::chrono::steady_clock::time_point deadline);
    asio::awaitable<bool> ready();
    asio::awaitable<std::string> render_metrics();
    void give_up(tail_loop::fatal why);
    void log_changed(const batch& batch);

    base::observer& observer_;
    const telemetry::log& log_;
    const telemetry::metrics& metrics_;
    std::chrono::milliseconds drain_timeout_;
    std::size_t max_sessions_;
    std::atomic<std::size_t> sessions_{0}; ///< the one number shards share: the places taken
    int exit_code_ = 0;
    bool stopping_ = false;
    bool publishing_ = false;
    http_options http_;
    certificate certificate_;

    asio::io_context context_; ///< the Postgres side, accepting and signals
    tail_loop tail_loop_;
    publisher publisher_;
    replay replay_;
    consumers consumers_;
    std::optional<retention> retention_;
    std::vector<std::unique_ptr<shard>> shards_;
    ws::acceptor acceptor_;
    asio::signal_set signals_;
};

/// What the options of the connections are in these settings.
database_options database_options_of(const config::settings& settings);

} // namespace app
