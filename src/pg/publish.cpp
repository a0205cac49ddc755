#include "pg/message_store.hpp"
#include "pg/publish_items.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <cstdlib>

namespace pg {

namespace {

// The seq of a session that does not settle first comes back negative: it is provisional until
// COMMIT.
constexpr std::string_view insert_new =
    "insert into queue.message (id, channel, data, sender, seq) "
    "select id, channel, data, sender, nextval('queue.message_seq') "
    "from unnest($1::uuid[], $2::text[], $3::json[], $4::text[]) with ordinality "
    "as item (id, channel, data, sender, n) "
    "order by n "
    "returning case when (select coalesce(current_setting('pgherald.settle_first', true), '') = "
    "'on' "
    "and has_function_privilege(session_user, 'queue.settle_first()', 'execute')) "
    "then seq else -seq end";

// Looks each id up before it inserts, which costs a sixth more, so it serves only the batches that
// insert_new has failed for.
constexpr std::string_view insert_missing =
    "insert into queue.message (id, channel, data, sender, seq) "
    "select id, channel, data, sender, nextval('queue.message_seq') "
    "from unnest($1::uuid[], $2::text[], $3::json[], $4::text[]) with ordinality "
    "as item (id, channel, data, sender, n) "
    "order by n "
    "on conflict (id) do nothing "
    "returning case when (select coalesce(current_setting('pgherald.settle_first', true), '') = "
    "'on' "
    "and has_function_privilege(session_user, 'queue.settle_first()', 'execute')) "
    "then seq else -seq end, id";

// A row that SQL stored with NULL data reaches clients as null.
constexpr std::string_view compare_all =
    "select item.n, message.seq, "
    "message.channel = item.channel and coalesce(message.data::text, 'null') = item.data::text "
    "and message.sender is not distinct from item.sender "
    "from unnest($1::uuid[], $2::text[], $3::json[], $4::text[]) with ordinality "
    "as item (id, channel, data, sender, n) "
    "join queue.message using (id)";

bool is_id_taken(const error& why) {
    return why.sqlstate == "23505";
}

/// Notes the rows that went in and returns the items that need a second look: those that didn't,
/// and all if the session has lost its opt-in to settle first, as it may behind a transaction
/// pooler.
class inserted_rows {
public:
    inserted_rows(std::span<const prepared_item> items, std::vector<stored>& fates,
                  std::vector<bool>& inserted)
        : items_(items),
          fates_(fates),
          inserted_(inserted) {}

    /// Of insert_new: all went in, in their order, unless a trigger dropped some. Then nobody knows
    /// which, and all need the second look.
    std::vector<prepared_item> note_all(const result& rows) {
        if (rows.rows() != static_cast<int>(items_.size()))
            return {items_.begin(), items_.end()};
        std::vector<prepared_item> open;
        for (int row = 0; row < rows.rows(); ++row) {
            const prepared_item& item = items_[static_cast<std::size_t>(row)];
            if (!note(item, rows.integer(row, 0)))
                open.push_back(item);
        }
        return open;
    }

    /// Of insert_missing: rows come in the order of the items, without those that met their id.
    std::vector<prepared_item> note_some(const result& rows) {
        std::vector<prepared_item> open;
        int row = 0;
        for (const prepared_item& item : items_) {
            const bool mine = row < rows.rows() && parse_uuid(rows.text(row, 1)) == item.id;
            const bool settled = mine && note(item, rows.integer(row, 0));
            row += mine ? 1 : 0;
            if (!settled)
                open.push_back(item);
        }
        return open;
    }

private:
    /// False: the seq is provisional.
    bool note(const prepared_item& item, base::seq seq) {
        fates_[item.place] = {stored::fate::inserted, std::abs(seq)};
        inserted_[item.place] = true;
        return seq > 0;
    }

    std::span<const prepared_item> items_;
    std::vector<stored>& fates_;
    std::vector<bool>& inserted_;
};

} // namespace

asio::awaitable<outcome<std::vector<stored>>>
message_store::publish(std::span<const publish_item> items) {
    auto prepared = prepare(items);
    if (!prepared)
        co_return prepared.error();
    std::vector<prepared_item> pending = std::move(*prepared);
    std::vector<stored> fates(items.size());
    std::vector<bool> inserted(items.size());
    // A second turn is for an id that was met and then deleted before it could be compared.
    for (int turn = 0; !pending.empty(); ++turn) {
        const item_arrays arrays(pending);
        const auto parameters = arrays.parameters();
        auto answer = co_await connection_.query(insert_new, parameters);
        const bool all_new = answer || !is_id_taken(answer.error());
        if (!all_new)
            answer = co_await connection_.query(insert_missing, parameters);
        if (!answer)
            co_return turn == 0 ? answer.error() : after_commit(answer.error());

        inserted_rows rows(pending, fates, inserted);
        const auto open = all_new ? rows.note_all(*answer) : rows.note_some(*answer);
        pending.clear();
        if (open.empty())
            break;
        const item_arrays open_arrays(open);
        const auto open_parameters = open_arrays.parameters();
        auto found = co_await connection_.query(compare_all, open_parameters);
        if (!found)
            co_return after_commit(found.error());
        std::vector<bool> seen(open.size());
        for (int row = 0; row < found->rows(); ++row) {
            const auto n = static_cast<std::size_t>(found->integer(row, 0)) - 1;
            const std::size_t place = open[n].place;
            const bool equal = found->text(row, 2) == "t";
            seen[n] = true;
            if (inserted[place])
                fates[place].seq = found->integer(row, 1);
            else if (equal)
                fates[place] = {stored::fate::duplicate, found->integer(row, 1)};
            else
                fates[place] = {stored::fate::conflict, 0};
        }
        for (std::size_t n = 0; n < open.size(); ++n) {
            if (!seen[n] && !inserted[open[n].place])
                pending.push_back(open[n]);
        }
        if (turn == 1 && !pending.empty())
            co_return row_dropped();
    }
    co_return fates;
}

} // namespace pg
