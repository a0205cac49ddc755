#pragma once

#include "base/message.hpp"
#include "base/seq.hpp"
#include "pg/connection.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pg {

/// Some messages in order of seq. Owns what the views point to.
struct page {
    std::vector<pg::result> rows;
    std::vector<base::message_view> messages;
    bool more; ///< there may be further messages after the last one: full, by count or by bytes
};

struct log_state {
    int schema_version; ///< 0: no queue.log
    std::string epoch;  ///< uuid and timeline, opaque to clients
    base::seq head;     ///< greatest committed seq
};

struct publish_item {
    std::string_view id;
    std::string_view channel;
    std::string_view data;
};

/// What became of one publish_item.
struct stored {
    enum class fate { inserted, duplicate, conflict };
    fate what;
    base::seq seq = 0; ///< of the inserted or the earlier message; 0 for a conflict
};

/// What the server must be for the daemon to work; checked at each new connection.
struct server_check {
    std::string encoding;
    bool read_only;
};

/// All SQL on messages, over a connection that belongs to the caller. No state of its own.
/// Every text from a client travels as a parameter.
class message_store {
public:
    explicit message_store(connection& connection) : connection_(connection) {}

    asio::awaitable<outcome<server_check>> check_server();

    /// 0 where the schema isn't there. Takes no lock that could wait for a writer.
    asio::awaitable<outcome<int>> schema_version();

    asio::awaitable<outcome<pg::log_state>> log_state();

    /// Messages of all channels with seq > `after`, at most `limit`. Data longer than `max_data`
    /// bytes isn't fetched (too_large).
    asio::awaitable<outcome<page>> read_after(base::seq after, int limit, std::size_t max_data);

    /// Messages of one channel with after < seq <= upto, at most `limit`.
    asio::awaitable<outcome<page>> read_channel(std::string_view channel, base::seq after,
                                                base::seq upto, int limit, std::size_t max_data);

    /// Prepares a connection for publish(): opts into settle-first, sets lock and statement
    /// timeouts.
    asio::awaitable<outcome<void>> prepare_to_publish();

    /// Inserts all in one statement and transaction; when it returns they are committed. The answer
    /// has one entry an item, in order. An id stored before with equal channel and data is a
    /// duplicate, with other content a conflict (also within the batch). An error: none was stored
    /// (refused) or nobody knows (lost).
    asio::awaitable<outcome<std::vector<stored>>> publish(std::span<const publish_item> items);

    /// LISTEN on queue_message, and on a channel name of this process for the canary.
    asio::awaitable<outcome<void>> listen(std::string_view canary_channel);

    /// NOTIFY on the canary's channel, from another connection than the listener.
    asio::awaitable<outcome<void>> ring_canary(std::string_view canary_channel,
                                               std::string_view token);

    /// pg_notification_queue_usage(), 0..1
    asio::awaitable<outcome<double>> queue_usage();

private:
    connection& connection_;
};

} // namespace pg
