#include "pg/message_store.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <charconv>

namespace pg {

asio::awaitable<outcome<server_check>> message_store::check_server() {
    auto answer = co_await connection_.query("select current_setting('server_encoding'), "
                                             "current_setting('transaction_read_only') = 'on'");
    if (!answer)
        co_return answer.error();
    co_return server_check{std::string(answer->text(0, 0)), answer->text(0, 1) == "t"};
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
    auto answer = co_await connection_.query(
        "select schema_version, queue.current_epoch(), queue.head() from queue.log");
    if (!answer)
        co_return answer.error();
    if (answer->rows() != 1) {
        co_return error{error::kind::refused, "42P01", "queue.log is empty: the schema is damaged"};
    }
    co_return pg::log_state{static_cast<int>(answer->integer(0, 0)),
                            std::string(answer->text(0, 1)), answer->integer(0, 2)};
}

asio::awaitable<outcome<void>> message_store::prepare_to_publish() {
    auto answer = co_await connection_.query("select queue.settle_first(), "
                                             "set_config('lock_timeout', '5s', false), "
                                             "set_config('statement_timeout', '10s', false)");
    if (!answer)
        co_return answer.error();
    co_return outcome<void>{};
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
