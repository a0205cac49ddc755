#include "pg/migrator.hpp"

#include "pg/message_store.hpp"
#include "tests/pg/loop.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

class migrator_test : public testing::Test {
protected:
    migrator_test() {
        int version = 0;
        for (const std::string& file : support::sql_files()) {
            texts.push_back(support::read_file(file));
        }
        for (const std::string& text : texts)
            migrations.push_back({++version, text});
    }

    pg::connection open(std::string conninfo, std::chrono::milliseconds query_timeout = 0ms) {
        pg::connect_options options;
        options.conninfo = std::move(conninfo);
        options.query_timeout = query_timeout;
        return loop::run(context, pg::connection::open(context, options)).value();
    }

    pg::outcome<pg::migrated> migrate(pg::connection& on) {
        return loop::run(context, pg::migrate(on, migrations));
    }

    int newest() const { return static_cast<int>(migrations.size()); }

    support::database db{support::database::content::empty};
    boost::asio::io_context context;
    std::vector<std::string> texts;
    std::vector<pg::migration> migrations;
};

TEST_F(migrator_test, brings_an_empty_database_up_and_then_does_nothing) {
    auto connection = open(db.conninfo());
    const auto first = migrate(connection);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->from, 0);
    EXPECT_EQ(first->to, newest());
    const auto second = migrate(connection);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->from, newest());
    EXPECT_EQ(second->to, newest());
    EXPECT_TRUE(loop::run(context, pg::message_store(connection).log_state()));
}

TEST_F(migrator_test, two_at_once_get_along) {
    auto one = open(db.conninfo());
    auto two = open(db.conninfo());
    auto first = loop::start(context, pg::migrate(one, migrations));
    auto second = loop::start(context, pg::migrate(two, migrations));
    for (auto* each : {&first, &second}) {
        const auto done = loop::finish(context, *each);
        ASSERT_TRUE(done) << done.error().message;
        EXPECT_EQ(done->to, newest());
    }
    EXPECT_EQ(db.value("select count(*) from queue.log"), "1");
}

TEST_F(migrator_test, meets_no_lock_when_there_is_nothing_to_do) {
    auto connection = open(db.conninfo(), 10s);
    ASSERT_TRUE(migrate(connection));
    auto writer = db.connect();
    writer.exec("begin; lock table queue.message in access exclusive mode; "
                "lock table queue.settling in access exclusive mode");
    const auto done = migrate(connection);
    EXPECT_TRUE(done) << done.error().message;
}

TEST_F(migrator_test, refuses_a_schema_that_is_newer) {
    auto connection = open(db.conninfo());
    ASSERT_TRUE(migrate(connection));
    db.exec("update queue.log set schema_version = 99");
    const auto refused = migrate(connection);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, pg::error::kind::refused);
    EXPECT_EQ(refused.error().message, "schema version 99 is newer than this pgherald knows (" +
                                           std::to_string(newest()) +
                                           "): install a newer pgherald");
    EXPECT_EQ(db.value("select schema_version from queue.log"), "99");
}

TEST_F(migrator_test, a_migration_that_fails_leaves_nothing_and_a_usable_connection) {
    auto connection = open(db.conninfo());
    const pg::migration broken[] = {
        {1, "begin; create schema queue; create table queue.half (); select 1 / 0; commit;"}};
    const auto failed = loop::run(context, pg::migrate(connection, broken));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().what, pg::error::kind::refused);
    EXPECT_EQ(failed.error().message, "migration 1: division by zero");
    EXPECT_TRUE(migrate(connection));
}

TEST_F(migrator_test, a_migration_that_does_not_raise_the_version_is_an_error) {
    auto connection = open(db.conninfo());
    const pg::migration idle[] = {{1, "select 1"}};
    EXPECT_FALSE(loop::run(context, pg::migrate(connection, idle)));
}

TEST_F(migrator_test, says_when_a_right_is_missing) {
    const support::role role(db, "grant connect on database " + db.name() + " to $role");
    auto connection = open(db.conninfo(role.name()));
    const auto refused = migrate(connection);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is_permission()) << refused.error().message;
}

} // namespace
