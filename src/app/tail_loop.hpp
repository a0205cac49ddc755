#pragma once

#include "app/database.hpp"
#include "app/signal.hpp"
#include "base/frame.hpp"
#include "core/tailer.hpp"
#include "pg/message_store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace app {

/// What the log tells the shards: new messages in order, and whose numbers they are.
struct batch {
    std::string epoch;                   ///< opaque to clients
    base::seq position = 0;              ///< everything up to here has been handed on
    std::vector<base::frame_ptr> frames; ///< ready for the sockets
    bool restart = false;                ///< the log begins anew at position (start, new log)
};
using batch_ptr = std::shared_ptr<const batch>;

/// NOTIFY -> rows -> frames -> shards. Two connections: one only listens (LISTEN must never wait
/// behind a query, nor sit in a transaction), one reads pages. When either breaks both are opened
/// again: LISTEN first, then reading on from the position, so nothing between is missed.
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

    asio::awaitable<bool> open();
    asio::awaitable<bool> check(pg::message_store& store);
    asio::awaitable<bool> start_listening(pg::message_store& reader);
    asio::awaitable<void> follow();
    asio::awaitable<bool> read_page();
    asio::awaitable<bool> refresh_log_state();
    asio::awaitable<void> listen(std::shared_ptr<listening> round);
    asio::awaitable<void> unusable(const std::string& what);
    void close();

    asio::io_context& context_;
    database_options options_;
    base::observer& observer_;
    std::function<void(batch_ptr)> hand_on_;
    std::function<void(fatal)> give_up_;
    reopening_connection listener_;
    reopening_connection reader_;
    signal wake_;
    core::tailer tailer_;
    base::tail_state state_;
    std::string canary_channel_;
    std::string epoch_;
    std::shared_ptr<listening> round_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point caught_up_at_ = started_;
    bool met_ = false; ///< the log has been seen once: from here on nothing is fatal
    bool stopping_ = false;
};

} // namespace app
