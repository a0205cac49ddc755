#pragma once

#include "app/database.hpp"
#include "app/signal.hpp"
#include "base/error.hpp"
#include "base/frame.hpp"
#include "core/log_epoch.hpp"
#include "pg/message_store.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace app {

/// Messages of one channel read from the table, ready for sockets.
struct replay_page {
    std::string epoch;     ///< of the log they were read from
    base::seq removed = 0; ///< highest seq after the page's `after` that was removed, or 0
    base::seq emptied = 0; ///< the log was emptied as a whole up to here
    base::seq upto = 0;    ///< the bound it was read with
    std::vector<base::frame_ptr> frames;
    bool more = false;
};

/// The answer to who asks about a log that has been replaced, while this server hasn't noticed.
base::failure other_epoch();

/// Reads for sessions: pages for those whose cursor is older than the tail, history, where a
/// channel or a consumer stands. A few connections for all; equal reads are made once.
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
        std::shared_ptr<const core::log_epoch> log = {}; ///< in which `upto` is a position
    };
    using page_outcome = base::outcome<std::shared_ptr<const replay_page>>;

    // These may be awaited from any shard's coroutine, which goes on on its own thread. Error:
    // unavailable, when Postgres doesn't answer in time.

    /// Everything up to `upto` must be known to be committed. Whoever asks the same at about the
    /// same time (many do, when a server restarts) gets the same page, which may have another
    /// `upto`.
    asio::awaitable<page_outcome> read(request what);
    /// Sees everything that was committed before the call.
    asio::awaitable<page_outcome> history(request what);
    /// As the table says, not the memory of an instance that may lag; sees everything that was
    /// committed before the call. Calls for one channel share queries.
    asio::awaitable<base::outcome<pg::channel_state>> channel(std::string name);
    /// pg::message_store::open_consumer; unavailable where the log isn't that of `epoch`.
    asio::awaitable<base::outcome<pg::opened_consumer>>
    open_consumer(std::string epoch, std::string channel, std::string name,
                  std::optional<base::seq> start);
    /// pg::message_store::take_back
    asio::awaitable<base::outcome<bool>> take_back(std::string channel, std::string name,
                                                   base::seq head);

    void stop();

    std::uint64_t reads() const { return reads_; }

private:
    struct lane;
    struct waiter;
    template <typename Answer>
    struct round;
    struct asking;
    using time_point = std::chrono::steady_clock::time_point;

    /// A session that waits longer is told, and asks again.
    static constexpr std::chrono::seconds patience{5};
    static time_point deadline_from_now() { return std::chrono::steady_clock::now() + patience; }

    // replay_gather.cpp
    asio::awaitable<page_outcome> read_shared(request what);
    asio::awaitable<void> keep(std::string key, std::shared_ptr<const core::log_epoch> log,
                               std::size_t bytes);
    asio::awaitable<base::outcome<pg::channel_state>> ask_channel(std::string name);

    // replay.cpp
    asio::awaitable<page_outcome> read_once(request what);
    asio::awaitable<base::outcome<pg::channel_state>> ask_state(std::string name,
                                                                time_point deadline);
    template <typename Query>
    auto ask(Query query, time_point deadline)
        -> asio::awaitable<base::outcome<typename Query::answer>>;
    void failed(lane& used, const pg::error& why);
    asio::awaitable<lane*> acquire(time_point deadline);
    asio::awaitable<void> reopen(lane& closed);
    void release(lane& lane);

    asio::io_context& context_;
    base::observer& observer_;
    std::size_t max_delivery_;
    std::vector<std::unique_ptr<lane>> lanes_;
    boost::unordered_flat_map<std::string, std::shared_ptr<round<page_outcome>>> pages_;
    boost::unordered_flat_map<std::string, std::shared_ptr<asking>> asked_;
    std::list<waiter*> queue_; ///< for a lane; they live in the coroutines that wait
    std::uint64_t reads_ = 0;  ///< pages really read
    std::size_t kept_bytes_ = 0;
    bool stopping_ = false;
};

} // namespace app
