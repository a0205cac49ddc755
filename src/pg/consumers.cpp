#include "pg/binary_array.hpp"
#include "pg/log_row.hpp"
#include "pg/message_store.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace pg {

namespace {

// The second one to open a new consumer waits for the first one's COMMIT and gets its row.
const std::string open_one =
    joined("insert into queue.consumer as known (channel, name, acked_seq) "
           "select $1, $2, coalesce($3::bigint, ",
           log_head, ") from queue.log where ", log_epoch,
           " = $4 "
           "on conflict (channel, name) do update set updated_at = excluded.updated_at "
           "returning acked_seq, (xmax = 0)::int"); // a row that was there has been locked

// Ordered, because rows are locked in the order in which they come.
const std::string store_all =
    joined("insert into queue.consumer as known (channel, name, acked_seq) "
           "select channel, name, max(acked) from queue.log, "
           "unnest($1::text[], $2::text[], $3::bigint[]) as item (channel, name, acked) where ",
           log_epoch,
           " = $4 "
           "group by channel, name order by channel, name "
           "on conflict (channel, name) do update "
           "set acked_seq = greatest(known.acked_seq, excluded.acked_seq), "
           "updated_at = excluded.updated_at returning 1");

constexpr std::string_view take_one_back =
    "update queue.consumer set acked_seq = $3, updated_at = now() "
    "where channel = $1 and name = $2 and acked_seq > $3 returning 1";

} // namespace

asio::awaitable<outcome<std::optional<opened_consumer>>>
message_store::open_consumer(std::string_view epoch, std::string_view channel,
                             std::string_view name, std::optional<base::seq> start) {
    const std::string from = std::to_string(start.value_or(0));
    const parameter parameters[] = {channel, name, start ? parameter(from) : std::nullopt, epoch};
    auto answer = co_await connection_.query(open_one, parameters);
    if (!answer)
        co_return answer.error();
    if (answer->rows() == 0)
        co_return std::nullopt;
    co_return opened_consumer{answer->integer(0, 0), answer->integer(0, 1) == 1};
}

asio::awaitable<outcome<bool>> message_store::take_back(std::string_view channel,
                                                        std::string_view name, base::seq head) {
    const std::string to = std::to_string(head);
    const parameter parameters[] = {channel, name, to};
    auto answer = co_await connection_.query(take_one_back, parameters);
    if (!answer)
        co_return answer.error();
    co_return answer->rows() == 1;
}

asio::awaitable<outcome<bool>> message_store::store_progress(std::string_view epoch,
                                                             std::span<const progress> items) {
    if (items.empty())
        co_return true;
    std::size_t channel_bytes = 0;
    std::size_t name_bytes = 0;
    for (const progress& item : items) {
        channel_bytes += item.channel.size();
        name_bytes += item.consumer.size();
    }
    binary_array channels(binary_array::of_text, items.size(), channel_bytes);
    binary_array names(binary_array::of_text, items.size(), name_bytes);
    binary_array seqs(binary_array::of_int8, items.size(), items.size() * sizeof(base::seq));
    for (const progress& item : items) {
        channels.add(item.channel);
        names.add(item.consumer);
        seqs.add(item.acked);
    }
    const parameter parameters[] = {parameter::in_binary(channels.bytes()),
                                    parameter::in_binary(names.bytes()),
                                    parameter::in_binary(seqs.bytes()), epoch};
    auto answer = co_await connection_.query(store_all, parameters);
    if (!answer)
        co_return answer.error();
    co_return answer->rows() > 0;
}

} // namespace pg
