// Migrations: run twice, by two at once, against a newer schema, and over a queue.message that was
// there before pgherald.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"

using namespace support;
using namespace std::chrono_literals;

namespace {

// The set-up this project's users come from: id by uuid-ossp where that is installed, nothing not
// null, and a trigger that puts the whole row into a notification.
std::string old_schema(const std::string& id_default, const std::string& data_type = "json",
                       const std::string& id_type = "uuid") {
    return "create schema queue;"
           "create table queue.message (id " +
           id_type + " primary key" + id_default + ", channel text, data " + data_type +
           ", created_at timestamptz default now(), updated_at timestamptz default now());"
           "create function queue.new_message_notify() returns trigger language plpgsql as $$"
           " begin perform pg_notify(new.channel, row_to_json(new)::text); return new; end $$;"
           "create trigger new_insert_trigger before insert on queue.message"
           " for each row execute procedure queue.new_message_notify();";
}

const std::string newest = std::to_string(sql_files().size());

std::string refusal(database& db) {
    connection conn = db.connect();
    try {
        apply_sql(conn);
    } catch (const postgres_error& error) {
        return error.what();
    }
    return "";
}

} // namespace

TEST(SqlUpgrade, RunsTwiceAndKeepsRowsGrantsAndDisabledTriggers) {
    database db;
    db.exec("insert into queue.message (channel) values ('a')");
    db.exec("alter table queue.message disable trigger notify_channel;"
            "grant execute on function queue.head() to public");
    const rows log = db.query("select epoch, schema_version from queue.log");
    connection conn = db.connect();
    apply_sql(conn);
    EXPECT_EQ(db.query("select epoch, schema_version from queue.log"), log);
    EXPECT_EQ(db.value("select count(*) from queue.message where seq = 1"), "1");
    EXPECT_EQ(db.value("select tgenabled from pg_trigger where tgname = 'notify_channel'"), "D");
    EXPECT_EQ(db.value("select has_function_privilege('public', 'queue.head()', 'execute')"), "t");
    EXPECT_EQ(db.value("select count(*) from queue.log"), "1");
}

TEST(SqlUpgrade, NotifyChannelOfARowBecomesOneOfAStatementAndStaysAsItWasEnabled) {
    for (const std::string mode : {"enable", "disable", "enable always"}) {
        database db;
        db.exec("drop trigger notify_channel on queue.message;"
                "create trigger notify_channel after insert on queue.message for each row"
                " execute function queue.notify_channel();"
                "alter table queue.message " +
                mode + " trigger notify_channel");
        const auto trigger = [&] {
            return db.query("select tgenabled, tgnewtable from pg_trigger"
                            " where tgname = 'notify_channel'");
        };
        const cell enabled = trigger().at(0)[0];
        EXPECT_EQ(refusal(db), "");
        EXPECT_EQ(trigger(), (rows{{enabled, "inserted"}}));
        connection listener = db.connect();
        listener.exec("listen sports; listen queue_message");
        db.exec("insert into queue.message (channel) values ('sports'), ('sports')");
        std::size_t heard = 0;
        const std::size_t expected = mode == "disable" ? 1 : 3;
        EXPECT_TRUE(
            eventually(5s, [&] { return (heard += listener.notifications().size()) >= expected; }));
        EXPECT_EQ(heard, expected);
    }
}

TEST(SqlUpgrade, AViewOnTheOlderTableIsNoObstacle) {
    database db(database::content::empty);
    db.exec(old_schema(" default gen_random_uuid()") +
            "create view channels as select distinct channel from queue.message;"
            "insert into queue.message (channel) values ('a')");
    ASSERT_EQ(refusal(db), "");
    db.exec("insert into queue.message (channel) values ('b')");
    EXPECT_EQ(db.query("select channel, head from queue.consumer_lag"), rows{});
    EXPECT_EQ(db.query("select * from channels order by 1"), (rows{{"a"}, {"b"}}));
}

TEST(SqlUpgrade, TwoAtOnceAreOneAfterTheOther) {
    for (int round = 0; round < 3; ++round) {
        database db(database::content::empty);
        if (round > 0)
            db.exec(old_schema(""));
        std::vector<std::thread> threads;
        for (int n = 0; n < 3; ++n) {
            threads.emplace_back([&db] { EXPECT_EQ(refusal(db), ""); });
        }
        for (std::thread& each : threads)
            each.join();
        EXPECT_EQ(db.value("select count(*) from queue.log"), "1");
    }
}

TEST(SqlUpgrade, RefusesASchemaNewerThanItself) {
    database db;
    db.exec("update queue.log set schema_version = 1000");
    EXPECT_NE(refusal(db).find("version 1000"), std::string::npos);
    EXPECT_EQ(db.value("select schema_version from queue.log"), "1000");
}

// From version 1, which had no sender.
TEST(SqlUpgrade, FromVersionOneKeepsRowsAndRewritesNone) {
    database db(database::content::empty);
    connection conn = db.connect();
    conn.exec(read_file(sql_files().at(0)));
    ASSERT_EQ(db.value("select schema_version from queue.log"), "1");
    const role daemon(db, "grant usage on schema queue to $role;"
                          "grant execute on function queue.settle_first() to $role");
    const role app(db, "grant usage on schema queue to $role;"
                       "grant insert on queue.message to $role");
    db.exec("insert into queue.message (channel, data) select 'sports', to_json(i) "
            "from generate_series(1, 1000) i; delete from queue.message where seq = 7");
    const std::string kept = "select count(*), sum(seq), md5(string_agg(id || data::text, ',' "
                             "order by seq)) from queue.message";
    const rows before = db.query(kept);
    const rows log = db.query("select epoch from queue.log");
    const auto file = db.value("select pg_relation_filenode('queue.message')");

    const std::string publish_as =
        "'queue.publish_as(text, text, uuid[], text[], json[], text[])', 'execute')";
    for (int round = 0; round < 2; ++round) {
        ASSERT_EQ(refusal(db), "");
        EXPECT_EQ(db.query(kept), before);
        EXPECT_EQ(db.query("select epoch from queue.log"), log);
        EXPECT_EQ(db.value("select pg_relation_filenode('queue.message')"), file) << "rewritten";
        EXPECT_EQ(db.query("select schema_version from queue.log"), (rows{{newest}}));
        EXPECT_EQ(db.value("select count(sender) from queue.message"), "0");
        EXPECT_EQ(db.value("select has_function_privilege('public', " + publish_as), "f");
        EXPECT_EQ(db.value("select has_function_privilege('" + app.name() + "', " + publish_as),
                  "f");
        // Who was a daemon is one still, until somebody takes it away.
        EXPECT_EQ(db.value("select has_function_privilege('" + daemon.name() + "', " + publish_as),
                  round == 0 ? "t" : "f");
        db.exec("revoke execute on function queue.publish_as(text, text, uuid[], text[], json[], "
                "text[]) from " +
                daemon.name());
    }
    db.exec("insert into queue.message (channel, sender) values ('sports', 'ann')");
    EXPECT_EQ(db.value("select seq from queue.message where sender = 'ann'"), "1001");

    // The first file alone, as somebody may run it by hand.
    conn.exec(read_file(sql_files().at(0)));
    EXPECT_EQ(db.value("select schema_version from queue.log"), newest);
    EXPECT_EQ(db.value("select count(*) from queue.message where sender = 'ann'"), "1");
}

// What clients remember must hold after a migration, and what was switched off stay off.
TEST(SqlUpgrade, FromVersionTwoKeepsRowsEpochAndDisabledTriggers) {
    database db(database::content::empty);
    connection conn = db.connect();
    conn.exec(read_file(sql_files().at(0)));
    conn.exec(read_file(sql_files().at(1)));
    ASSERT_EQ(db.value("select schema_version from queue.log"), "2");
    // A name that was allowed, and that no client could ever subscribe to.
    db.exec("insert into queue.message (channel) values ('a'), (U&'\\0085')");
    db.exec("alter table queue.message disable trigger settle_begin;"
            "alter table queue.message enable always trigger settle_row");
    const std::string kept = "select queue.current_epoch(), queue.head(), "
                             "pg_relation_filenode('queue.message')";
    const rows before = db.query(kept);
    for (int round = 0; round < 2; ++round) {
        ASSERT_EQ(refusal(db), "");
        EXPECT_EQ(db.query(kept), before);
        EXPECT_EQ(db.query("select tgname, tgenabled from pg_trigger where tgname in "
                           "('draw_seq', 'settle_begin', 'settle_row', 'settle_statement') "
                           "order by tgname"),
                  (rows{{"draw_seq", "O"},
                        {"settle_begin", "D"},
                        {"settle_row", "A"},
                        {"settle_statement", "O"}}));
        EXPECT_EQ(db.value("select schema_version from queue.log"), newest);
    }
    db.exec("insert into queue.message (channel) values ('c')");
    EXPECT_EQ(db.value("select queue.head()"), "3");
}

TEST(SqlUpgrade, ALaterFileAloneSaysWhatIsMissing) {
    for (const std::size_t file : {1U, 2U}) {
        database db(database::content::empty);
        connection conn = db.connect();
        try {
            conn.exec(read_file(sql_files().at(file)));
            FAIL();
        } catch (const postgres_error& error) {
            EXPECT_NE(std::string(error.what()).find("0001_queue.sql"), std::string::npos);
        }
    }
}

TEST(SqlUpgrade, ASenderThatWasThereIsTakenOverOrRefused) {
    const struct {
        const char* column;
        const char* value;
        bool fits;
    } cases[] = {{"text", "'ann'", true},
                 {"varchar(20)", "'ann'", true},
                 {"text", "repeat('s', 256)", false},
                 {"text not null default ''", "'ann'", false},
                 {"int", "1", false},
                 {"text generated always as ('x' || 'y') stored", "default", false}};
    for (const auto& each : cases) {
        database db(database::content::empty);
        db.exec(old_schema(" default gen_random_uuid()") + "alter table queue.message add sender " +
                each.column + "; insert into queue.message (channel, sender) values ('a', " +
                each.value + ")");
        EXPECT_EQ(refusal(db).empty(), each.fits) << each.column << ' ' << refusal(db);
        EXPECT_EQ(db.value("select schema_version from queue.log"), each.fits ? newest : "1");
        if (each.fits) {
            EXPECT_EQ(db.query("select sender from queue.message"), (rows{{"ann"}}));
            EXPECT_EQ(refusal(db), "");
            EXPECT_THROW(db.exec("insert into queue.message (channel, sender) values ('a', '')"),
                         postgres_error);
        }
    }
}

// ALTER TABLE would make every publisher wait behind whoever reads for long.
TEST(SqlUpgrade, WaitsForAReaderWithoutStoppingPublishers) {
    database db(database::content::empty);
    connection first = db.connect();
    first.exec(read_file(sql_files().at(0)));
    connection reader = db.connect();
    reader.exec("begin; select count(*) from queue.message");
    std::thread upgrade([&] { EXPECT_EQ(refusal(db), ""); });
    connection app = db.connect();
    app.exec("set lock_timeout = '5s'");
    // It has waited in vain at least once, and sleeps.
    EXPECT_TRUE(eventually(20s, [&] {
        return db.value("select count(*) from pg_stat_activity where datname = current_database() "
                        "and wait_event = 'PgSleep'") == "1";
    }));
    EXPECT_NO_THROW(app.exec("insert into queue.message (channel) values ('a')"));
    reader.exec("commit");
    upgrade.join();
    EXPECT_EQ(db.value("select schema_version from queue.log"), newest);
}

TEST(SqlUpgrade, KeepsAndNumbersTheRowsOfAnOlderTable) {
    database db(database::content::empty);
    const bool with_extension =
        db.value("select count(*) from pg_available_extensions where name = 'uuid-ossp'") == "1";
    if (with_extension)
        db.exec("create extension \"uuid-ossp\"");
    db.exec(
        old_schema(with_extension ? " default uuid_generate_v4()" : " default gen_random_uuid()"));
    db.exec(
        "insert into queue.message (id, channel, data, created_at) values"
        " ('00000000-0000-4000-8000-000000000003', 'sports', '{\"n\": 1.50}', '2021-03-01'),"
        " ('00000000-0000-4000-8000-000000000002', 'sports', '{\"n\":2}', '2021-01-01'),"
        " ('00000000-0000-4000-8000-000000000001', 'news', null, '2021-03-01');"
        "alter table queue.message disable trigger new_insert_trigger;"
        "insert into queue.message (id, channel, created_at, updated_at) values"
        " ('00000000-0000-4000-8000-000000000004', null, null, '2021-02-01'),"
        " ('00000000-0000-4000-8000-000000000005', repeat('x', 300), null, null);"
        "alter table queue.message enable trigger new_insert_trigger;"
        // An owner's trigger that must not see the numbering, and one that stays off.
        "create function touch() returns trigger language plpgsql as"
        " $$ begin new.updated_at := now(); return new; end $$;"
        "create trigger touch before update on queue.message for each row execute function touch();"
        "create trigger off before update on queue.message for each row execute function touch();"
        "alter table queue.message disable trigger off");
    ASSERT_EQ(refusal(db), "");

    const rows kept = db.query("select right(id::text, 1), left(channel, 6), data::text, seq,"
                               " created_at is not null and updated_at is not null and updated_at "
                               "< now() from queue.message"
                               " where channel not like 'xxx%' order by seq");
    const rows expected = {{"2", "sports", "{\"n\":2}", "1", "t"},
                           {"4", "", std::nullopt, "2", "t"},
                           {"1", "news", std::nullopt, "3", "t"},
                           {"3", "sports", "{\"n\": 1.50}", "4", "t"}};
    EXPECT_EQ(kept, expected);
    EXPECT_EQ(db.value("select seq from queue.message where channel like 'xxx%'"), "5");
    EXPECT_EQ(db.query("select tgname, tgenabled from pg_trigger where tgname in ('touch', 'off')"
                       " order by 1"),
              (rows{{"off", "D"}, {"touch", "O"}}));
    EXPECT_EQ(db.value("select count(*) from pg_trigger where tgname = 'new_insert_trigger'"), "0");
    EXPECT_EQ(db.value("select to_regprocedure('queue.new_message_notify()')"), std::nullopt);
    if (with_extension) {
        EXPECT_NO_THROW(db.exec("drop extension \"uuid-ossp\""));
    }

    // New rows go on where the old ones end, of any size, and the old LISTEN still hears them.
    connection listener = db.connect();
    listener.exec("listen sports");
    db.exec("insert into queue.message (channel, data) values ('sports', '{\"n\": 3}');"
            "insert into queue.message (channel, data)"
            " values ('big', to_json(repeat('x', 100000)))");
    EXPECT_EQ(db.value("select seq from queue.message where channel = 'big'"), "7");
    std::vector<notification> heard;
    ASSERT_TRUE(eventually(5s, [&] { return !(heard = listener.notifications()).empty(); }));
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_NE(heard[0].payload.find("\"data\":{\"n\": 3}"), std::string::npos) << heard[0].payload;
    EXPECT_THROW(db.exec("insert into queue.message (channel) values (repeat('x', 300))"),
                 postgres_error);
}

TEST(SqlUpgrade, AnEmptyOldTableStartsAtOne) {
    database db(database::content::empty);
    db.exec(old_schema(" default gen_random_uuid()"));
    ASSERT_EQ(refusal(db), "");
    EXPECT_EQ(db.value("select queue.head()"), "0");
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(db.value("select queue.head()"), "1");
}

TEST(SqlUpgrade, TurnsJsonbIntoJson) {
    database db(database::content::empty);
    db.exec(old_schema("", "jsonb default '{}'"));
    db.exec("insert into queue.message (id, channel, data) values (gen_random_uuid(), 'a', "
            "'{\"a\":1}')");
    ASSERT_EQ(refusal(db), "");
    EXPECT_EQ(db.query("select pg_typeof(data)::text, data::text from queue.message"),
              (rows{{"json", "{\"a\": 1}"}}));
}

TEST(SqlUpgrade, SaysWhatIsWrongWithATableItCanNotUpgrade) {
    database db(database::content::empty);
    db.exec(old_schema("", "text", "bigint"));
    const std::string problem = refusal(db);
    EXPECT_NE(problem.find("column id is bigint, not uuid"), std::string::npos) << problem;
    EXPECT_NE(problem.find("column data is text, not json"), std::string::npos) << problem;
    EXPECT_EQ(db.value("select to_regclass('queue.log')"), std::nullopt);
    EXPECT_EQ(db.value("select count(*) from pg_trigger where tgname = 'new_insert_trigger'"), "1");
}

TEST(SqlUpgrade, SaysThatIdIsNotUnique) {
    database db(database::content::empty);
    db.exec(old_schema("") + "alter table queue.message drop constraint message_pkey");
    EXPECT_NE(refusal(db).find("id is neither"), std::string::npos);
}

// Readers took a row without id for a removal, and subscribers were reset.
TEST(SqlUpgrade, EveryRowHasAnId) {
    const std::string nullable = "alter table queue.message drop constraint message_pkey;"
                                 "alter table queue.message alter column id drop not null,"
                                 " add constraint id_key unique (id);";
    for (const bool by_first_file : {true, false}) {
        SCOPED_TRACE(by_first_file);
        database db(database::content::empty);
        if (by_first_file) {
            db.exec(old_schema("") + nullable);
        } else {
            connection conn = db.connect();
            conn.exec(read_file(sql_files().at(0)));
            conn.exec(read_file(sql_files().at(1)));
            db.exec(nullable);
        }
        db.exec("insert into queue.message (id, channel) values (null, 'a'),"
                " ('00000000-0000-4000-8000-000000000001', 'a')");
        const std::string problem = refusal(db);
        EXPECT_NE(problem.find(by_first_file ? "it has rows whose id is null"
                                             : "rows of queue.message that have no id: 1"),
                  std::string::npos)
            << problem;
        db.exec("update queue.message set id = gen_random_uuid() where id is null");
        ASSERT_EQ(refusal(db), "");
        EXPECT_THROW(db.exec("insert into queue.message (id, channel) values (null, 'a')"),
                     postgres_error);
        EXPECT_EQ(db.value("select count(*) from queue.message where seq between 1 and 2"), "2");
        EXPECT_EQ(refusal(db), "");
    }
}

TEST(SqlUpgrade, FunctionsOfOthersInTheSchemaStayForEverybody) {
    database db(database::content::empty);
    db.exec(old_schema("") + "create function queue.own() returns int language sql as 'select 1'");
    ASSERT_EQ(refusal(db), "");
    EXPECT_EQ(db.query("select proname from pg_proc where pronamespace = 'queue'::regnamespace "
                       "and has_function_privilege('public', oid, 'execute')"),
              (rows{{"own"}}));
}
