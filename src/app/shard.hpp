#pragma once

#include "app/consumers.hpp"
#include "app/policy.hpp"
#include "app/publisher.hpp"
#include "app/replay.hpp"
#include "app/tail_loop.hpp"
#include "app/token_keys.hpp"
#include "base/observation.hpp"
#include "core/hub.hpp"
#include "core/session_clock.hpp"
#include "core/tail.hpp"
#include "ws/flush_turn.hpp"
#include "ws/socket.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

namespace app {

class session;

struct shard_options {
    std::size_t number = 0;
    std::size_t tail_bytes = 0; ///< frames are shared between shards, the bytes count once
    ws::socket_options socket;
    std::size_t max_publish_bytes = 0; ///< larger data could not be delivered
    std::string server_name;
};

/// One thread, its sessions, its hub and its copy of the tail. Nothing is shared with other shards
/// but immutable frames; work comes in by post().
/// Owner: app::server. Thread: its own; the members below say where another may call.
/// Lifetime: the server's; its thread ends when stop() is called.
class shard {
public:
    /// Where a shard's sessions' work goes; called on the shard's thread, once a turn.
    struct outlets {
        std::function<void(std::vector<publish_request>)> publish;
        std::function<void(std::vector<consumer_news>)> consumers;
    };

    shard(const shard_options& options, base::observer& observer, replay& replay,
          consumers& consumers, token_keys& keys, outlets outlets);
    ~shard();

    /// Any thread.
    asio::io_context& context() { return context_; }
    void start();
    void hand(batch_ptr batch);
    void hand(std::vector<publish_receipt> receipts);
    void hand(policy_ptr policy);

    // The rest on the shard's thread only.

    const shard_options& options() const { return options_; }
    base::observer& observer() { return observer_; }
    app::replay& replay() { return replay_; }
    app::consumers& consumers() { return consumers_; }
    token_keys& keys() { return keys_; }
    core::hub& hub() { return hub_; }
    const core::tail& tail() const { return tail_; }
    ws::flush_turn& turn() { return turn_; }
    base::shard_counts& counts() { return counts_; }
    base::shard_counts snapshot() const;
    void limited(base::limit which) { ++counts_.limited[static_cast<std::size_t>(which)]; }

    /// Never null while there are connections; may be another one after a wait.
    const policy_ptr& policy() const { return policy_; }

    /// Whether the log has been seen: before that there is no epoch to tell.
    bool met() const { return log_ != nullptr; }
    const std::shared_ptr<const core::log_epoch>& log() const { return log_; }
    base::seq position() const { return position_; }

    /// Leaves at the end of this turn, with all other publishes of the turn.
    void publish(publish_request request);
    /// As above, or with send_news() at once.
    void tell(consumer_news news);
    void send_news();

    void add(session& who) { sessions_.insert(&who); }
    void remove(session& who) { sessions_.erase(&who); }

    /// `who` hears due() at `next` instead of at `before`; `never`: not.
    void wake(session& who, core::session_clock::time_point before,
              core::session_clock::time_point next);

    bool draining() const { return draining_; }
    /// Closes every session with 1012 and returns when all are gone, or at `deadline` cuts the
    /// rest. Returns how many were cut.
    asio::awaitable<std::size_t> drain(std::chrono::steady_clock::time_point deadline);

    /// Ends the thread, wherever its work stands; any thread. join() waits for it.
    void stop();
    void join();

private:
    void deliver();
    void begin(const batch& batch);
    void set_alarm();
    void alarm();

    shard_options options_;
    base::observer& observer_;
    app::replay& replay_;
    app::consumers& consumers_;
    token_keys& keys_;
    outlets outlets_;
    policy_ptr policy_;
    base::shard_counts counts_;
    core::hub hub_;
    core::tail tail_;
    std::shared_ptr<const core::log_epoch> log_;
    base::seq position_ = 0;
    std::unordered_set<session*> sessions_;
    std::deque<batch_ptr> batches_; ///< handed in, not fanned out yet
    std::size_t next_frame_ = 0;    ///< of the first batch
    bool begun_ = false;            ///< the first batch
    std::vector<publish_request> published_;
    std::vector<consumer_news> news_;
    bool draining_ = false;
    std::set<std::pair<core::session_clock::time_point, session*>> waking_;
    core::session_clock::time_point alarm_at_ = core::session_clock::never;

    // After everything their handlers refer to, so that these go first.
    asio::io_context context_;
    ws::flush_turn turn_;
    asio::steady_timer alarm_;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
    std::thread thread_;
};

} // namespace app
