#pragma once

#include "app/database.hpp"
#include "app/signal.hpp"
#include "base/frame.hpp"
#include "base/observation.hpp"
#include "core/log_epoch.hpp"
#include "core/tailer.hpp"
#include "pg/message_store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace app {

/// Messages of `channel` up to `upto` were removed from the table before they could be handed on.
struct removal {
    std::string channel;
    base::seq upto;
};

/// What the log tells the shards: new messages in order, and whose numbers they are.
struct batch {
    std::shared_ptr<const core::log_epoch> log;
    base::seq position = 0;              ///< everything up to here has been handed on
    std::vector<removal> removals;       ///< come before the frames
    std::vector<base::frame_ptr> frames; ///< ready for the sockets
    bool restart = false;                ///< the log goes on from position, also backwards
};
using batch_ptr = std::shared_ptr<const batch>;

/// NOTIFY -> rows -> frames -> shards. Two connections: one only listens (LISTEN must never wait
/// behind a query, nor sit in a transaction), one reads pages. When either breaks, or LISTEN is
/// found dead, both are opened again: LISTEN first, then reading on from the position, so nothing
/// between is missed.
/// Owner: app::server. Thread: the Postgres side's. Lifetime: the server's.
class tail_loop {
public:
    /// Why the daemon can't start; the process ends with this.
    struct fatal {
        int exit_code;
        std::string message;
    };

    tail_loop(asio::io_context& context, const database_options& options, base::observer& observer,
              std::function<void(batch_ptr)> hand_on, std::function<void(fatal)> give_up);

    asio::awaitable<void> run();
    void stop();

    base::tail_state state() const;

private:
    struct listening;

    // tail_open.cpp
    asio::awaitable<bool> open();
    asio::awaitable<bool> check(pg::message_store& store);
    asio::awaitable<bool> migrate();
    asio::awaitable<bool> start_listening(pg::message_store& reader);
    asio::awaitable<bool> refresh_log_state();
    void take_log(const pg::log_state& log);
    asio::awaitable<void> unusable(std::string what, bool may_pass = false);
    void give_up_late();

    // tail_loop.cpp
    asio::awaitable<void> listen(std::shared_ptr<listening> round);
    asio::awaitable<void> follow();
    asio::awaitable<bool> tend_canary();
    asio::awaitable<bool> read_page();
    void take_page(const pg::page& page);
    void hand_on(batch made);
    void close();
    std::chrono::steady_clock::duration current_lag() const;

    asio::io_context& context_;
    database_options options_;
    base::observer& observer_;
    std::function<void(batch_ptr)> hand_on_;
    std::function<void(fatal)> give_up_;
    reopening_connection listener_;
    reopening_connection reader_;
    reopening_connection migrator_; ///< a migration may take longer than a query
    signal wake_;
    core::tailer tailer_;
    base::tail_state state_;
    std::string canary_channel_;
    std::shared_ptr<const core::log_epoch> log_; ///< null until the log has been seen once
    std::shared_ptr<listening> round_;
    bool waited_for_canary_ = false; ///< the first one of a round once was late
    std::size_t with_shards_ = 0;    ///< batches that some shard has not dealt with yet
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point caught_up_at_ = started_;
    std::optional<std::chrono::steady_clock::time_point> held_since_; ///< with_shards_ is full
    bool stopping_ = false;
};

/// One life of the listening connection.
struct tail_loop::listening {
    std::optional<pg::error> broken;
    std::string rung; ///< the last canary that was sent
    std::string back; ///< the last one that came back
    std::chrono::steady_clock::time_point rung_at;
};

} // namespace app
