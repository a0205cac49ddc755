#include "pg/binary_array.hpp"
#include "pg/message_store.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace pg {

namespace {

constexpr std::string_view insert_all =
    "insert into queue.message (id, channel, data, seq) "
    "select id, channel, data::json, nextval('queue.message_seq') "
    "from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as item (id, channel, data, "
    "n) "
    "order by n "
    "on conflict (id) do nothing "
    "returning id, seq, (select coalesce(current_setting('pgherald.settle_first', true), '') = "
    "'on' "
    "and has_function_privilege(session_user, 'queue.settle_first()', 'execute'))";

// A row that SQL stored with NULL data reaches clients as null.
constexpr std::string_view compare_all =
    "select item.n, message.seq, "
    "message.channel = item.channel and coalesce(message.data::text, 'null') = item.data "
    "from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as item (id, channel, data, "
    "n) "
    "join queue.message using (id)";

struct prepared_item {
    uuid_bytes id;
    std::string_view channel;
    std::string_view data;
    std::size_t place; ///< in the caller's items
};

/// The arrays that both statements take.
class item_arrays {
public:
    explicit item_arrays(std::span<const prepared_item> items)
        : ids_(binary_array::of_uuid, items.size(), items.size() * sizeof(uuid_bytes)),
          channels_(binary_array::of_text, items.size(), total(items, &prepared_item::channel)),
          data_(binary_array::of_text, items.size(), total(items, &prepared_item::data)) {
        for (const prepared_item& item : items) {
            ids_.add(std::string_view(item.id.data(), item.id.size()));
            channels_.add(item.channel);
            data_.add(item.data);
        }
    }

    std::array<parameter, 3> parameters() const {
        return {parameter::in_binary(ids_.bytes()), parameter::in_binary(channels_.bytes()),
                parameter::in_binary(data_.bytes())};
    }

private:
    static std::size_t total(std::span<const prepared_item> items,
                             std::string_view prepared_item::*member) {
        std::size_t bytes = 0;
        for (const prepared_item& item : items)
            bytes += (item.*member).size();
        return bytes;
    }

    binary_array ids_;
    binary_array channels_;
    binary_array data_;
};

/// An error that comes when something is committed already: "nothing was stored" is no longer true.
error after_commit(error why) {
    why.what = error::kind::lost;
    return why;
}

/// Notes the rows that went in and returns the items that need a second look: those that didn't,
/// and all if the session has lost its opt-in to settle first, as it may behind a transaction
/// pooler: then the numbers were provisional until COMMIT.
std::vector<prepared_item> note_inserted(const result& rows, std::span<const prepared_item> items,
                                         std::vector<stored>& fates, std::vector<bool>& inserted) {
    std::vector<prepared_item> open;
    int row = 0;
    for (const prepared_item& item : items) {
        // Rows come back in the order of the items, without those that met their id.
        const bool mine = row < rows.rows() && parse_uuid(rows.text(row, 0)) == item.id;
        bool settled = true;
        if (mine) {
            settled = rows.text(row, 2) == "t";
            fates[item.place] = {stored::fate::inserted, rows.integer(row, 1)};
            inserted[item.place] = true;
            ++row;
        }
        if (!mine || !settled)
            open.push_back(item);
    }
    return open;
}

} // namespace

asio::awaitable<outcome<std::vector<stored>>>
message_store::publish(std::span<const publish_item> items) {
    std::vector<prepared_item> pending;
    pending.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto id = parse_uuid(items[i].id);
        if (!id)
            co_return error{error::kind::refused, "22P02", "an id is not a uuid"};
        pending.push_back({*id, items[i].channel, items[i].data, i});
    }

    std::vector<stored> fates(items.size());
    std::vector<bool> inserted(items.size());
    // A second turn is for an id that was met and then deleted before it could be compared.
    for (int turn = 0; !pending.empty(); ++turn) {
        const item_arrays arrays(pending);
        const auto parameters = arrays.parameters();
        auto answer = co_await connection_.query(insert_all, parameters);
        if (!answer)
            co_return turn == 0 ? answer.error() : after_commit(answer.error());

        const auto open = note_inserted(*answer, pending, fates, inserted);
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
        if (turn == 1 && !pending.empty()) {
            // The others are stored, but that is safe to say: they have ids to be tried again by.
            co_return error{error::kind::refused, "23000", "a trigger or rule has dropped the row"};
        }
    }
    co_return fates;
}

} // namespace pg
