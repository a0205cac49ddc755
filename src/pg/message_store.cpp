#include "pg/message_store.hpp"

#include "pg/log_row.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <charconv>

namespace pg {

namespace {

const std::string state_of_log =
    joined("select schema_version, ", log_epoch, ", ", log_head,
           ", emptied_at, timeline, began_at "
           "from queue.log left join queue.timeline on true order by timeline");

// Row level security leaves rows out without a word, and a message that is left out is lost. So
// this role must be exempt, or have a policy for reading that is plainly true, since nobody can
// know what another expression says of rows to come; and the owner must not be made subject to it,
// as whom the functions of the schema read. A policy without USING permits no row, and restricts
// none.
constexpr std::string_view hides_messages =
    "with policy as ("
    "select polpermissive as permissive, pg_get_expr(polqual, polrelid) as shown "
    "from pg_policy where polrelid = 'queue.message'::regclass and polcmd in ('r', '*') "
    "and (0 = any (polroles) or exists (select from unnest(polroles) as reader (oid) "
    "where pg_has_role(reader.oid, 'usage')))) "
    "select relrowsecurity and ("
    "relforcerowsecurity and not (select rolsuper or rolbypassrls from pg_roles where oid = "
    "relowner) "
    "or row_security_active(pg_class.oid) and ("
    "not exists (select from policy where permissive and shown = 'true') "
    "or exists (select from policy where not permissive and shown <> 'true'))) "
    "from pg_class where oid = 'queue.message'::regclass";

// By columns, since they may be granted one by one.
constexpr std::string_view lacking_grants =
    "select coalesce(string_agg(format('grant %s to %I', what, current_user), '; ' order by place),"
    " '') from ("
    "select place, format('%s on %s', privilege, relation) as what from (values "
    "(1, 'select', 'queue.message', '{id,channel,data,created_at,seq,sender}'::text[]), "
    "(2, 'insert', 'queue.message', '{id,channel,data,seq,sender}'), "
    "(4, 'select', 'queue.log', '{schema_version,epoch,emptied_at}'), "
    "(5, 'select', 'queue.timeline', '{timeline,began_at}'), "
    "(6, 'select', 'queue.trimmed', '{channel,seq}'), "
    "(7, 'select', 'queue.consumer', '{channel,name,acked_seq,updated_at,xmax}'), "
    "(8, 'insert', 'queue.consumer', '{channel,name,acked_seq}'), "
    "(9, 'update', 'queue.consumer', '{acked_seq,updated_at}')) "
    "as needed (place, privilege, relation, columns) "
    "where exists (select from unnest(columns) as each (name) "
    "where not has_column_privilege(relation, each.name, privilege)) "
    "union all select 3, 'usage on sequence queue.message_seq' "
    "where not has_sequence_privilege('queue.message_seq', 'usage, update') "
    "union all select 10, 'execute on function ' || function from (values "
    "('queue.settle_first()'), ('queue.current_epoch()')) as needed (function) "
    "where not has_function_privilege(function, 'execute')) as lacking";

const std::string state_of_channel =
    joined("select ", log_epoch, ", ", log_head,
           ", coalesce((select min(seq) from queue.message where channel = $1), 0) from queue.log");

} // namespace

asio::awaitable<outcome<server_check>> message_store::check_server() {
    auto answer = co_await connection_.query("select current_setting('server_encoding'), "
                                             "current_setting('transaction_read_only') = 'on', "
                                             "current_setting('default_transaction_isolation')");
    if (!answer)
        co_return answer.error();
    co_return server_check{std::string(answer->text(0, 0)), answer->text(0, 1) == "t",
                           std::string(answer->text(0, 2))};
}

asio::awaitable<outcome<std::string>> message_store::missing_grants() {
    auto answer = co_await connection_.query(lacking_grants);
    if (!answer)
        co_return answer.error();
    co_return std::string(answer->text(0, 0));
}

asio::awaitable<outcome<int>> message_store::schema_version() {
    // The table can't be named in a statement while it isn't there, so it takes two.
    auto there =
        co_await connection_.query("select to_regclass('queue.log') is not null", {}, false);
    if (!there)
        co_return there.error();
    if (there->text(0, 0) != "t")
        co_return 0;
    auto answer =
        co_await connection_.query("select max(schema_version) from queue.log", {}, false);
    if (!answer)
        co_return answer.error();
    co_return answer->is_null(0, 0) ? 0 : static_cast<int>(answer->integer(0, 0));
}

asio::awaitable<outcome<log_state>> message_store::log_state() {
    auto hides = co_await connection_.query(hides_messages);
    if (!hides)
        co_return hides.error();
    if (hides->text(0, 0) == "t") {
        co_return error{error::kind::refused, "42501",
                        "row level security on queue.message hides messages from the daemon: give "
                        "its role a policy using (true), and don't force it on the owner"};
    }
    // What this writes, only a later statement sees.
    auto recorded = co_await connection_.query("select queue.current_epoch()");
    if (!recorded)
        co_return recorded.error();
    auto answer = co_await connection_.query(state_of_log);
    if (!answer)
        co_return answer.error();
    if (answer->rows() == 0)
        co_return empty_log();
    pg::log_state state{static_cast<int>(answer->integer(0, 0)),
                        std::string(answer->text(0, 1)),
                        answer->integer(0, 2),
                        answer->integer(0, 3),
                        {}};
    for (int row = 0; row < answer->rows() && !answer->is_null(row, 4); ++row)
        state.timelines.push_back({answer->integer(row, 4), answer->integer(row, 5)});
    co_return state;
}

asio::awaitable<outcome<channel_state>> message_store::channel_state(std::string_view channel) {
    const parameter parameters[] = {channel};
    auto answer = co_await connection_.query(state_of_channel, parameters);
    if (!answer)
        co_return answer.error();
    if (answer->rows() == 0)
        co_return empty_log();
    co_return pg::channel_state{std::string(answer->text(0, 0)), answer->integer(0, 1),
                                answer->integer(0, 2)};
}

asio::awaitable<outcome<void>> message_store::prepare_to_publish() {
    auto answer = co_await connection_.query("select queue.settle_first(), "
                                             "set_config('lock_timeout', '5s', false), "
                                             "set_config('statement_timeout', '10s', false)");
    if (!answer)
        co_return answer.error();
    co_return outcome<void>{};
}

asio::awaitable<outcome<removed>> message_store::remove_old(std::chrono::seconds older_than,
                                                            std::chrono::seconds consumer_grace,
                                                            base::seq after, int most) {
    const std::string age = std::to_string(older_than.count());
    const std::string grace = std::to_string(consumer_grace.count());
    const std::string from = std::to_string(after);
    const std::string rows = std::to_string(most);
    const parameter parameters[] = {age, grace, from, rows};
    auto answer = co_await connection_.query(
        "select busy, looked_upto, removed, found_old from queue.remove_old("
        "$1::bigint * interval '1 second', $2::bigint * interval '1 second', $3, $4)",
        parameters);
    if (!answer)
        co_return answer.error();
    removed done{answer->text(0, 0) == "t", std::nullopt, answer->integer(0, 2),
                 answer->text(0, 3) == "t"};
    if (!answer->is_null(0, 1))
        done.looked_upto = answer->integer(0, 1);
    co_return done;
}

asio::awaitable<outcome<void>> message_store::listen(std::string_view canary_channel) {
    if (canary_channel.size() > 63) {
        // LISTEN would cut it silently, and then listen to another channel.
        co_return error{error::kind::refused, "42622", "a notify channel has at most 63 bytes"};
    }
    const auto canary = connection_.quoted_identifier(canary_channel);
    if (!canary)
        co_return canary.error();
    auto answer = co_await connection_.script("listen queue_message; listen " + *canary);
    if (!answer)
        co_return answer.error();
    co_return outcome<void>{};
}

asio::awaitable<outcome<void>> message_store::ring_canary(std::string_view canary_channel,
                                                          std::string_view token) {
    const parameter parameters[] = {canary_channel, token};
    auto answer = co_await connection_.query("select pg_notify($1, $2)", parameters);
    if (!answer)
        co_return answer.error();
    co_return outcome<void>{};
}

asio::awaitable<outcome<double>> message_store::queue_usage() {
    auto answer = co_await connection_.query("select pg_notification_queue_usage()");
    if (!answer)
        co_return answer.error();
    const std::string_view digits = answer->text(0, 0);
    double usage = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), usage);
    co_return usage;
}

} // namespace pg
