#include "tests/pg/roles.hpp"
#include "tests/pg/store_test.hpp"

#include <array>

namespace {

using namespace std::chrono_literals;
using support::rows;

class consumers_test : public store_test {
protected:
    void insert(int messages) {
        db.exec("insert into queue.message (channel) select 'c' from generate_series(1, " +
                std::to_string(messages) + ")");
    }

    base::seq open_consumer(std::string_view channel, std::string_view name,
                            std::optional<base::seq> start = std::nullopt) {
        return done(store.open_consumer(epoch(), channel, name, start)).value().acked;
    }

    void store_progress(std::vector<pg::progress> items) {
        const auto stored = loop::run(context, store.store_progress(epoch(), items));
        ASSERT_TRUE(stored) << stored.error().message;
        EXPECT_TRUE(*stored);
    }

    std::string epoch() { return *db.value("select queue.current_epoch()"); }

    rows kept() {
        return db.query("select channel, name, acked_seq from queue.consumer order by 1, 2");
    }

    /// Makes all look as if they had been gone for long.
    void age() { db.exec("update queue.consumer set updated_at = now() - interval '10 days'"); }
    std::string seen_lately() {
        return *db.value("select coalesce(string_agg(name, ',' order by name), '') from "
                         "queue.consumer where updated_at > now() - interval '1 minute'");
    }
};

TEST_F(consumers_test, a_new_one_begins_at_the_head_and_stays_there) {
    EXPECT_EQ(open_consumer("c", "early"), 0);
    insert(5);
    EXPECT_EQ(open_consumer("c", "bills"), 5);
    insert(2);
    EXPECT_EQ(open_consumer("c", "bills"), 5);
    EXPECT_EQ(open_consumer("c", "bills", 7), 5);
    EXPECT_EQ(open_consumer("other", "bills"), 7);
    EXPECT_EQ(kept(), (rows{{"c", "bills", "5"}, {"c", "early", "0"}, {"other", "bills", "7"}}));
    // The head outlives the rows.
    db.exec("delete from queue.message");
    EXPECT_EQ(open_consumer("c", "after deleting"), 7);
    db.exec("truncate queue.trimmed; truncate queue.message");
    EXPECT_EQ(open_consumer("c", "after emptying"), 7);
}

TEST_F(consumers_test, a_new_one_begins_where_it_says) {
    insert(5);
    EXPECT_EQ(open_consumer("c", "bills", 2), 2);
    EXPECT_EQ(open_consumer("c", "all", 0), 0);
    EXPECT_EQ(kept(), (rows{{"c", "all", "0"}, {"c", "bills", "2"}}));
}

TEST_F(consumers_test, opening_marks_as_seen) {
    open_consumer("c", "a");
    open_consumer("c", "b");
    age();
    open_consumer("c", "b");
    EXPECT_EQ(seen_lately(), "b");
}

TEST_F(consumers_test, two_that_open_a_new_one_at_once_get_the_same) {
    insert(5);
    auto other = db.connect();
    other.exec("begin; insert into queue.consumer (channel, name, acked_seq) values ('c', 'n', 3)");
    const std::string now = epoch();
    auto opening = loop::start(context, store.open_consumer(now, "c", "n", std::nullopt));
    ASSERT_TRUE(waits_for_lock(connection));
    other.exec("commit");
    const auto opened = finished(opening).value();
    EXPECT_EQ(opened.acked, 3);
    EXPECT_FALSE(opened.is_new);

    auto second = open(db.conninfo());
    pg::message_store second_store(second);
    for (int i = 0; i < 50; ++i) {
        const std::string name = "n" + std::to_string(i);
        auto one = loop::start(context, store.open_consumer(now, "c", name, 1));
        auto two = loop::start(context, second_store.open_consumer(now, "c", name, 2));
        const auto first = finished(one).value();
        const auto second_one = finished(two).value();
        EXPECT_EQ(first.acked, second_one.acked);
        EXPECT_NE(first.is_new, second_one.is_new);
    }
}

TEST_F(consumers_test, only_what_is_beyond_the_head_is_taken_back) {
    open_consumer("c", "beyond", 100);
    open_consumer("c", "within", 4);
    EXPECT_TRUE(done(store.take_back("c", "beyond", 5)));
    EXPECT_FALSE(done(store.take_back("c", "within", 5)));
    EXPECT_FALSE(done(store.take_back("c", "nobody", 5)));
    EXPECT_EQ(kept(), (rows{{"c", "beyond", "5"}, {"c", "within", "4"}}));
}

TEST_F(consumers_test, progress_moves_forward_only) {
    open_consumer("c", "a", 5);
    open_consumer("c", "b", 5);
    store_progress({{"c", "a", 7}, {"c", "b", 4}});
    EXPECT_EQ(kept(), (rows{{"c", "a", "7"}, {"c", "b", "5"}}));
    store_progress({{"c", "b", 6}, {"c", "b", 9}, {"c", "a", 1}, {"c", "b", 8}});
    EXPECT_EQ(kept(), (rows{{"c", "a", "7"}, {"c", "b", "9"}}));
    store_progress({});
}

TEST_F(consumers_test, progress_marks_all_as_seen) {
    open_consumer("c", "ahead", 5);
    open_consumer("c", "behind", 5);
    open_consumer("c", "silent", 5);
    age();
    store_progress({{"c", "ahead", 7}, {"c", "behind", 4}});
    EXPECT_EQ(seen_lately(), "ahead,behind");
}

TEST_F(consumers_test, one_that_was_deleted_while_connected_comes_back) {
    open_consumer("c", "a", 5);
    db.exec("delete from queue.consumer");
    store_progress({{"c", "a", 7}});
    EXPECT_EQ(kept(), (rows{{"c", "a", "7"}}));
}

// A connection may find another log than the one whose numbers it was given.
TEST_F(consumers_test, numbers_of_another_log_are_not_stored) {
    insert(5);
    open_consumer("c", "a", 3);
    age();
    const std::string before = epoch();
    db.exec("select queue.new_epoch()");
    ASSERT_NE(epoch(), before);
    const std::array<pg::progress, 2> items{{{"c", "a", 4}, {"c", "b", 4}}};
    EXPECT_FALSE(done(store.store_progress(before, items)));
    EXPECT_FALSE(done(store.open_consumer(before, "c", "a", std::nullopt)));
    EXPECT_FALSE(done(store.open_consumer(before, "c", "b", 1)));
    EXPECT_EQ(kept(), (rows{{"c", "a", "3"}}));
    EXPECT_EQ(seen_lately(), "");
    EXPECT_TRUE(done(store.store_progress(epoch(), items)));
    EXPECT_EQ(kept(), (rows{{"c", "a", "4"}, {"c", "b", "4"}}));
}

TEST_F(consumers_test, names_are_kept_to_the_byte) {
    const std::string odd = "it's {a,\"b\"} \\ 🐘 '); drop table queue.consumer; --";
    EXPECT_EQ(open_consumer(odd, odd, 3), 3);
    store_progress({{odd, odd, 8}, {odd, "", 1}});
    EXPECT_EQ(
        db.value("select acked_seq from queue.consumer where channel = $1 and name = $1", odd),
        "8");
    EXPECT_EQ(open_consumer(odd, odd), 8);
    const std::string zero("a\0b", 3);
    EXPECT_TRUE(loop::run(context, store.open_consumer(epoch(), "c", zero, 1)).error().is_data());
    const std::array<pg::progress, 1> bad{{{"c", zero, 1}}};
    EXPECT_TRUE(loop::run(context, store.store_progress(epoch(), bad)).error().is_data());
}

// Rows are locked by name, whatever order they are given in: here `a` is locked, `b` waited for and
// `c` untouched.
TEST_F(consumers_test, progress_locks_rows_in_one_order) {
    store_progress({{"c", "a", 1}, {"c", "b", 1}, {"c", "c", 1}, {"d", "a", 1}});
    auto blocker = db.connect();
    blocker.exec("begin; update queue.consumer set acked_seq = 2 where channel = 'c' and name = "
                 "'b'");
    const std::array<pg::progress, 4> items{
        {{"d", "a", 5}, {"c", "c", 5}, {"c", "b", 5}, {"c", "a", 5}}};
    const std::string now = epoch();
    auto storing = loop::start(context, store.store_progress(now, items));
    ASSERT_TRUE(waits_for_lock(connection));
    EXPECT_EQ(db.query("select channel, name from queue.consumer order by 1, 2 "
                       "for update skip locked"),
              (rows{{"c", "c"}, {"d", "a"}}));
    blocker.exec("commit");
    finished(storing);
    EXPECT_EQ(kept(), (rows{{"c", "a", "5"}, {"c", "b", "5"}, {"c", "c", "5"}, {"d", "a", "5"}}));
}

TEST_F(consumers_test, two_instances_store_the_same_consumers_without_a_deadlock) {
    std::vector<std::string> names;
    for (int i = 0; i < 60; ++i)
        names.push_back("consumer " + std::to_string(i * 37 % 60));
    std::vector<pg::progress> up;
    std::vector<pg::progress> down;
    const std::string now = epoch();
    auto second = open(db.conninfo());
    pg::message_store second_store(second);
    for (base::seq acked = 1; acked <= 40; ++acked) {
        up.clear();
        for (const auto& name : names)
            up.push_back({"c", name, acked});
        down.assign(up.rbegin(), up.rend());
        auto one = loop::start(context, store.store_progress(now, up));
        auto two = loop::start(context, second_store.store_progress(now, down));
        finished(one);
        finished(two);
    }
    EXPECT_EQ(db.query("select count(*), min(acked_seq), max(acked_seq) from queue.consumer"),
              (rows{{"60", "40", "40"}}));
}

TEST_F(consumers_test, the_daemons_grants_suffice) {
    insert(3);
    const support::role daemon(db, grants::daemon);
    auto granted = open(db.conninfo(daemon.name()));
    pg::message_store daemons(granted);
    EXPECT_EQ(done(daemons.open_consumer(epoch(), "c", "n", std::nullopt)).value().acked, 3);
    const std::array<pg::progress, 1> items{{{"c", "n", 4}}};
    EXPECT_TRUE(done(daemons.store_progress(epoch(), items)));
    EXPECT_EQ(done(daemons.log_state()).head, 3);
    EXPECT_EQ(kept(), (rows{{"c", "n", "4"}}));
}

} // namespace
