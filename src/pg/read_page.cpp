#include "pg/binary_array.hpp"
#include "pg/log_row.hpp"
#include "pg/message_store.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdlib>

namespace pg {

namespace {

// A row may hold 16 MB and more, so a page bound by its number of rows alone could take all memory.
// The first query brings the small rows, and of the others only their size, which is mostly known
// without reading them. Those follow in portions until the page is full. Nearly every page is of
// small rows and takes the one query, at a few per cent more than the plain SELECT.
constexpr std::size_t page_bytes = 2 << 20;
/// One subscription takes little at a time: the rest would be thrown away.
constexpr std::size_t channel_page_bytes = 1 << 20;
constexpr std::int64_t portion_bytes = 1 << 20;
/// Of rows whose length isn't known: what Postgres compressed may be a hundred times larger here.
constexpr int portion_rows = 8;
constexpr std::size_t longest_text = 1 << 30; ///< Postgres has none longer

// One statement, so one snapshot: what the log is, what was removed, what is there. A row with a
// channel and no id is a removal, one with neither is the log; text then is its epoch.
//
// The parameters stand in sub-selects so that the planner never counts on their values: a plan made
// for them would look cheaper than the general one, and planning anew each time takes longer than
// reading a row. The upper bound, which bounds nothing, tells it that few rows qualify: without it
// the general plan reads and sorts a large table whole.
const std::string log_of_page = joined(
    "select log.emptied_at as seq, null::uuid as id, null::text as channel, "
    "null::json as created_at, ",
    log_epoch,
    " as text, null::int as size, null::text as sender from queue.log "
    "union all (select seq, null, channel, null, null, null, null from queue.trimmed where ");
constexpr std::string_view messages_of_page =
    ") union all (select seq, id, channel, to_json(created_at), "
    "case when octet_length(text) <= 8192 then text end, coalesce(octet_length(text), -stored), "
    "sender "
    "from (select seq, id, channel, created_at, sender, pg_column_size(data) as stored, "
    "case when pg_column_size(data) <= 4096 then data::text end as text from queue.message where ";
constexpr std::string_view end_of_page = ") as page order by seq) order by seq";

constexpr std::string_view after_of_all =
    "seq > (select $1::bigint) and seq <= 9223372036854775807 ";
const std::string page_of_all = joined(log_of_page, after_of_all, messages_of_page, after_of_all,
                                       "order by seq limit (select $2::bigint)", end_of_page);
const std::string page_of_channel = joined(
    log_of_page, "channel = (select $1::text) and seq > (select $2::bigint)", messages_of_page,
    "channel = (select $1::text) and seq > (select $2::bigint) "
    "and seq <= (select $3::bigint) order by seq limit (select $4::bigint)",
    end_of_page);

// OFFSET 0 keeps Postgres from unpacking the data twice.
constexpr std::string_view large_data =
    "select seq, case when octet_length(text) <= $2 then text end "
    "from (select seq, data::text as text from queue.message where seq = any($1) offset 0) as "
    "large "
    "order by seq";

/// text of the statement is data. size is its length, or where that isn't known its stored size,
/// negative.
enum column { seq, id, channel, created_at, data, size, sender };

struct page_limits {
    int rows;
    std::size_t bytes; ///< but for one message that is larger by itself
    std::size_t data;  ///< of one message
};

/// One page in the making.
class page_reader {
public:
    page_reader(connection& from, result first, page_limits limits)
        : connection_(from),
          limits_(limits),
          max_data_(std::min(limits.data, longest_text)),
          first_(std::move(first)) {
        made_.rows.push_back(first_);
    }

    asio::awaitable<outcome<page>> finish() {
        const std::size_t found = take_log_and_removals();
        if (made_.epoch.empty())
            co_return empty_log();
        made_.more = found == static_cast<std::size_t>(limits_.rows);
        made_.messages.reserve(found);
        for (int row = 0; row < first_.rows(); ++row) {
            if (!is_message(row))
                continue;
            base::message_view message = view(row);
            if (!is_left_out(row)) {
                message.data = first_.is_null(row, data) ? "null" : first_.text(row, data);
            } else if (is_stored_too_large(row)) {
                message.too_large = true;
            } else {
                if (row > fetched_upto_) {
                    const auto got = co_await fetch_from(row);
                    if (!got)
                        co_return got.error();
                }
                // Its removal isn't in this snapshot, so the page may not go past it.
                const bool there = take(message);
                if (!there) {
                    made_.more = true;
                    break;
                }
            }
            if (message.data.size() > max_data_)
                message.too_large = true;
            if (message.too_large)
                message.data = {};
            if (!made_.messages.empty() && bytes_ + message.data.size() > limits_.bytes) {
                made_.more = true;
                break;
            }
            bytes_ += message.data.size();
            made_.messages.push_back(message);
        }
        co_return std::move(made_);
    }

private:
    bool is_message(int row) const { return !first_.is_null(row, id); }

    /// Returns how many messages there are beside them.
    std::size_t take_log_and_removals() {
        std::size_t messages = 0;
        for (int row = 0; row < first_.rows(); ++row) {
            if (is_message(row)) {
                ++messages;
            } else if (!first_.is_null(row, channel)) {
                made_.removals.push_back({first_.text(row, channel), first_.integer(row, seq)});
            } else {
                made_.epoch = first_.text(row, data);
                made_.emptied_at = first_.integer(row, seq);
            }
        }
        return messages;
    }

    bool is_left_out(int row) const {
        return first_.is_null(row, data) && !first_.is_null(row, size);
    }

    bool is_stored_too_large(int row) const {
        // Postgres' own, part of the size of what isn't compressed.
        constexpr std::int64_t header = 4;
        return size_of(row) > static_cast<std::int64_t>(max_data_) + header;
    }

    bool is_length_known(int row) const { return first_.integer(row, size) >= 0; }
    std::int64_t size_of(int row) const { return std::abs(first_.integer(row, size)); }

    base::message_view view(int row) const {
        base::message_view message;
        message.seq = first_.integer(row, seq);
        message.id = first_.text(row, id);
        message.channel = first_.text(row, channel);
        message.created_at = first_.text(row, created_at);
        message.created_at.remove_prefix(1); // the quotes of a JSON string
        message.created_at.remove_suffix(1);
        if (!first_.is_null(row, sender))
            message.sender = first_.text(row, sender);
        return message;
    }

    /// Reads the data of `row` and of as many left-out rows behind it as make a portion.
    asio::awaitable<outcome<void>> fetch_from(int row) {
        std::vector<std::int64_t> wanted;
        std::int64_t bytes = 0;
        int unknown = 0;
        for (; row < first_.rows(); ++row) {
            if (is_left_out(row) && !is_stored_too_large(row)) {
                bytes += size_of(row);
                unknown += is_length_known(row) ? 0 : 1;
                if (!wanted.empty() && (bytes > portion_bytes || unknown > portion_rows))
                    break;
                wanted.push_back(first_.integer(row, seq));
            }
            fetched_upto_ = row;
        }
        binary_array seqs(binary_array::of_int8, wanted.size(),
                          wanted.size() * sizeof(std::int64_t));
        for (const std::int64_t each : wanted)
            seqs.add(each);
        const std::string longest = std::to_string(max_data_);
        const parameter parameters[] = {parameter::in_binary(seqs.bytes()), longest};
        auto answer = co_await connection_.query(large_data, parameters);
        if (!answer)
            co_return answer.error();
        made_.rows.push_back(*answer);
        next_large_ = 0;
        co_return outcome<void>{};
    }

    /// Gives the message its data from the portion. False: the row was deleted meanwhile.
    bool take(base::message_view& message) {
        const result& large = made_.rows.back();
        while (next_large_ < large.rows() && large.integer(next_large_, 0) < message.seq) {
            ++next_large_;
        }
        if (next_large_ == large.rows() || large.integer(next_large_, 0) != message.seq)
            return false;
        message.too_large = large.is_null(next_large_, 1);
        if (!message.too_large)
            message.data = large.text(next_large_, 1);
        return true;
    }

    connection& connection_;
    page_limits limits_;
    std::size_t max_data_;
    page made_{};
    result first_;
    std::size_t bytes_ = 0;
    int fetched_upto_ = -1; ///< row of first_ up to which large data is here
    int next_large_ = 0;
};

asio::awaitable<outcome<page>> read(connection& from, std::string_view statement,
                                    std::span<const parameter> parameters, page_limits limits) {
    auto first = co_await from.query(statement, parameters);
    if (!first)
        co_return first.error();
    page_reader reader(from, std::move(*first), limits);
    co_return co_await reader.finish();
}

} // namespace

asio::awaitable<outcome<page>> message_store::read_after(base::seq after, int limit,
                                                         std::size_t max_data) {
    const std::string from = std::to_string(after);
    const std::string rows = std::to_string(limit);
    const parameter parameters[] = {from, rows};
    const page_limits limits{limit, page_bytes, max_data};
    co_return co_await read(connection_, page_of_all, parameters, limits);
}

asio::awaitable<outcome<page>> message_store::read_channel(std::string_view of, base::seq after,
                                                           base::seq upto, int limit,
                                                           std::size_t max_data) {
    const std::string from = std::to_string(after);
    const std::string to = std::to_string(upto);
    const std::string rows = std::to_string(limit);
    const parameter parameters[] = {of, from, to, rows};
    const page_limits limits{limit, channel_page_bytes, max_data};
    co_return co_await read(connection_, page_of_channel, parameters, limits);
}

} // namespace pg
