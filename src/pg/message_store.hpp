#pragma once

#include "base/message.hpp"
#include "base/seq.hpp"
#include "pg/connection.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pg {

/// Messages of `channel` up to seq `upto` were removed from the table, at least one of them after
/// the page's `after`.
struct removal {
    std::string_view channel;
    base::seq upto;
};

/// Some messages in order of seq, and what the same snapshot knows of those that are gone. Owns
/// what the views point to.
struct page {
    std::vector<pg::result> rows;
    std::vector<base::message_view> messages;
    std::vector<removal> removals; ///< lowest seq first, all there are beyond the page's `after`
    std::string epoch;             ///< as queue.current_epoch() gives it
    base::seq emptied_at = 0;      ///< number settled at the last TRUNCATE; 0: there was none
    bool more; ///< there may be further messages after the last one: full by count or by bytes, or
               ///< a message that went away as it was read. True with no message is possible: read
               ///< again.
};

struct timeline_start {
    std::int64_t timeline;
    base::seq began_at; ///< the head when it began
};

/// From one snapshot.
struct log_state {
    int schema_version; ///< 0: no queue.log
    std::string epoch;  ///< uuid and timeline, opaque to clients
    base::seq head;     ///< greatest committed seq
    base::seq emptied_at;
    std::vector<timeline_start> timelines; ///< in order of timeline, the present one is the last
};

/// From one snapshot.
struct channel_state {
    std::string epoch;
    base::seq head;   ///< of all channels
    base::seq oldest; ///< lowest seq kept in the channel; 0: it has no message
};

/// All messages of `channel` up to seq `acked` are dealt with by `consumer`.
struct progress {
    std::string_view channel;
    std::string_view consumer;
    base::seq acked;
};

struct opened_consumer {
    base::seq acked;
    bool is_new; ///< nobody has opened it before
};

/// What one call of remove_old() came to.
struct removed {
    bool busy; ///< another connection does it, or holds what it needs: nothing was done
    std::optional<base::seq> looked_upto; ///< nothing: the end of the table
    std::int64_t rows;                    ///< removed
    bool found_old;                       ///< one of those looked at was old, removed or not
};

struct publish_item {
    std::string_view id;
    std::string_view channel;
    std::string_view data;
    std::optional<std::string_view> sender = {};
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
    std::string isolation; ///< of transactions that don't name one, e.g. "read committed"
};

/// All SQL on messages, over a connection that belongs to the caller. No state of its own.
/// Every text from a client travels as a parameter.
class message_store {
public:
    explicit message_store(connection& connection) : connection_(connection) {}

    asio::awaitable<outcome<server_check>> check_server();

    /// The GRANTs without which this role can't do what every daemon does, as statements for the
    /// schema's owner; nothing if it has all of them. The schema must be up to date.
    asio::awaitable<outcome<std::string>> missing_grants();

    /// 0 where the schema isn't there. Takes no lock that could wait for a writer.
    asio::awaitable<outcome<int>> schema_version();

    /// Records the present timeline, and makes a new epoch in a database that was copied, before it
    /// reads. An error also where row level security would hide messages.
    asio::awaitable<outcome<pg::log_state>> log_state();

    asio::awaitable<outcome<pg::channel_state>> channel_state(std::string_view channel);

    /// Messages of all channels with seq > `after`, at most `limit`, and all removals beyond
    /// `after`. Data longer than `max_data` bytes isn't fetched (too_large). The page is exact:
    /// what it doesn't have up to its last message (up to anything committed when it was read, if
    /// it has no `more`) isn't in the table, and whatever of that was ever there is covered by a
    /// removal or by emptied_at.
    asio::awaitable<outcome<page>> read_after(base::seq after, int limit, std::size_t max_data);

    /// The same for one channel with after < seq <= upto; at most one removal, which may be of a
    /// seq above `upto`.
    asio::awaitable<outcome<page>> read_channel(std::string_view channel, base::seq after,
                                                base::seq upto, int limit, std::size_t max_data);

    /// Prepares a connection for publish(): opts into settle-first, sets lock and statement
    /// timeouts.
    asio::awaitable<outcome<void>> prepare_to_publish();

    /// Inserts all in one statement and transaction; when it returns they are committed. The answer
    /// has one entry an item, in order. An id stored before with equal channel, data and sender is
    /// a duplicate, with other content a conflict (also within the batch). An error: none was
    /// stored (refused) or nobody knows (lost).
    asio::awaitable<outcome<std::vector<stored>>> publish(std::span<const publish_item> items);

    /// The same as another role, which the login role must be a member of, and with `claims` (JSON)
    /// as request.jwt.claims: that role's privileges and the policies on queue.message decide.
    asio::awaitable<outcome<std::vector<stored>>>
    publish_as(std::string_view role, std::string_view claims, std::span<const publish_item> items);

    /// Where the consumer stands: all up to that seq is acknowledged. A new one begins at `start`
    /// (nothing: at the head), and that is committed when this returns; of several who open it at
    /// once one decides. Marks it as seen. Nothing: the log isn't that of `epoch`, where the
    /// numbers would mean something else, and nothing was done.
    asio::awaitable<outcome<std::optional<opened_consumer>>>
    open_consumer(std::string_view epoch, std::string_view channel, std::string_view name,
                  std::optional<base::seq> start);

    /// The one way back: for a consumer that is beyond the head of the log, found in the table
    /// before. False: it isn't beyond it (any more).
    asio::awaitable<outcome<bool>> take_back(std::string_view channel, std::string_view name,
                                             base::seq head);

    /// Stores how far consumers have come, and marks all of them as seen. Moves none backwards;
    /// makes those that aren't there. In any order, also the same one twice. False: the log isn't
    /// that of `epoch`, and nothing was done.
    asio::awaitable<outcome<bool>> store_progress(std::string_view epoch,
                                                  std::span<const progress> items);

    /// Looks at the `most` rows that follow seq `after` and removes those created longer ago than
    /// `older_than`, but for those after the acked seq of a consumer of their channel that was seen
    /// within `consumer_grace`. A row that someone has locked is left for the next sweep. Waits for
    /// others a second at the longest, and never makes a publisher wait.
    asio::awaitable<outcome<removed>> remove_old(std::chrono::seconds older_than,
                                                 std::chrono::seconds consumer_grace,
                                                 base::seq after, int most);

    /// LISTEN on queue_message, and on a channel name of this process for the canary.
    asio::awaitable<outcome<void>> listen(std::string_view canary_channel);

    /// NOTIFY on the canary's channel, from another connection than the listener.
    asio::awaitable<outcome<void>> ring_canary(std::string_view canary_channel,
                                               std::string_view token);

    /// pg_notification_queue_usage(), 0..1
    asio::awaitable<outcome<double>> queue_usage();

private:
    asio::awaitable<error> why_refused(error refusal);
    connection& connection_;
};

} // namespace pg
