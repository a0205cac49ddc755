#include "pg/message_store.hpp"
#include "pg/publish_items.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <set>

namespace pg {

namespace {

constexpr std::string_view insert_as = "select place, seq, is_new, is_equal "
                                       "from queue.publish_as($1, $2, $3, $4, $5, $6)";

constexpr std::string_view may_call =
    "select has_function_privilege("
    "'queue.publish_as(text, text, uuid[], text[], json[], text[])', 'execute')";

} // namespace

/// The same SQLSTATE says that policies refuse a row, and that the function may not be called at
/// all.
asio::awaitable<error> message_store::why_refused(error refusal) {
    const auto answer = co_await connection_.query(may_call);
    if (!answer)
        co_return answer.error();
    if (answer->text(0, 0) == "t")
        co_return refusal;
    co_return error{
        error::kind::refused, "0P000",
        "the daemon's role lacks EXECUTE on queue.publish_as(text, text, uuid[], text[], "
        "json[], text[]): grant it"};
}

asio::awaitable<outcome<std::vector<stored>>>
message_store::publish_as(std::string_view role, std::string_view claims,
                          std::span<const publish_item> items) {
    enum column { place, seq, is_new, is_equal };
    auto pending = prepare(items);
    if (!pending)
        co_return pending.error();
    std::vector<stored> fates(items.size());
    // A second turn is for an id that was met and then deleted before it could be compared.
    for (int turn = 0; !pending->empty(); ++turn) {
        if (turn == 2)
            co_return row_dropped();
        const item_arrays arrays(*pending);
        const auto [ids, channels, data, senders] = arrays.parameters();
        const parameter parameters[] = {role, claims, ids, channels, data, senders};
        auto answer = co_await connection_.query(insert_as, parameters);
        if (!answer && turn == 0 && answer.error().is_permission())
            co_return co_await why_refused(answer.error());
        if (!answer)
            co_return turn == 0 ? answer.error() : after_commit(answer.error());
        std::vector<bool> seen(pending->size());
        std::set<uuid_bytes> made; // of several with one id, the first is the one that went in
        for (int row = 0; row < answer->rows(); ++row) {
            const auto n = static_cast<std::size_t>(answer->integer(row, place)) - 1;
            const prepared_item& item = (*pending)[n];
            seen[n] = true;
            if (answer->text(row, is_new) == "t" && made.insert(item.id).second)
                fates[item.place] = {stored::fate::inserted, answer->integer(row, seq)};
            else if (answer->text(row, is_equal) == "t")
                fates[item.place] = {stored::fate::duplicate, answer->integer(row, seq)};
            else
                fates[item.place] = {stored::fate::conflict, 0};
        }
        std::vector<prepared_item> left;
        for (std::size_t n = 0; n < pending->size(); ++n) {
            if (!seen[n])
                left.push_back((*pending)[n]);
        }
        *pending = std::move(left);
    }
    co_return fates;
}

} // namespace pg
