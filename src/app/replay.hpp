#pragma once

#include "app/database.hpp"
#include "app/signal.hpp"
#include "base/error.hpp"
#include "base/frame.hpp"
#include "pg/message_store.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace app {

/// Messages of one channel read from the table, ready for sockets.
struct replay_page {
    std::vector<base::frame_ptr> frames;
    bool more = false;
};

/// Where a cursor stands against the table, not against the memory of an instance that may lag.
struct log_position {
    std::string epoch;
    base::seq head = 0;
};

/// Reads for sessions: pages for those whose cursor is older than the tail, history, the log's
/// state. A few connections for all; equal page reads under way are made once.
/// Owner: app::server. Thread: the Postgres side's, but for what says otherwise. Lifetime: the
/// server's.
class replay {
public:
    replay(asio::io_context& context, const database_options& options, base::observer& observer);
    ~replay();

    struct request {
        std::string channel;
        base::seq after;
        base::seq upto;
        int limit;
    };

    /// These may be awaited from any shard's coroutine, which goes on on its own thread. Error:
    /// unavailable, when Postgres doesn't answer in time.
    asio::awaitable<base::outcome<std::shared_ptr<const replay_page>>> read(request what);
    asio::awaitable<base::outcome<log_position>> position();

    void stop();

private:
    struct lane;
    struct pending;
    using page_outcome = base::outcome<std::shared_ptr<const replay_page>>;

    asio::awaitable<page_outcome> read_shared(request what);
    asio::awaitable<page_outcome> read_once(request what);
    asio::awaitable<base::outcome<log_position>> read_position();
    asio::awaitable<lane*> acquire();
    void release(lane& lane);

    asio::io_context& context_;
    std::size_t max_delivery_;
    std::vector<std::unique_ptr<lane>> lanes_;
    boost::unordered_flat_map<std::string, std::shared_ptr<pending>> under_way_;
    std::vector<std::shared_ptr<signal>> queue_;
    bool stopping_ = false;
};

} // namespace app
