// What the tables, triggers and functions of sql/ owe to those who use them, numbering aside.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"

using namespace support;
using namespace std::chrono_literals;

namespace {

// Inserts are followed by a notification on `done`, so that what was not sent is known not to come.
std::vector<notification> heard_after(database& db, connection& listener, const std::string& sql) {
    listener.exec("listen done");
    db.exec(sql);
    db.exec("notify done");
    std::vector<notification> heard;
    EXPECT_TRUE(eventually(5s, [&] {
        for (notification& each : listener.notifications())
            heard.push_back(std::move(each));
        return !heard.empty() && heard.back().channel == "done";
    }));
    if (!heard.empty())
        heard.pop_back();
    return heard;
}

std::string insert_of(const std::string& channel, const std::string& data_sql) {
    return "insert into queue.message (id, channel, data, created_at, updated_at) values"
           " ('00000000-0000-4000-8000-000000000001', '" +
           channel + "', " + data_sql + ", '2026-01-01 10:00:00.5+00', '2026-01-01 10:00:00.5+00')";
}

const std::string start_of_row = R"({"id":"00000000-0000-4000-8000-000000000001","channel":")";

} // namespace

TEST(SqlContract, ListenersOnTheChannelGetTheRowAsJson) {
    database db;
    db.exec("alter database " + db.name() + " set timezone = 'UTC'");
    connection listener = db.connect();
    listener.exec("listen sports");
    db.exec("set timezone = 'UTC'");
    const auto heard =
        heard_after(db, listener, insert_of("sports", R"('{"b": 1.50,  "a":"\u00e9"}')"));
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].payload, start_of_row + R"(sports","data":{"b": 1.50,  "a":"\u00e9"},)"
                                               R"("created_at":"2026-01-01T10:00:00.5+00:00",)"
                                               R"("updated_at":"2026-01-01T10:00:00.5+00:00"})");
    EXPECT_EQ(
        heard[0].payload,
        db.value(
            "select row_to_json(r)::text from (select id, channel, data, created_at, updated_at"
            " from queue.message) r"));
}

TEST(SqlContract, ManyRowsOfOneStatementAreWhatRowToJsonMakesOfThem) {
    database db;
    connection listener = db.connect();
    listener.exec("listen sports; listen \"a \\ \"\"b\"\"\"");
    db.exec("set timezone = 'Asia/Kolkata'");
    const auto heard = heard_after(
        db, listener,
        "insert into queue.message (channel, data, created_at, updated_at) values"
        " ('sports', '{\"n\":  1}', default, default),"
        " ('a \\ \"b\"', 'null', '2026-01-01', default),"
        " ('none', '2', default, default), ('sports', null, 'infinity', '0044-03-15 BC'),"
        " ('sports', '\"\u00e9\"', default, '-infinity')");
    std::vector<std::string> payloads;
    for (const auto& each : heard)
        payloads.push_back(each.payload);
    std::vector<std::string> expected;
    for (const row& each :
         db.query("select row_to_json(r)::text from (select id, channel, data, created_at, "
                  "updated_at from queue.message where channel <> 'none' order by seq) r")) {
        expected.push_back(*each[0]);
    }
    ASSERT_EQ(expected.size(), 4u);
    EXPECT_EQ(payloads, expected);
}

TEST(SqlContract, DataThatIsNullIsSentAsNull) {
    database db;
    connection listener = db.connect();
    listener.exec("listen sports");
    const auto heard = heard_after(db, listener, insert_of("sports", "null"));
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_NE(heard[0].payload.find("\"data\":null"), std::string::npos) << heard[0].payload;
}

TEST(SqlContract, ARowOf7999BytesIsSentWholeAndOneMoreByReference) {
    database db;
    connection listener = db.connect();
    listener.exec("listen sports");
    const auto small = heard_after(db, listener, insert_of("sports", "'\"\"'"));
    ASSERT_EQ(small.size(), 1u);
    const std::size_t room = 7999 - small[0].payload.size();
    const auto of_size = [&](std::size_t letters) {
        db.exec("delete from queue.message");
        return heard_after(
            db, listener,
            insert_of("sports", "to_json(repeat('x', " + std::to_string(letters) + "))"));
    };
    const auto fits = of_size(room);
    ASSERT_EQ(fits.size(), 1u);
    EXPECT_EQ(fits[0].payload.size(), 7999u);
    for (const std::size_t letters : {room + 1, std::size_t{8200}, std::size_t{5000000}}) {
        const auto by_reference = of_size(letters);
        ASSERT_EQ(by_reference.size(), 1u);
        EXPECT_EQ(by_reference[0].payload, start_of_row + "sports\"}");
    }
    // Random text does not compress, so it is stored out of line before the trigger looks at it.
    db.exec("delete from queue.message");
    const auto toasted = heard_after(
        db, listener,
        insert_of(
            "sports",
            "(select to_json(string_agg(md5(i::text), '')) from generate_series(1, 9000) i)"));
    ASSERT_EQ(toasted.size(), 1u);
    EXPECT_EQ(toasted[0].payload, start_of_row + "sports\"}");
}

TEST(SqlContract, AChannelOf63BytesIsNotifiedAndALongerOneSkipped) {
    database db;
    // 63 bytes in 18 characters: limits count bytes.
    std::string fits = "abc";
    for (int n = 0; n < 15; ++n)
        fits += "\xF0\x9F\x8E\x89";
    ASSERT_EQ(fits.size(), 63u);
    connection listener = db.connect();
    listener.exec("listen \"" + fits + "\"");
    const auto heard = heard_after(db, listener, insert_of(fits, "'1'"));
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].channel, fits);
    db.exec("delete from queue.message");
    EXPECT_TRUE(heard_after(db, listener, insert_of(fits + "x", "'1'")).empty());
    EXPECT_EQ(db.value("select count(*) from queue.message"), "1");
}

TEST(SqlContract, TheChannelTriggerCanBeSwitchedOffAndTheBellStays) {
    database db;
    connection listener = db.connect();
    listener.exec("listen sports; listen queue_message");
    db.exec("alter table queue.message disable trigger notify_channel");
    const auto heard = heard_after(
        db, listener,
        "insert into queue.message (channel) select 'sports' from generate_series(1, 100)");
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].channel, "queue_message");
    EXPECT_EQ(heard[0].payload, "");
}

TEST(SqlContract, ChannelNamesAreChecked) {
    database db;
    for (const char* good : {"'a'", "repeat('x', 255)", "'a b/c:\"{}\"'", "U&'\\00e9\\+01F389'",
                             "U&'\\00a0'"}) {
        EXPECT_NO_THROW(
            db.exec(std::string("insert into queue.message (channel) values (") + good + ")"));
    }
    for (const char* bad : {"''", "null", "repeat('x', 256)", "repeat(U&'\\00e9', 128)", "E'a\\nb'",
                            "E'\\x01'", "E'\\x1f'", "E'\\x7f'", "U&'\\0080'", "U&'a\\009f'"}) {
        EXPECT_THROW(
            db.exec(std::string("insert into queue.message (channel) values (") + bad + ")"),
            postgres_error)
            << bad;
    }
}

TEST(SqlContract, DataKeepsEveryByte) {
    database db;
    const std::string text =
        R"({"b" : 1.500, "b":2, "big":12345678901234567890.10,"e":"\u00e9\/"})";
    db.query("insert into queue.message (channel, data) values ('a', $1)", text);
    EXPECT_EQ(db.value("select data::text from queue.message"), text);
}

TEST(SqlContract, DeletingRemembersTheHighestSeqOfEachChannel) {
    database db;
    db.exec(
        "insert into queue.message (channel) select 'c' || i % 2 from generate_series(1, 10) i");
    db.exec("delete from queue.message where seq between 5 and 8");
    EXPECT_EQ(db.query("select * from queue.trimmed order by channel"),
              (rows{{"c0", "8"}, {"c1", "7"}}));
    db.exec("delete from queue.message where seq <= 2");
    EXPECT_EQ(db.query("select * from queue.trimmed order by channel"),
              (rows{{"c0", "8"}, {"c1", "7"}}));
    EXPECT_EQ(db.value("select queue.head()"), "10");
    db.exec("delete from queue.message");
    EXPECT_EQ(db.value("select queue.head()"), "10");
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(db.value("select queue.head()"), "11");
}

TEST(SqlContract, TruncateStartsAnEpochAndTheNumbersGoOn) {
    database db;
    connection listener = db.connect();
    db.exec("insert into queue.message (channel) values ('a'), ('b')");
    const cell epoch = db.value("select queue.current_epoch()");
    listener.exec("listen queue_message");
    EXPECT_EQ(heard_after(db, listener, "truncate queue.message restart identity cascade").size(),
              1u);
    EXPECT_NE(db.value("select queue.current_epoch()"), epoch);
    EXPECT_EQ(db.value("select queue.head()"), "2");
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(db.value("select seq from queue.message"), "3");
}

TEST(SqlContract, ATruncateRolledBackKeepsTheEpoch) {
    database db;
    db.exec("insert into queue.message (channel) values ('a')");
    const cell epoch = db.value("select queue.current_epoch()");
    db.exec("begin; truncate queue.message; rollback");
    EXPECT_EQ(db.value("select queue.current_epoch()"), epoch);
    EXPECT_EQ(db.value("select queue.head()"), "1");
}

TEST(SqlContract, TheEpochHoldsStillAndHasNoSpaces) {
    database db;
    const std::string epoch = *db.value("select queue.current_epoch()");
    EXPECT_EQ(db.value("select queue.current_epoch()"), epoch);
    EXPECT_EQ(epoch.find(' '), std::string::npos);
    EXPECT_EQ(epoch, *db.value("select epoch from queue.log") + ".1");
    db.exec("select queue.new_epoch()");
    EXPECT_NE(db.value("select queue.current_epoch()"), epoch);
}

// As pg_restore --data-only --disable-triggers does it: rows come, the sequences stay.
TEST(SqlContract, ANewEpochGoesOnFromTheRows) {
    database db;
    db.exec("alter table queue.message disable trigger user;"
            "insert into queue.message (channel, seq) values ('a', 40), ('a', 70);"
            "insert into queue.trimmed (channel, seq) values ('b', 90);"
            "alter table queue.message enable trigger user;"
            "select queue.new_epoch()");
    EXPECT_EQ(db.value("select queue.head()"), "90");
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(db.value("select max(seq) from queue.message"), "91");
    // Rows of the same transaction aren't settled, and are after it.
    db.exec("begin; insert into queue.message (channel) values ('own'); select queue.new_epoch(); "
            "commit");
    db.exec("insert into queue.message (channel) values ('last')");
    EXPECT_EQ(db.query("select channel, seq from queue.message where seq > 91 order by seq"),
              (rows{{"own", "93"}, {"last", "94"}}));
}

// Two copies hand out the same numbers for different messages, so they must not share an epoch.
TEST(SqlContract, ACopyOfADatabaseGetsAnEpochOfItsOwn) {
    database original;
    original.exec("insert into queue.message (channel) values ('a')");
    const cell epoch = original.value("select queue.current_epoch()");
    const std::string name = original.name() + "_copy";
    connection admin(shared_server().conninfo());
    // A database can't be copied while anyone is connected to it.
    original.exec("select 1");
    admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
                original.name());
    ASSERT_TRUE(eventually(5s, [&] {
        try {
            admin.exec("create database " + name + " template " + original.name());
            return true;
        } catch (const postgres_error&) {
            return false;
        }
    }));
    {
        connection copy(shared_server().conninfo(name));
        const cell of_copy = copy.value("select queue.current_epoch()");
        EXPECT_NE(of_copy, epoch);
        EXPECT_EQ(copy.value("select queue.current_epoch()"), of_copy);
        copy.exec("insert into queue.message (channel) values ('a')");
        EXPECT_EQ(copy.value("select queue.head()"), "2");
    }
    admin.exec("drop database " + name + " with (force)");
}

// The same server and database as before, but the numbers go back, and come again for others.
TEST(SqlContract, ADumpRestoredOverItsOwnDatabaseGetsAnEpochOfItsOwn) {
    database db;
    db.exec("insert into queue.message (channel) values ('a')");
    const cell epoch = db.value("select queue.current_epoch()");
    const std::string file = shared_server().data_folder() + "/" + db.name() + ".dump";
    const auto run = [&](const std::string& tool, const std::string& arguments) {
        const std::string command = "'" + shared_server().bin_folder() + "/" + tool + "' " +
                                    arguments + " -d '" + db.conninfo() + "'";
        ASSERT_EQ(std::system(command.c_str()), 0) << command;
    };
    run("pg_dump", "-Fc -f '" + file + "'");
    EXPECT_EQ(db.value("select queue.current_epoch()"), epoch);
    db.exec("insert into queue.message (channel) values ('lost')");
    for (const std::string how : {"--clean", "", "--clean --single-transaction"}) {
        if (how.empty())
            db.exec("drop schema queue cascade");
        run("pg_restore", how + " '" + file + "'");
        EXPECT_EQ(db.value("select queue.head()"), "1");
        const cell restored = db.value("select queue.current_epoch()");
        EXPECT_NE(restored, epoch) << how;
        EXPECT_EQ(db.value("select queue.current_epoch()"), restored) << how;
        db.exec("insert into queue.message (channel) values ('other')");
        EXPECT_EQ(db.value("select queue.head()"), "2");
    }
    std::remove(file.c_str());
}

// What moves the table keeps what it is: clients go on.
TEST(SqlContract, RewritingTheLogsTablesKeepsTheEpoch) {
    database db;
    db.exec("insert into queue.message (channel) values ('a')");
    const cell epoch = db.value("select queue.current_epoch()");
    for (const char* table : {"queue.log", "queue.message", "queue.timeline"}) {
        db.exec(std::string("vacuum full ") + table);
    }
    connection owner = db.connect();
    apply_sql(owner);
    EXPECT_EQ(db.value("select queue.current_epoch()"), epoch);
}

TEST(SqlContract, ConsumerLagCountsWhatIsNotAcknowledged) {
    database db;
    db.exec("insert into queue.message (channel) select 'c' || i % 2 from generate_series(1, 10) i;"
            "insert into queue.consumer (channel, name, acked_seq) values ('c0', 'bills', 4), "
            "('new', 'x', 0)");
    EXPECT_EQ(
        db.query("select channel, name, acked_seq, head, lag from queue.consumer_lag order by 1"),
        (rows{{"c0", "bills", "4", "10", "3"}, {"new", "x", "0", "0", "0"}}));
}

TEST(SqlContract, AMillionRowsInOneTransactionCommit) {
    database db;
    const bool is_long = std::getenv("PGHERALD_LONG") != nullptr;
    const std::string count = is_long ? "1000000" : "20000";
    db.exec(
        "insert into queue.message (channel, data) select 'bulk', '{}' from generate_series(1, " +
        count + ")");
    EXPECT_EQ(db.value("select count(*) from queue.message where seq <= queue.head()"), count);
}
