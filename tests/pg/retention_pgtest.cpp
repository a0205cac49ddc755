#include "tests/pg/roles.hpp"
#include "tests/pg/store_test.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using support::rows;

class retention_test : public store_test {
protected:
    static constexpr std::chrono::seconds hour = 1h;
    static constexpr std::chrono::seconds grace = 24h;

    /// Rows of the channels c0, c1, ... in turn, created that long ago.
    void insert(int messages, const std::string& ago, int channels = 1) {
        db.exec("insert into queue.message (channel, created_at) select 'c' || (i - 1) % " +
                std::to_string(channels) + ", now() - interval '" + ago +
                "' from generate_series(1, " + std::to_string(messages) + ") i");
    }

    void seen(const std::string& channel, const std::string& name, base::seq acked,
              const std::string& ago) {
        db.query("insert into queue.consumer (channel, name, acked_seq, updated_at) values "
                 "($1, $2, $3, now() - $4::interval)",
                 channel, name, acked, ago);
    }

    pg::removed remove_old(base::seq after = 0, int most = 1000) {
        return done(store.remove_old(hour, grace, after, most));
    }

    std::string kept() {
        return *db.value("select coalesce(string_agg(seq::text, ' ' order by seq), '') "
                         "from queue.message");
    }
};

void expect(const pg::removed& done, std::optional<base::seq> looked_upto, std::int64_t removed,
            bool found_old) {
    EXPECT_FALSE(done.busy);
    EXPECT_EQ(done.looked_upto, looked_upto);
    EXPECT_EQ(done.rows, removed);
    EXPECT_EQ(done.found_old, found_old);
}

TEST_F(retention_test, removes_what_is_old_page_by_page) {
    expect(remove_old(), std::nullopt, 0, false);
    insert(5, "2 hours");
    insert(2, "59 minutes");
    insert(1, "3 hours"); // by the clock of a publisher that is wrong
    insert(2, "0");
    expect(remove_old(0, 4), 4, 4, true);
    expect(remove_old(4, 2), 6, 1, true);
    EXPECT_EQ(kept(), "6 7 8 9 10");
    expect(remove_old(6, 4), 10, 1, true);
    expect(remove_old(10, 4), std::nullopt, 0, false);
    EXPECT_EQ(kept(), "6 7 9 10");
    expect(remove_old(0, 4), 10, 0, false);
    expect(remove_old(0, 5), std::nullopt, 0, false);
    EXPECT_EQ(db.query("select * from queue.trimmed"), (rows{{"c0", "8"}}));
    EXPECT_EQ(db.value("select queue.head()"), "10");
}

// Publishers may name created_at where nobody has taken that from them.
TEST_F(retention_test, rows_from_the_future_hide_nothing_behind_them) {
    insert(2, "-1 day");
    db.exec("insert into queue.message (channel, created_at) values ('c0', 'infinity')");
    insert(1, "2 hours");
    expect(remove_old(0, 3), 3, 0, true);
    expect(remove_old(3, 3), std::nullopt, 1, true);
    EXPECT_EQ(kept(), "1 2 3");
}

TEST_F(retention_test, one_step_tells_each_channel_what_it_lost) {
    insert(12, "2 hours", 5);
    insert(5, "0", 5);
    expect(remove_old(), std::nullopt, 12, true);
    EXPECT_EQ(db.query("select channel, seq from queue.trimmed order by seq"),
              (rows{{"c2", "8"}, {"c3", "9"}, {"c4", "10"}, {"c0", "11"}, {"c1", "12"}}));
    const auto page = read_after(0);
    EXPECT_EQ(page.removals.size(), 5U);
    ASSERT_EQ(page.messages.size(), 5U);
    EXPECT_EQ(page.messages[0].seq, 13);
}

TEST_F(retention_test, what_a_consumer_lacks_is_kept_while_it_was_seen_lately) {
    insert(12, "2 hours", 3); // c0: 1 4 7 10, c1: 2 5 8 11, c2: 3 6 9 12
    seen("c0", "slow", 4, "23 hours");
    seen("c0", "fast", 10, "0");
    seen("c1", "gone", 2, "25 hours");
    seen("c1", "there", 8, "1 minute");
    seen("unknown", "x", 0, "0");
    expect(remove_old(0, 6), 6, 6, true);
    EXPECT_EQ(kept(), "7 8 9 10 11 12");
    expect(remove_old(6, 7), std::nullopt, 3, true);
    EXPECT_EQ(kept(), "7 10 11");
    // Still old, so a sweep goes on past them.
    expect(remove_old(0, 3), 11, 0, true);
    db.exec("update queue.consumer set acked_seq = 11 where name in ('slow', 'there')");
    expect(remove_old(), std::nullopt, 3, true);
    EXPECT_EQ(kept(), "");
}

TEST_F(retention_test, a_consumer_that_comes_too_late_is_told) {
    insert(3, "2 hours");
    seen("c0", "away", 1, "25 hours");
    remove_old();
    const std::string epoch = *db.value("select queue.current_epoch()");
    EXPECT_EQ(done(store.open_consumer(epoch, "c0", "away", std::nullopt)).value().acked, 1);
    const auto page = done(store.read_channel("c0", 1, 3, 10, any_size));
    ASSERT_EQ(page.removals.size(), 1U);
    EXPECT_EQ(page.removals[0].upto, 3);
}

// Where nothing is waited for the quickest of three is quick, also on a machine that is busy.
TEST_F(retention_test, a_locked_row_is_left_for_the_next_time) {
    auto other = db.connect();
    auto quickest = steady_clock::duration::max();
    for (int locked = 3; locked <= 13; locked += 5) {
        insert(5, "2 hours");
        other.exec("begin");
        other.query("select from queue.message where seq = $1 for share", locked);
        const auto begin = steady_clock::now();
        expect(remove_old(), std::nullopt, 4, true);
        quickest = std::min(quickest, steady_clock::now() - begin);
        EXPECT_EQ(kept(), std::to_string(locked));
        other.exec("commit");
        expect(remove_old(), std::nullopt, 1, true);
    }
    EXPECT_LT(quickest, 900ms);
}

TEST_F(retention_test, a_row_that_was_changed_meanwhile_is_judged_anew) {
    insert(2, "2 hours");
    db.exec("update queue.message set created_at = now() where seq = 1");
    expect(remove_old(), std::nullopt, 1, true);
    EXPECT_EQ(kept(), "1");
}

TEST_F(retention_test, one_at_a_time) {
    insert(5, "2 hours");
    auto other = db.connect();
    other.exec("begin; select queue.remove_old('1 h', '1 h', 0, 2)");
    auto quickest = steady_clock::duration::max();
    for (int i = 0; i < 3; ++i) {
        const auto begin = steady_clock::now();
        const auto second = remove_old();
        quickest = std::min(quickest, steady_clock::now() - begin);
        EXPECT_TRUE(second.busy);
        EXPECT_EQ(second.rows, 0);
        EXPECT_FALSE(second.looked_upto);
        EXPECT_FALSE(second.found_old);
        EXPECT_TRUE(connection.alive());
    }
    EXPECT_LT(quickest, 900ms);
    other.exec("commit");
    EXPECT_EQ(kept(), "3 4 5");
    expect(remove_old(), std::nullopt, 3, true);
}

// The only lock of others it may meet is that of a DELETE by hand in the same channel.
TEST_F(retention_test, waits_for_a_delete_by_hand_but_a_second) {
    insert(5, "2 hours");
    auto other = db.connect();
    other.exec("begin; delete from queue.message where seq = 4");
    const auto begin = steady_clock::now();
    EXPECT_TRUE(remove_old().busy);
    EXPECT_GT(steady_clock::now() - begin, 900ms);
    EXPECT_LT(steady_clock::now() - begin, 10s);
    other.exec("rollback");
    EXPECT_EQ(kept(), "1 2 3 4 5");
    expect(remove_old(), std::nullopt, 5, true);
}

TEST_F(retention_test, publishers_do_not_wait_for_it) {
    insert(5, "2 hours");
    auto other = db.connect();
    other.exec("begin; select queue.remove_old('1 h', '1 h', 0, 100)");
    db.exec("set lock_timeout = '200ms'; insert into queue.message (channel) values ('c0'), ('x')");
    ASSERT_TRUE(loop::run(context, store.prepare_to_publish()));
    ASSERT_TRUE(loop::run(context, connection.script("set lock_timeout = '200ms'")));
    const pg::publish_item items[] = {{"00000000-0000-4000-8000-000000000001", "c0", "1"}};
    const auto stored = loop::run(context, store.publish(items));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(read_after(5).messages.size(), 3U);
    other.exec("commit");
    EXPECT_EQ(kept(), "6 7 8");
}

TEST_F(retention_test, two_sweeps_at_once_remove_each_old_row_once_while_others_publish) {
    insert(3000, "2 hours", 7);
    insert(500, "0", 7);
    std::atomic<bool> stop = false;
    std::thread publishing([&] {
        auto publisher = db.connect();
        while (!stop)
            publisher.exec("insert into queue.message (channel) values ('c0'), ('c1')");
    });
    std::atomic<std::int64_t> removed = 0;
    std::atomic<int> busy = 0;
    const auto sweep = [&] {
        auto sweeper = db.connect();
        for (base::seq after = 0;;) {
            const auto step =
                sweeper.query("select * from queue.remove_old('1 hour', '1 hour', $1, 100)", after);
            if (step[0][0] == "t") {
                ++busy;
                continue;
            }
            removed += std::stol(*step[0][2]);
            if (step[0][3] == "f" || !step[0][1])
                return;
            after = std::stol(*step[0][1]);
        }
    };
    std::thread one(sweep);
    std::thread two(sweep);
    one.join();
    two.join();
    stop = true;
    publishing.join();
    EXPECT_EQ(removed, 3000);
    EXPECT_GT(busy, 0);
    EXPECT_EQ(db.value("select count(*) from queue.message where seq <= 3000"), "0");
    EXPECT_EQ(db.value("select count(*) from queue.message where seq between 3001 and 3500"),
              "500");
    EXPECT_EQ(db.value("select max(seq) from queue.trimmed"), "3000");
    EXPECT_EQ(db.value("select count(*) from queue.trimmed"), "7");
}

// What the next rows are must not be found by reading the whole table.
TEST_F(retention_test, a_step_in_a_large_table_reads_only_its_rows) {
    db.exec("alter table queue.message disable trigger all;"
            "insert into queue.message (channel, created_at, seq) select 'c', now() - interval '2 "
            "h', s from generate_series(1, 50000) s order by hashint8(s);"
            "alter table queue.message enable trigger all; analyze queue.message");
    expect(remove_old(20'000, 100), 20'100, 100, true);
    // Once planned for any values, too.
    for (base::seq after = 0; after < 800; after += 100)
        expect(remove_old(after, 100), after + 100, 100, true);
    auto session = db.connect();
    session.exec("load 'auto_explain'; set auto_explain.log_min_duration = 0; "
                 "set auto_explain.log_nested_statements = on; set client_min_messages = log; "
                 "set plan_cache_mode = force_generic_plan; set effective_cache_size = '8kB'");
    std::string plans;
    PQsetNoticeProcessor(
        session.native(),
        [](void* to, const char* text) { *static_cast<std::string*>(to) += text; }, &plans);
    session.exec("select queue.remove_old('1 hour', '1 hour', 1000, 100)");
    EXPECT_NE(plans.find("Index Scan using message_seq_key"), std::string::npos) << plans;
    EXPECT_EQ(plans.find("Seq Scan on message"), std::string::npos) << plans;
    EXPECT_NE(plans.find("Tid Scan on message"), std::string::npos) << plans;
}

TEST_F(retention_test, needs_its_own_grant_and_nothing_else) {
    insert(3, "2 hours");
    const support::role daemon(db, grants::daemon);
    auto granted = open(db.conninfo(daemon.name()));
    pg::message_store daemons(granted);
    const auto refused = loop::run(context, daemons.remove_old(hour, grace, 0, 10));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is_permission());
    db.exec("grant execute on function queue.remove_old(interval, interval, bigint, int) to " +
            daemon.name());
    expect(done(daemons.remove_old(hour, grace, 0, 10)), std::nullopt, 3, true);
}

} // namespace
