#include "pg/binary_array.hpp"
#include "pg/message_store.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace pg {

namespace {

// A row may hold 16 MB and more, so a page bound by its number of rows alone could take all memory.
// The first query brings the small rows, and of the others only their stored size, which is known
// without reading them. Those follow in portions until the page is full. Nearly every page is of
// small rows and takes the one query, at a few per cent more than the plain SELECT.
constexpr std::size_t page_bytes = 8 << 20;
/// In stored bytes. What Postgres compressed is larger once here, rarely by more than a few times.
constexpr std::int64_t portion_bytes = 1 << 20;
constexpr std::size_t longest_text = 1 << 30; ///< Postgres has none longer

constexpr std::string_view head =
    "select seq, id, channel, to_json(created_at), "
    "case when octet_length(text) <= 8192 then text end, size "
    "from (select seq, id, channel, created_at, pg_column_size(data) as size, "
    "case when pg_column_size(data) <= 4096 then data::text end as text from queue.message where ";
constexpr std::string_view tail = ") as page order by seq";

const std::string after_of_all =
    std::string(head) + "seq > $1 order by seq limit $2" + std::string(tail);
const std::string between_of_channel =
    std::string(head) + "channel = $1 and seq > $2 and seq <= $3 order by seq limit $4" +
    std::string(tail);

// OFFSET 0 keeps Postgres from unpacking the data twice.
constexpr std::string_view large_data =
    "select seq, case when octet_length(text) <= $2 then text end "
    "from (select seq, data::text as text from queue.message where seq = any($1) offset 0) as "
    "large "
    "order by seq";

enum column { seq, id, channel, created_at, data, size };

/// One page in the making.
class page_reader {
public:
    page_reader(connection& from, result first, int limit, std::size_t max_data)
        : connection_(from),
          max_data_(std::min(max_data, longest_text)),
          made_{{first}, {}, first.rows() == limit},
          first_(std::move(first)) {}

    asio::awaitable<outcome<page>> finish() {
        made_.messages.reserve(static_cast<std::size_t>(first_.rows()));
        for (int row = 0; row < first_.rows(); ++row) {
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
                if (!take(message))
                    continue;
            }
            if (message.data.size() > max_data_)
                message.too_large = true;
            if (message.too_large)
                message.data = {};
            if (!made_.messages.empty() && bytes_ + message.data.size() > page_bytes) {
                made_.more = true;
                break;
            }
            bytes_ += message.data.size();
            made_.messages.push_back(message);
        }
        co_return std::move(made_);
    }

private:
    bool is_left_out(int row) const {
        return first_.is_null(row, data) && !first_.is_null(row, size);
    }

    bool is_stored_too_large(int row) const {
        constexpr std::int64_t header =
            4; // Postgres' own, part of the size of what isn't compressed
        return first_.integer(row, size) > static_cast<std::int64_t>(max_data_) + header;
    }

    base::message_view view(int row) const {
        base::message_view message;
        message.seq = first_.integer(row, seq);
        message.id = first_.text(row, id);
        message.channel = first_.text(row, channel);
        message.created_at = first_.text(row, created_at);
        message.created_at.remove_prefix(1); // the quotes of a JSON string
        message.created_at.remove_suffix(1);
        return message;
    }

    /// Reads the data of `row` and of as many left-out rows behind it as make a portion.
    asio::awaitable<outcome<void>> fetch_from(int row) {
        std::vector<std::int64_t> wanted;
        std::int64_t stored = 0;
        for (; row < first_.rows(); ++row) {
            if (is_left_out(row) && !is_stored_too_large(row)) {
                stored += first_.integer(row, size);
                if (stored > portion_bytes && !wanted.empty())
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
    std::size_t max_data_;
    page made_;
    result first_;
    std::size_t bytes_ = 0;
    int fetched_upto_ = -1; ///< row of first_ up to which large data is here
    int next_large_ = 0;
};

asio::awaitable<outcome<page>> read(connection& from, std::string_view statement,
                                    std::span<const parameter> parameters, int limit,
                                    std::size_t max_data) {
    auto first = co_await from.query(statement, parameters);
    if (!first)
        co_return first.error();
    page_reader reader(from, std::move(*first), limit, max_data);
    co_return co_await reader.finish();
}

} // namespace

asio::awaitable<outcome<page>> message_store::read_after(base::seq after, int limit,
                                                         std::size_t max_data) {
    const std::string from = std::to_string(after);
    const std::string rows = std::to_string(limit);
    const parameter parameters[] = {from, rows};
    co_return co_await read(connection_, after_of_all, parameters, limit, max_data);
}

asio::awaitable<outcome<page>> message_store::read_channel(std::string_view of, base::seq after,
                                                           base::seq upto, int limit,
                                                           std::size_t max_data) {
    const std::string from = std::to_string(after);
    const std::string to = std::to_string(upto);
    const std::string rows = std::to_string(limit);
    const parameter parameters[] = {of, from, to, rows};
    co_return co_await read(connection_, between_of_channel, parameters, limit, max_data);
}

} // namespace pg
