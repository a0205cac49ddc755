#pragma once

#include "app/connection.hpp"
#include "app/consumers.hpp"
#include "app/publisher.hpp"
#include "app/replay.hpp"
#include "app/retention.hpp"
#include "app/setting_files.hpp"
#include "app/shard.hpp"
#include "app/tail_loop.hpp"
#include "app/token_keys.hpp"
#include "config/config.hpp"
#include "core/address_limits.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "ws/acceptor.hpp"

#include <boost/asio/signal_set.hpp>

#include <atomic>
#include <functional>
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
    /// Reads the settings again, for a reload.
    using read_settings = std::function<config::loaded()>;

    /// Throws ws::cannot_listen where it can't listen (the address is in use, say).
    server(const config::settings& settings, read_settings read, base::observer& observer,
           telemetry::log& log, const telemetry::metrics& metrics, const std::string& version);
    ~server();

    /// Serves until SIGTERM, SIGINT or a start-up that can't succeed. Returns the exit code: 78
    /// where a setting can't be worked with.
    int run();

private:
    void admit(shard& to, ws::tcp_socket socket);
    asio::awaitable<void> accept();
    asio::awaitable<std::optional<base::limit>> enter(place where);
    asio::awaitable<std::optional<base::limit>> enter_here(core::address from);
    void leave(place where);
    void tell_refused(base::limit which, const core::address& from);
    core::address_limits::limits address_limits() const;
    asio::awaitable<void> watch_signals();
    asio::awaitable<void> drain(std::string reason);
    asio::awaitable<std::size_t> drain_shards(std::chrono::steady_clock::time_point deadline);
    asio::awaitable<bool> ready();
    asio::awaitable<std::string> render_metrics();
    void give_up(tail_loop::fatal why);
    void log_changed(const batch& batch);

    // server_reload.cpp
    bool load();
    void reload();
    void use(setting_files files);
    void use(auth::key_set keys);

    base::observer& observer_;
    telemetry::log& log_;
    const telemetry::metrics& metrics_;
    config::settings settings_;
    read_settings read_settings_;
    std::atomic<std::size_t> max_sessions_;
    std::atomic<std::size_t> sessions_{0}; ///< the one number shards share: the places taken
    policy_ptr policy_;
    core::address_limits addresses_;
    base::shard_counts counts_; ///< of what happens before a shard has it
    database_options database_;
    int exit_code_ = 0;
    bool stopping_ = false;
    bool drained_ = false;
    bool publishing_ = false;
    http_options http_;
    ws::tls_context::pointer certificate_; ///< for connections accepted from now on; null: no TLS

    asio::io_context context_; ///< the Postgres side, accepting and signals
    tail_loop tail_loop_;
    publisher publisher_;
    replay replay_;
    consumers consumers_;
    std::optional<retention> retention_;
    token_keys token_keys_;
    std::vector<std::unique_ptr<shard>> shards_;
    ws::acceptor acceptor_;
    asio::signal_set signals_;
};

/// What the options of the connections are in these settings, with connection strings of their own.
database_options database_options_of(const config::settings& settings);

} // namespace app
