#pragma once

#include "app/database.hpp"
#include "app/signal.hpp"
#include "core/publish_queue.hpp"
#include "pg/message_store.hpp"
#include "wire/frames.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace app {

class session;

/// Who publishes in the database's eyes, where that isn't the daemon itself.
/// Owner: sessions and their publishes, shared. Thread: any, it never changes.
struct acting_as {
    std::string role;
    std::string claims; ///< JSON, the payload of the token; policies see it as request.jwt.claims

    bool operator==(const acting_as&) const = default;
};

/// A client's publish on its way to the table.
struct publish_request {
    std::string id;
    std::string channel;
    std::string data;
    std::optional<std::string> sender;     ///< the token's subject
    std::shared_ptr<const acting_as> role; ///< null: the daemon's own
    wire::ref ref;
    std::weak_ptr<session> from;
    std::size_t shard = 0; ///< whose thread `from` lives on
    std::chrono::steady_clock::time_point arrived;
    unsigned broken = 0; ///< how often it was sent on a connection that broke before the answer
};

/// What became of it.
struct publish_receipt {
    publish_request request; ///< channel and data are empty by now
    base::outcome<wire::ok> answer;
};

/// Turns publishes into INSERTs: one connection, one statement in flight, and all that arrives
/// meanwhile is the next batch. A receipt says COMMIT. Each request gets exactly one receipt.
/// What is published as different roles, or with different claims, takes a statement each; a
/// session's publishes are stored in the order in which it sent them all the same.
/// Owner: app::server. Thread: the Postgres side's. Lifetime: the server's.
class publisher {
public:
    /// Hands receipts to the shard of that number, on this thread.
    using reply = std::function<void(std::size_t shard, std::vector<publish_receipt>)>;

    publisher(asio::io_context& context, const database_options& options, std::size_t shards,
              base::observer& observer, reply reply);

    void submit(std::vector<publish_request> requests);

    asio::awaitable<void> run();

    /// No more requests are taken; returns when each one taken has its receipt, or at `deadline`.
    asio::awaitable<void> drain(std::chrono::steady_clock::time_point deadline);
    void stop();

    std::size_t waiting() const { return queue_.size() + in_flight_; }

private:
    using batch = std::vector<publish_request>;

    asio::awaitable<bool> ensure_open();
    asio::awaitable<void> publish_all(batch items);
    asio::awaitable<void> publish_batch(batch items);
    asio::awaitable<pg::outcome<std::vector<pg::stored>>> store(const batch& items);
    asio::awaitable<void> publish_halves(batch items);
    void report(const std::string& problem);
    void answer(batch& items, const std::vector<pg::stored>& fates);
    void refuse(batch& items, const base::failure& failure);
    void refuse_breakers();
    void refuse_expired();
    void refuse_in_doubt(const std::function<bool(const publish_request&)>& which);
    void settle(publish_request&& request, base::outcome<wire::ok> answer);
    void flush_receipts();

    base::observer& observer_;
    reply reply_;
    reopening_connection connection_;
    bool prepared_ = false; ///< the connection, to publish
    core::publish_queue<publish_request> queue_;
    std::vector<publish_request> in_doubt_; ///< to be sent again first, with the same ids
    std::vector<std::vector<publish_receipt>> receipts_; ///< by shard, until flush_receipts()
    std::map<std::string, std::chrono::steady_clock::time_point> reported_; ///< by problem
    signal wake_;
    signal idle_;
    std::size_t in_flight_ = 0;
    bool draining_ = false;
    bool stopping_ = false;
};

} // namespace app
