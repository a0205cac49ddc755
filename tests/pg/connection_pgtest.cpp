#include "pg/connection.hpp"

#include "tests/pg/loop.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <array>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Takes TCP connections and never says a word.
class silent_server {
public:
    silent_server() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
            ::listen(fd_, 8) != 0 ||
            ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
            throw std::runtime_error("no silent server");
        }
        port_ = ntohs(address.sin_port);
    }
    silent_server(const silent_server&) = delete;
    silent_server& operator=(const silent_server&) = delete;
    ~silent_server() { ::close(fd_); }

    std::string conninfo() const { return "host=127.0.0.1 port=" + std::to_string(port_); }

private:
    int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    int port_ = 0;
};

class connection_test : public testing::Test {
protected:
    static pg::connect_options options(std::string conninfo) {
        pg::connect_options made;
        made.conninfo = std::move(conninfo);
        made.application_name = "pgherald/test";
        made.connect_timeout = 2s;
        return made;
    }

    pg::outcome<pg::connection> try_open(std::string conninfo) {
        return loop::run(context, pg::connection::open(context, options(std::move(conninfo))));
    }

    pg::connection open(std::chrono::milliseconds query_timeout = 30s) {
        pg::connect_options wanted = options(db.conninfo());
        wanted.query_timeout = query_timeout;
        return loop::run(context, pg::connection::open(context, wanted)).value();
    }

    pg::outcome<pg::result> query(pg::connection& on, std::string_view statement) {
        return loop::run(context, on.query(statement));
    }

    std::string value(pg::connection& on, std::string_view statement) {
        return std::string(query(on, statement).value().text(0, 0));
    }

    void terminate(const pg::connection& victim) {
        db.exec("select pg_terminate_backend(" + std::to_string(victim.backend_pid()) + ")");
    }

    support::database db{support::database::content::empty};
    boost::asio::io_context context;
};

TEST_F(connection_test, sets_what_the_daemon_relies_on) {
    auto connection = open();
    EXPECT_EQ(value(connection, "show client_encoding"), "UTF8");
    EXPECT_EQ(value(connection, "show timezone"), "UTC");
    EXPECT_EQ(value(connection, "show application_name"), "pgherald/test");
    EXPECT_EQ(value(connection, "select pg_backend_pid()"),
              std::to_string(connection.backend_pid()));
    EXPECT_GE(connection.server_version(), 130000);
    EXPECT_TRUE(connection.alive());
}

TEST_F(connection_test, the_conninfos_own_values_win) {
    auto connection = try_open(db.conninfo() + " application_name=mine client_encoding=LATIN1");
    ASSERT_TRUE(connection);
    EXPECT_EQ(value(*connection, "show application_name"), "mine");
    EXPECT_EQ(value(*connection, "show client_encoding"), "UTF8");
}

/// What the kernel was told to find a dead peer with, for the connection to `port`.
struct tcp_settings {
    int keepalive = 0;
    int idle_s = 0;
    int interval_s = 0;
    int probes = 0;
    int user_timeout_ms = 0;
    bool operator==(const tcp_settings&) const = default;
};

tcp_settings tcp_settings_to(int port) {
    for (int fd = 3; fd < 1024; ++fd) {
        sockaddr_in peer{};
        socklen_t length = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0 ||
            peer.sin_family != AF_INET || ntohs(peer.sin_port) != port)
            continue;
        const auto get = [fd](int level, int name) {
            int value = -1;
            socklen_t size = sizeof value;
            ::getsockopt(fd, level, name, &value, &size);
            return value;
        };
        return {get(SOL_SOCKET, SO_KEEPALIVE), get(IPPROTO_TCP, TCP_KEEPIDLE),
                get(IPPROTO_TCP, TCP_KEEPINTVL), get(IPPROTO_TCP, TCP_KEEPCNT),
                get(IPPROTO_TCP, TCP_USER_TIMEOUT)};
    }
    return {};
}

// A cut line is found in 4 s with these, and in two hours with the kernel's own.
TEST_F(connection_test, a_dead_peer_is_looked_for_unless_the_conninfo_says_how) {
    support::server_options wanted;
    wanted.tcp = true;
    support::postgres_server server(wanted);
    for (const auto& [more, expected] :
         {std::pair<std::string, tcp_settings>{"", {1, 2, 1, 3, 4000}},
          {" keepalives_idle=9 tcp_user_timeout=7000", {1, 9, 1, 3, 7000}}}) {
        const auto connection = try_open(server.tcp_conninfo() + more);
        ASSERT_TRUE(connection) << connection.error().message;
        EXPECT_EQ(tcp_settings_to(server.tcp_port()), expected) << more;
    }
}

TEST_F(connection_test, wants_a_server_that_takes_writes) {
    db.exec("alter database " + db.name() + " set default_transaction_read_only = on");
    const auto refused = try_open(db.conninfo());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("read-only"), std::string::npos)
        << refused.error().message;
    EXPECT_TRUE(try_open(db.conninfo() + " target_session_attrs=any"));
}

TEST_F(connection_test, a_failure_to_connect_says_why_on_one_line) {
    const std::pair<std::string, std::string> cases[] = {
        {"host=127.0.0.1 port=1", "refused"},
        {"host=/nowhere port=1", "No such file"},
        {"host=no-such-host.invalid", "could not translate host name"},
        {db.conninfo() + " dbname=nothing_of_that_name", "does not exist"},
        {db.conninfo() + " user=nobody_of_that_name", "does not exist"},
    };
    for (const auto& [conninfo, reason] : cases) {
        const auto failed = try_open(conninfo);
        ASSERT_FALSE(failed) << conninfo;
        EXPECT_EQ(failed.error().what, pg::error::kind::lost);
        EXPECT_NE(failed.error().message.find(reason), std::string::npos) << failed.error().message;
        EXPECT_EQ(failed.error().message.find('\n'), std::string::npos);
    }
}

TEST_F(connection_test, a_broken_conninfo_is_refused_without_repeating_the_password) {
    for (const char* conninfo :
         {"host=x password=my hush hush", "password='hush", "passwort=hush", "hush",
          "postgres://me:hu%zzsh@host/db", "postgres://me:pw@host/db?hush=hush",
          "password=\"a hush\" hush\" x"}) {
        const auto failed = try_open(conninfo);
        ASSERT_FALSE(failed) << conninfo;
        EXPECT_EQ(failed.error().what, pg::error::kind::refused);
        EXPECT_EQ(failed.error().message.find("hush"), std::string::npos) << failed.error().message;
        EXPECT_NE(failed.error().message.find("connection string"), std::string::npos);
    }
}

TEST_F(connection_test, a_host_that_never_answers_takes_the_connect_timeout) {
    const silent_server server;
    const auto begin = steady_clock::now();
    const auto failed = try_open(server.conninfo());
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("timeout"), std::string::npos) << failed.error().message;
    EXPECT_LT(steady_clock::now() - begin, 10s);
}

TEST_F(connection_test, several_hosts_are_tried_in_order) {
    const silent_server server;
    const auto connection =
        try_open("host=127.0.0.1," + db.server().socket_folder() + " port=1," +
                 std::to_string(db.server().port()) + " user=postgres dbname=" + db.name());
    EXPECT_TRUE(connection);
}

TEST_F(connection_test, the_loop_goes_on_while_connecting) {
    const silent_server server;
    auto slow = loop::start(context, pg::connection::open(context, options(server.conninfo())));
    auto connection = open();
    EXPECT_EQ(value(connection, "select 1"), "1");
    EXPECT_FALSE(slow.done());
    EXPECT_FALSE(loop::finish(context, slow));
}

TEST_F(connection_test, the_loop_may_end_while_connecting) {
    const silent_server server;
    const auto begin = steady_clock::now();
    {
        boost::asio::io_context short_lived;
        auto never =
            loop::start(short_lived, pg::connection::open(short_lived, options(server.conninfo())));
        EXPECT_FALSE(never.done());
    }
    EXPECT_LT(steady_clock::now() - begin, 10s);
}

TEST_F(connection_test, the_loop_may_end_in_the_middle_of_a_query) {
    boost::asio::io_context short_lived;
    {
        auto connection = std::make_shared<pg::connection>(
            loop::run(short_lived, pg::connection::open(short_lived, options(db.conninfo())))
                .value());
        auto never = loop::start(
            short_lived, [](std::shared_ptr<pg::connection> on) -> boost::asio::awaitable<bool> {
                co_return (co_await on->query("select pg_sleep(60)")).has_value();
            }(connection));
        EXPECT_FALSE(never.done());
    }
}

TEST_F(connection_test, parameters_arrive_as_they_are) {
    auto connection = open();
    const std::string long_text(200'000, '\\');
    for (const std::string& text :
         {std::string("it's"), std::string("\"'; drop table x; --"), std::string("back\\slash"),
          std::string("🐘 größer"), std::string(), std::string("{a,\"b\"}"), long_text}) {
        const pg::parameter parameters[] = {text};
        const auto echoed =
            loop::run(context, connection.query("select $1::text as echoed", parameters));
        ASSERT_TRUE(echoed) << echoed.error().message;
        EXPECT_EQ(echoed->text(0, 0), text);
    }
    const std::string big_endian("\0\0\1\2", 4);
    const pg::parameter mixed[] = {std::nullopt, pg::parameter::in_binary(big_endian), "7"};
    const auto row =
        loop::run(context, connection.query("select $1::text, $2::int4, $3::int8", mixed));
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_TRUE(row->is_null(0, 0));
    EXPECT_EQ(row->integer(0, 1), 258);
    EXPECT_EQ(row->integer(0, 2), 7);
}

TEST_F(connection_test, a_zero_byte_in_text_is_refused_not_cut) {
    auto connection = open();
    const std::string text("ab\0cd", 5);
    const pg::parameter parameters[] = {text};
    const auto refused = loop::run(context, connection.query("select $1::text", parameters));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is_data());
    EXPECT_TRUE(connection.alive());
}

TEST_F(connection_test, a_statement_is_prepared_once) {
    auto connection = open();
    constexpr std::string_view count = "select count(*) from pg_prepared_statements";
    EXPECT_EQ(value(connection, count), "1");
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(query(connection, "select 1"));
    EXPECT_EQ(value(connection, count), "2");
    ASSERT_TRUE(loop::run(context, connection.query("select 2", {}, false)));
    EXPECT_EQ(value(connection, count), "2");
}

TEST_F(connection_test, a_prepared_statement_survives_an_altered_table) {
    db.exec("create table things (a int); insert into things values (1)");
    auto connection = open();
    ASSERT_TRUE(query(connection, "select * from things"));
    db.exec("alter table things add b text default 'b'");
    for (int i = 0; i < 3; ++i) {
        const auto row = query(connection, "select * from things");
        ASSERT_TRUE(row) << row.error().message;
        EXPECT_EQ(row->text(0, 1), "b");
    }
}

// Behind a transaction pooler they may meet in one session: a name must not run another's
// statement.
TEST_F(connection_test, connections_name_their_statements_differently) {
    constexpr std::string_view names = "select string_agg(name, ',') from pg_prepared_statements";
    auto one = open();
    auto two = open();
    const std::string of_one = value(one, names);
    EXPECT_FALSE(of_one.empty());
    EXPECT_NE(of_one, value(two, names));
}

// What a transaction pooler does: the next query meets a session that never prepared it.
TEST_F(connection_test, a_prepared_statement_that_is_gone_is_run_unprepared) {
    auto connection = open();
    ASSERT_TRUE(query(connection, "select 'here'"));
    ASSERT_TRUE(loop::run(context, connection.script("deallocate all")));
    EXPECT_EQ(value(connection, "select 'here'"), "here");
    EXPECT_EQ(value(connection, "select count(*) from pg_prepared_statements"), "0");
}

TEST_F(connection_test, an_error_leaves_the_connection_usable) {
    auto connection = open();
    for (int i = 0; i < 3; ++i) {
        const auto refused = query(connection, "select 1 / 0");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().what, pg::error::kind::refused);
        EXPECT_EQ(refused.error().sqlstate, "22012");
        EXPECT_EQ(refused.error().message, "division by zero");
        EXPECT_EQ(query(connection, "select nothing").error().sqlstate, "42703");
        EXPECT_EQ(value(connection, "select 'fine'"), "fine");
    }
}

TEST_F(connection_test, an_errors_text_is_short_and_on_one_line_and_holds_no_detail) {
    db.exec("create table once (a text unique); insert into once values ('my secret')");
    auto connection = open();
    EXPECT_EQ(query(connection, "insert into once values ('my secret')").error().message,
              "duplicate key value violates unique constraint \"once_a_key\"");
    const auto text =
        query(connection, "do $$ begin raise exception E'%\\n\\t%', 'a', repeat('é', 5000); end $$")
            .error()
            .message;
    EXPECT_LE(text.size(), 500U);
    EXPECT_TRUE(text.starts_with("a é"));
    EXPECT_TRUE(text.ends_with("é"));
}

TEST_F(connection_test, a_failed_script_leaves_no_transaction_open) {
    auto connection = open();
    const auto refused =
        loop::run(context, connection.script("begin; create table half (); select 1 / 0; commit"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().sqlstate, "22012");
    EXPECT_EQ(value(connection, "select to_regclass('half') is null"), "t");
}

TEST_F(connection_test, a_script_gives_its_last_result) {
    auto connection = open();
    const auto last = loop::run(context, connection.script("select 1; select 2, 3"));
    ASSERT_TRUE(last);
    EXPECT_EQ(last->text(0, 1), "3");
}

TEST_F(connection_test, copy_ends_the_connection_instead_of_hanging) {
    db.exec("create table things (a int)");
    auto connection = open();
    EXPECT_FALSE(loop::run(context, connection.script("copy things from stdin")));
    EXPECT_FALSE(connection.alive());
}

TEST_F(connection_test, an_answer_of_many_megabytes_arrives_whole) {
    auto connection = open();
    const auto big =
        query(connection, "select repeat(i::text, 100000) from generate_series(1, 99) i");
    ASSERT_TRUE(big) << big.error().message;
    EXPECT_EQ(big->rows(), 99);
    EXPECT_EQ(big->text(98, 0).size(), 200'000U);
}

TEST_F(connection_test, a_query_timeout_ends_in_time) {
    auto connection = open(200ms);
    const auto begin = steady_clock::now();
    const auto late = query(connection, "select pg_sleep(60)");
    EXPECT_LT(steady_clock::now() - begin, 5s);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().what, pg::error::kind::lost);
    EXPECT_EQ(late.error().message, "no answer within 200 ms");
    EXPECT_FALSE(connection.alive());
    EXPECT_EQ(query(connection, "select 1").error().what, pg::error::kind::lost);
}

// Waiting for a lock it doesn't look at its socket: one more stayed behind for each attempt.
TEST_F(connection_test, a_query_timeout_ends_the_backend_that_waits_as_well) {
    db.exec("create table taken (n int)");
    auto holder = db.connect();
    holder.exec("begin; lock table taken");
    auto connection = open(200ms);
    const int backend = connection.backend_pid();
    EXPECT_EQ(query(connection, "select from taken").error().what, pg::error::kind::lost);
    EXPECT_TRUE(support::eventually(20s, [&] {
        return db.value("select count(*) from pg_stat_activity where pid = $1", backend) == "0";
    }));
}

TEST_F(connection_test, the_clock_starts_anew_with_each_query) {
    auto connection = open(2s);
    const auto begin = steady_clock::now();
    while (steady_clock::now() - begin < 2500ms) {
        ASSERT_TRUE(query(connection, "select pg_sleep(0.3)"));
    }
}

TEST_F(connection_test, a_second_operation_at_the_same_time_is_refused) {
    auto connection = open();
    auto first = loop::start(context, connection.query("select pg_sleep(0.1)"));
    EXPECT_FALSE(query(connection, "select 1"));
    EXPECT_TRUE(loop::finish(context, first));
    EXPECT_TRUE(query(connection, "select 1"));
}

TEST_F(connection_test, termination_while_waiting_for_rings_says_why) {
    auto connection = open();
    auto waiting = loop::start(context, connection.wait_rings(60s));
    terminate(connection);
    const auto ended = loop::finish(context, waiting);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().what, pg::error::kind::lost);
    EXPECT_EQ(ended.error().sqlstate, "57P01");
    EXPECT_EQ(ended.error().message, "terminating connection due to administrator command");
    EXPECT_FALSE(connection.alive());
}

TEST_F(connection_test, termination_during_a_query_says_why) {
    auto connection = open();
    auto running = loop::start(context, connection.query("select pg_sleep(60)"));
    ASSERT_TRUE(support::eventually(10s, [&] {
        context.poll();
        return db.value("select wait_event from pg_stat_activity where pid = $1",
                        connection.backend_pid()) == "PgSleep";
    }));
    terminate(connection);
    const auto ended = loop::finish(context, running);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().what, pg::error::kind::lost);
    EXPECT_EQ(ended.error().sqlstate, "57P01");
    EXPECT_EQ(ended.error().message, "terminating connection due to administrator command");
}

TEST_F(connection_test, termination_between_queries_is_found_by_the_next) {
    auto connection = open();
    terminate(connection);
    ASSERT_TRUE(support::eventually(10s, [&] {
        return db.query("select from pg_stat_activity where pid = $1", connection.backend_pid())
            .empty();
    }));
    const auto ended = query(connection, "select 1");
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().what, pg::error::kind::lost);
    EXPECT_EQ(ended.error().message, "terminating connection due to administrator command");
}

TEST_F(connection_test, a_restart_of_the_server_breaks_it_and_a_new_one_works) {
    for (const char* mode : {"fast", "immediate"}) {
        SCOPED_TRACE(mode);
        auto connection = open();
        auto waiting = loop::start(context, connection.wait_rings(60s));
        // A backend that is killed while it sends can't say why any more.
        ASSERT_TRUE(support::eventually(10s, [&] {
            return db.value("select wait_event from pg_stat_activity where pid = $1",
                            connection.backend_pid()) == "ClientRead";
        }));
        db.server().restart(mode);
        const auto ended = loop::finish(context, waiting);
        ASSERT_FALSE(ended);
        EXPECT_EQ(ended.error().what, pg::error::kind::lost);
        EXPECT_TRUE(ended.error().message.starts_with("terminating connection"))
            << ended.error().message;
        auto again = open();
        EXPECT_EQ(value(again, "select 1"), "1");
    }
}

TEST_F(connection_test, close_ends_the_operation_under_way) {
    auto connection = open();
    auto waiting = loop::start(context, connection.wait_rings(60s));
    connection.close();
    EXPECT_EQ(loop::finish(context, waiting).error().what, pg::error::kind::lost);
    EXPECT_FALSE(connection.alive());
    connection.close();

    connection = open();
    auto running = loop::start(context, connection.query("select pg_sleep(60)"));
    connection.close();
    EXPECT_EQ(loop::finish(context, running).error().what, pg::error::kind::lost);
}

TEST_F(connection_test, rings_of_one_moment_come_together) {
    auto connection = open();
    ASSERT_TRUE(loop::run(context, connection.script("listen bell")));
    auto waiting = loop::start(context, connection.wait_rings(60s));
    db.exec("notify bell; notify bell, 'two'; notify another; notify bell, 'three'");
    const auto rings = loop::finish(context, waiting);
    ASSERT_TRUE(rings);
    ASSERT_EQ(rings->size(), 3U);
    EXPECT_EQ((*rings)[0].channel, "bell");
    EXPECT_EQ((*rings)[0].payload, "");
    EXPECT_EQ((*rings)[2].payload, "three");
}

TEST_F(connection_test, rings_that_came_during_a_query_are_not_lost) {
    auto connection = open();
    ASSERT_TRUE(loop::run(context, connection.script("listen bell")));
    ASSERT_TRUE(loop::run(context, connection.script("notify bell, 'mine'")));
    const auto begin = steady_clock::now();
    const auto rings = loop::run(context, connection.wait_rings(60s));
    ASSERT_TRUE(rings);
    ASSERT_EQ(rings->size(), 1U);
    EXPECT_EQ(rings->front().payload, "mine");
    EXPECT_LT(steady_clock::now() - begin, 10s);
}

TEST_F(connection_test, waiting_for_rings_ends_with_its_time_and_the_connection_lives) {
    auto connection = open();
    const auto begin = steady_clock::now();
    for (const auto timeout : {50ms, 0ms}) {
        const auto none = loop::run(context, connection.wait_rings(timeout));
        ASSERT_TRUE(none);
        EXPECT_TRUE(none->empty());
    }
    EXPECT_LT(steady_clock::now() - begin, 10s);
    EXPECT_EQ(value(connection, "select 1"), "1");
}

TEST_F(connection_test, many_rings_all_arrive) {
    auto connection = open();
    ASSERT_TRUE(loop::run(context, connection.script("listen bell")));
    db.exec("select pg_notify('bell', i::text) from generate_series(1, 50000) i");
    std::size_t arrived = 0;
    while (arrived < 50'000) {
        const auto rings = loop::run(context, connection.wait_rings(20s));
        ASSERT_TRUE(rings);
        ASSERT_FALSE(rings->empty()) << arrived;
        for (const auto& ring : *rings)
            ASSERT_EQ(ring.payload, std::to_string(++arrived));
    }
}

// The server blocks sending rings while we block sending the query, unless sending also reads.
TEST_F(connection_test, a_big_query_against_a_flood_of_rings_does_not_deadlock) {
    auto connection = open();
    ASSERT_TRUE(loop::run(context, connection.script("listen bell")));
    db.exec("select pg_notify('bell', i || repeat('x', 1000)) from generate_series(1, 20000) i");
    const std::string big(16 << 20, 'y');
    const pg::parameter parameters[] = {big};
    const auto length =
        loop::run(context, connection.query("select octet_length($1::text)", parameters));
    ASSERT_TRUE(length) << length.error().message;
    EXPECT_EQ(length->integer(0, 0), 16 << 20);
    std::size_t arrived = 0;
    while (arrived < 20'000) {
        const auto rings = loop::run(context, connection.wait_rings(20s));
        ASSERT_TRUE(rings);
        ASSERT_FALSE(rings->empty()) << arrived;
        arrived += rings->size();
    }
}

TEST_F(connection_test, identifiers_are_quoted) {
    auto connection = open();
    EXPECT_EQ(connection.quoted_identifier("a \"b\" 🐘").value(), "\"a \"\"b\"\" 🐘\"");
    EXPECT_FALSE(connection.quoted_identifier("bad \xff utf-8"));
}

TEST_F(connection_test, what_notify_refuses_is_told_from_what_a_row_is_like) {
    auto connection = open();
    const auto refused = query(connection, "select pg_notify('c', repeat('x', 8000))");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().of_notify);
    EXPECT_FALSE(query(connection, "select 1/0").error().of_notify);
}

TEST(pg_error, kinds_follow_the_sqlstate) {
    const auto of = [](const char* sqlstate) {
        return pg::error{pg::error::kind::refused, sqlstate, ""};
    };
    EXPECT_TRUE(of("22P02").is_data());
    EXPECT_TRUE(of("23505").is_data());
    EXPECT_TRUE(of("P0001").is_data());
    EXPECT_TRUE(of("42501").is_permission());
    EXPECT_TRUE(of("42P01").is_schema());
    EXPECT_TRUE(of("3F000").is_schema());
    EXPECT_TRUE(of("25006").is_read_only());
    EXPECT_TRUE(of("40001").is_transient());
    EXPECT_TRUE(of("57014").is_transient());
    EXPECT_TRUE(of("55P03").is_transient());
    EXPECT_TRUE(of("54000").is_data()) << "too large for an index";
    const pg::error queue_full{pg::error::kind::refused, "54000", "", true};
    EXPECT_TRUE(queue_full.is_transient() && !queue_full.is_data());
    const auto unknown = of("");
    EXPECT_FALSE(unknown.is_data() || unknown.is_permission() || unknown.is_schema() ||
                 unknown.is_read_only() || unknown.is_transient());
}

} // namespace
