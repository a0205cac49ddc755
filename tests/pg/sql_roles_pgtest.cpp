// The grants of docs/database.md: what each role can do, and what it can not.

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/pg/publish_sql.hpp"
#include "tests/pg/roles.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"

using namespace support;
using namespace std::chrono_literals;

namespace {

// "42501" is insufficient_privilege.
std::string state_of(connection& conn, const std::string& sql) {
    try {
        conn.exec(sql);
    } catch (const postgres_error& error) {
        return error.sqlstate();
    }
    return "";
}

} // namespace

TEST(SqlRoles, APublisherCanInsertAndNothingElse) {
    database db;
    role publisher(db, grants::publisher);
    connection conn = db.connect(publisher.name());

    conn.exec("insert into queue.message (channel, data) values ('a', '1'), ('b', '2')");
    conn.exec("begin; insert into queue.message (channel) values ('a'); savepoint s;"
              "insert into queue.message (channel) values ('a'); rollback to s; commit");
    conn.copy_in("copy queue.message (channel, data) from stdin", "a\t{}\n");
    EXPECT_EQ(db.value("select count(*) from queue.message"), "4");

    for (const char* sql :
         {"select * from queue.message",
          "insert into queue.message (channel) values ('a') returning seq",
          "update queue.message set data = '1'", "delete from queue.message",
          "truncate queue.message", "select * from queue.log",
          "select nextval('queue.message_seq')", "select setval('queue.settled_seq', 1)",
          "select last_value from queue.settled_seq", "select queue.settle_first()",
          "select queue.new_epoch()", "select queue.current_epoch()", "select queue.head()",
          "select queue.publish_as('postgres', '{}', '{}', '{}', '{}', '{}')",
          "select queue.record_timeline(7)", "select queue.remove_old('1 day', '1 day', 0, 10)",
          "begin; lock table queue.settling in share update exclusive mode",
          "begin; lock table queue.retaining in share update exclusive mode",
          "create temporary table own (seq bigint); create trigger own before insert on own"
          " for each row execute function queue.settle_row()"}) {
        EXPECT_EQ(state_of(conn, sql), "42501") << sql;
        conn.exec("rollback");
    }
}

TEST(SqlRoles, APublisherCanNotChooseItsNumber) {
    database db;
    role publisher(db, grants::publisher);
    connection conn = db.connect(publisher.name());
    conn.exec("insert into queue.message (channel, seq) values ('a', 9000000000000)");
    conn.exec("set pgherald.settle_first = on; insert into queue.message (channel, seq) values "
              "('a', -5)");
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(db.query("select seq from queue.message order by seq"), (rows{{"1"}, {"2"}, {"3"}}));
}

// With INSERT on the whole table a publisher says itself who sent a row; by columns it can't.
TEST(SqlRoles, OnlyAPublisherWithThatColumnCanNameASender) {
    database db;
    role any(db, grants::publisher);
    connection whole = db.connect(any.name());
    whole.exec("insert into queue.message (channel, sender) values ('a', 'ann')");
    role some(db, grants::nameless_publisher);
    connection part = db.connect(some.name());
    part.exec("insert into queue.message (channel, data) values ('a', '1')");
    for (const char* sql :
         {"insert into queue.message (channel, sender) values ('a', 'ann')",
          "insert into queue.message values (gen_random_uuid(), 'a', '1', now(), now(), 1, 'ann')",
          "insert into queue.message (channel, seq) values ('a', 1)",
          "insert into queue.message (channel) values ('a') on conflict (id) do update"
          " set sender = 'ann'",
          "update queue.message set sender = 'ann'"}) {
        EXPECT_EQ(state_of(part, sql), "42501") << sql;
    }
    EXPECT_EQ(db.query("select sender from queue.message order by seq"), (rows{{"ann"}, {cell{}}}));
    for (const char* sender : {"''", "repeat('s', 256)"}) {
        EXPECT_EQ(state_of(whole, std::string("insert into queue.message (channel, sender) values "
                                              "('a', ") +
                                      sender + ")"),
                  "23514");
    }
    whole.exec("insert into queue.message (channel, sender) values ('a', repeat('s', 255))");
}

// The setting is anybody's; it must not spare an untrusted session the settling at commit.
TEST(SqlRoles, ForgingTheSettingDoesNotBreakTheOrder) {
    database db;
    role publisher(db, grants::publisher);
    connection late = db.connect(publisher.name());
    late.exec("set pgherald.settle_first = on; begin; insert into queue.message (channel) values "
              "('late')");
    connection other = db.connect();
    other.exec("set lock_timeout = '2s'; insert into queue.message (channel) values ('first')");
    late.exec("set pgherald.settle_first = off; commit");
    EXPECT_EQ(db.query("select channel from queue.message order by seq"),
              (rows{{"first"}, {"late"}}));
}

// Neither does switching it on and off while the statement runs, whichever trigger then sees which.
TEST(SqlRoles, ForgingTheSettingWithinAStatementDoesNotBreakTheOrder) {
    database db;
    role publisher(db, grants::publisher);
    connection late = db.connect(publisher.name());
    late.exec("begin; insert into queue.message (channel, seq) select 'late' || "
              "left(set_config('pgherald.settle_first', case when i % 2 = 0 then 'on' else 'off' "
              "end, false), 0), 1000 + i from generate_series(1, 4) i;"
              "set pgherald.settle_first = on;"
              "insert into queue.message (channel, seq) select 'late' || "
              "left(set_config('pgherald.settle_first', 'off', false), 0), 2000");
    connection other = db.connect();
    other.exec("set lock_timeout = '2s'; insert into queue.message (channel) values ('first')");
    late.exec("commit");
    EXPECT_EQ(db.query("select channel, count(*), max(seq) < 100 from queue.message group by 1 "
                       "order by min(seq)"),
              (rows{{"first", "1", "t"}, {"late", "5", "t"}}));
}

TEST(SqlRoles, AnUntrustedSearchPathIsNotFollowed) {
    database db;
    role publisher(db, grants::publisher);
    db.exec("create schema evil authorization " + publisher.name());
    connection conn = db.connect(publisher.name());
    conn.exec(
        "create function evil.nextval(text) returns bigint language sql as 'select 666::bigint';"
        "create function evil.nextval(regclass) returns bigint language sql as 'select "
        "666::bigint';"
        "create function evil.more(bigint, bigint) returns boolean language sql as 'select false';"
        "create operator evil.<= (leftarg = bigint, rightarg = bigint, function = evil.more);"
        "create table evil.inserted (id uuid, channel text, data json, created_at timestamptz, "
        "updated_at timestamptz, seq bigint);"
        "create temporary table inserted (like evil.inserted);"
        "set search_path = evil, pg_catalog; begin; insert into queue.message (channel) values "
        "('a')");
    db.exec("insert into queue.message (channel) values ('first')");
    conn.exec("commit");
    EXPECT_EQ(db.query("select channel, seq from queue.message order by seq"),
              (rows{{"first", "2"}, {"a", "3"}}));
}

TEST(SqlRoles, TheDaemonCanDoItsWorkAndNoMore) {
    database db;
    role daemon(db, grants::daemon);
    connection conn = db.connect(daemon.name());
    conn.exec("select queue.settle_first()");
    const rows given =
        conn.query(publish_sql, "{00000000-0000-4000-8000-000000000001}", "{a}", "{1}");
    ASSERT_EQ(given.size(), 1u);
    EXPECT_EQ(given[0][1], "1");
    EXPECT_EQ(conn.value("select current_setting('pgherald.settle_first')"), "on");
    EXPECT_EQ(conn.value("select queue.head()"), "1");
    EXPECT_EQ(conn.query("select l.schema_version, l.emptied_at, queue.head() from queue.log l"),
              (rows{{std::to_string(sql_files().size()), "0", "1"}}));
    conn.exec(
        "select queue.current_epoch(); select * from queue.timeline; select * from queue.trimmed;"
        "insert into queue.consumer (channel, name, acked_seq) values ('a', 'n', 0)"
        " on conflict (channel, name) do update set acked_seq = excluded.acked_seq;"
        "select * from queue.consumer_lag; delete from queue.consumer; listen queue_message");

    for (const char* sql :
         {"delete from queue.message", "update queue.message set data = '1'",
          "truncate queue.message", "update queue.log set epoch = gen_random_uuid()",
          "delete from queue.trimmed", "select setval('queue.message_seq', 1)",
          "select queue.new_epoch()", "create table queue.mine ()",
          "select queue.remove_old('1 day', '1 day', 0, 10)", "select * from queue.retaining",
          "alter table queue.message disable trigger settle_row"}) {
        EXPECT_EQ(state_of(conn, sql), "42501") << sql;
    }
}

// The right to remove old messages is not the right to delete any.
TEST(SqlRoles, WhoRemovesOldMessagesNeedsNoRightToDelete) {
    database db;
    role daemon(db, grants::daemon);
    role remover(db, std::string("grant usage on schema queue to $role;") + grants::retention);
    db.exec("insert into queue.message (channel, created_at) values ('a', now() - interval '2 h'), "
            "('a', now())");
    for (const std::string& name : {daemon.name(), remover.name()}) {
        connection conn = db.connect(name);
        EXPECT_EQ(state_of(conn, "delete from queue.message"), "42501");
    }
    connection conn = db.connect(remover.name());
    // What the caller has on its search_path is not followed.
    conn.exec("create temporary table message (seq bigint); set search_path = pg_temp, public");
    EXPECT_EQ(conn.query("select * from queue.remove_old('1 h', '1 h', 0, 10)"),
              (rows{{"f", cell{}, "1", "t"}}));
    EXPECT_EQ(db.query("select * from queue.trimmed"), (rows{{"a", "1"}}));
    EXPECT_EQ(db.value("select min(seq) from queue.message"), "2");
    EXPECT_EQ(conn.value("show lock_timeout"), "0");
}

// The first run takes all functions from PUBLIC; one that a later run adds must not be left to it.
TEST(SqlRoles, AFunctionThatIsAddedLaterIsNotForEverybodyEither) {
    database db;
    db.exec("drop function queue.remove_old(interval, interval, bigint, int)");
    connection owner = db.connect();
    apply_sql(owner);
    role publisher(db, grants::publisher);
    connection conn = db.connect(publisher.name());
    EXPECT_EQ(state_of(conn, "select queue.remove_old('1 day', '1 day', 0, 10)"), "42501");
}

// Known and documented: settling early and then idling makes the others wait, for as long as the
// server lets a session idle in a transaction; it can't make them lose their order.
TEST(SqlRoles, SettlingEarlyMakesOthersWaitUntilTheIdleTimeout) {
    database db;
    role publisher(db, grants::publisher);
    db.exec("alter role " + publisher.name() +
            " set idle_in_transaction_session_timeout = '300ms'");
    connection idle = db.connect(publisher.name());
    idle.exec(
        "begin; insert into queue.message (channel) values ('a'); set constraints all immediate");
    connection other = db.connect();
    other.exec("set lock_timeout = '50ms'");
    EXPECT_EQ(state_of(other, "insert into queue.message (channel) values ('b')"), "55P03");
    EXPECT_TRUE(eventually(10s, [&] {
        return state_of(other, "insert into queue.message (channel) values ('b')").empty();
    }));
}

TEST(SqlRoles, AnAdvisoryLockOfAnyoneStopsNoPublishing) {
    database db;
    role publisher(db, grants::publisher);
    connection holder = db.connect(publisher.name());
    holder.exec("select pg_advisory_lock(8099557239769099364)");
    db.exec("set lock_timeout = '1s'");
    EXPECT_NO_THROW(db.exec("insert into queue.message (channel) values ('b')"));
}
