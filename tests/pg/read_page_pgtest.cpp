// What a page says about messages that are gone, and that all of it is of one moment.

#include "tests/pg/roles.hpp"
#include "tests/pg/store_test.hpp"

#include <atomic>
#include <random>
#include <thread>

namespace {

using namespace std::chrono_literals;

using removals = std::vector<std::pair<std::string, base::seq>>;
using seqs = std::vector<base::seq>;

removals removals_of(const pg::page& page) {
    removals copied;
    for (const auto& each : page.removals)
        copied.emplace_back(each.channel, each.upto);
    return copied;
}

seqs seqs_of(const pg::page& page) {
    seqs copied;
    for (const auto& each : page.messages)
        copied.push_back(each.seq);
    return copied;
}

class read_page_test : public store_test {
protected:
    pg::page read_channel(std::string_view channel, base::seq after, base::seq upto,
                          int limit = 1000) {
        return done(store.read_channel(channel, after, upto, limit, any_size));
    }

    void insert(int rows, const std::string& channel_sql) {
        db.exec("insert into queue.message (channel, data) select " + channel_sql +
                ", to_json(i) from generate_series(1, " + std::to_string(rows) + ") i");
    }

    std::string present_epoch() { return *db.value("select queue.current_epoch()"); }

    std::string conninfo_of(const support::role& who) { return db.conninfo(who.name()); }
};

TEST_F(read_page_test, tells_what_was_removed_after_its_start) {
    insert(12, "'c' || i % 3");
    EXPECT_TRUE(read_after(0).removals.empty());
    db.exec("delete from queue.message where seq in (4, 5, 7)");
    const auto page = read_after(0);
    EXPECT_EQ(removals_of(page), (removals{{"c2", 5}, {"c1", 7}}));
    EXPECT_EQ(seqs_of(page), (seqs{1, 2, 3, 6, 8, 9, 10, 11, 12}));
    EXPECT_FALSE(page.more);
    EXPECT_EQ(removals_of(read_after(4)), (removals{{"c2", 5}, {"c1", 7}}));
    EXPECT_EQ(removals_of(read_after(5)), (removals{{"c1", 7}}));
    EXPECT_EQ(removals_of(read_after(7)), removals{});
    db.exec("delete from queue.message");
    const auto empty = read_after(0);
    EXPECT_TRUE(empty.messages.empty());
    EXPECT_EQ(removals_of(empty), (removals{{"c1", 10}, {"c2", 11}, {"c0", 12}}));
    EXPECT_FALSE(empty.more);
}

TEST_F(read_page_test, tells_of_its_own_channel_only) {
    insert(12, "'c' || i % 3");
    db.exec("delete from queue.message where seq in (4, 5, 7)");
    const auto page = read_channel("c1", 0, 12);
    EXPECT_EQ(removals_of(page), (removals{{"c1", 7}}));
    EXPECT_EQ(seqs_of(page), (seqs{1, 10}));
    EXPECT_EQ(removals_of(read_channel("c1", 6, 12)), (removals{{"c1", 7}}));
    EXPECT_EQ(removals_of(read_channel("c1", 7, 12)), removals{});
    EXPECT_EQ(removals_of(read_channel("c0", 0, 12)), removals{});
    EXPECT_EQ(removals_of(read_channel("c1", 0, 2)), (removals{{"c1", 7}})); // beyond its end
    EXPECT_EQ(removals_of(read_channel("' or true --", 0, 12)), removals{});
}

// One that is left out could be of any message: only the last of each channel is known.
TEST_F(read_page_test, brings_all_removals_whatever_the_limit_lowest_first) {
    insert(9, "'c' || i % 5");
    db.exec("delete from queue.message where seq <= 5");
    const auto page = read_after(0, 2);
    EXPECT_EQ(removals_of(page), (removals{{"c1", 1}, {"c2", 2}, {"c3", 3}, {"c4", 4}, {"c0", 5}}));
    EXPECT_EQ(seqs_of(page), (seqs{6, 7}));
    EXPECT_TRUE(page.more);
    // Full by messages alone.
    EXPECT_TRUE(read_after(5, 4).more);
    EXPECT_FALSE(read_after(5, 5).more);
}

TEST_F(read_page_test, knows_epoch_and_emptying_with_messages_and_without) {
    const auto expect_log = [&](const pg::page& page, base::seq emptied_at) {
        EXPECT_EQ(page.epoch, present_epoch());
        EXPECT_EQ(page.emptied_at, emptied_at);
    };
    expect_log(read_after(0), 0);
    expect_log(read_channel("c", 0, 9), 0);
    insert(3, "'c'");
    expect_log(read_after(0), 0);
    expect_log(read_channel("c", 0, 9), 0);
    const std::string before = present_epoch();
    db.exec("truncate queue.message");
    EXPECT_NE(present_epoch(), before);
    expect_log(read_after(0), 3);
    insert(2, "'c'");
    const auto page = read_after(0);
    expect_log(page, 3);
    EXPECT_EQ(seqs_of(page), (seqs{4, 5}));
    db.exec("select queue.new_epoch()");
    expect_log(read_channel("c", 4, 9), 3);
}

TEST_F(read_page_test, writes_nothing_and_needs_no_more_than_the_daemons_grants) {
    insert(4, "'c'");
    db.exec("delete from queue.message where seq = 2");
    const support::role daemon(db, grants::daemon);
    db.exec("alter role " + daemon.name() + " set default_transaction_read_only = on");
    auto reading = open(conninfo_of(daemon) + " target_session_attrs=any");
    pg::message_store reader(reading);
    for (const auto& page :
         {done(reader.read_after(0, 9, any_size)), done(reader.read_channel("c", 0, 9, 9, 99))}) {
        EXPECT_EQ(page.epoch, present_epoch());
        EXPECT_EQ(removals_of(page), (removals{{"c", 2}}));
        EXPECT_EQ(seqs_of(page), (seqs{1, 3, 4}));
    }
    EXPECT_EQ(done(reader.channel_state("c")).oldest, 1);
}

// A truncation has the table to itself. A page that waited for it is of the time after it.
TEST_F(read_page_test, a_truncation_is_seen_whole_or_not_at_all) {
    insert(3, "'c'");
    read_after(0); // prepares the statement
    const std::string before = present_epoch();
    auto other = db.connect();
    other.exec("begin; truncate queue.message");
    auto reading = loop::start(context, store.read_after(0, 10, any_size));
    ASSERT_TRUE(waits_for_lock(connection));
    other.exec("commit");
    const auto page = finished(reading);
    EXPECT_TRUE(page.messages.empty());
    EXPECT_EQ(page.emptied_at, 3);
    EXPECT_NE(page.epoch, before);

    other.exec("begin; truncate queue.message");
    auto asking = loop::start(context, store.channel_state("c"));
    ASSERT_TRUE(waits_for_lock(connection));
    other.exec("commit");
    const auto state = finished(asking);
    EXPECT_EQ(state.epoch, present_epoch());
    EXPECT_EQ(state.head, 3);
}

// Single rows are deleted all the time. In one snapshot the highest number that is missing is the
// one that the removal names; read one after the other, they differ now and then.
TEST_F(read_page_test, messages_and_removals_are_of_one_snapshot) {
    constexpr base::seq rows = 600;
    insert(rows, "'c'");
    std::atomic<bool> stop = false;
    std::thread deleting([&] {
        auto other = db.connect();
        std::mt19937 random(7);
        seqs order;
        for (base::seq seq = 1; seq <= rows; ++seq)
            order.push_back(seq);
        std::shuffle(order.begin(), order.end() - rows / 4, random);
        for (std::size_t i = 0; i < order.size() && !stop; ++i)
            other.query("delete from queue.message where seq = $1", order[i]);
        stop = true;
    });
    int pages = 0;
    int different = 0;
    for (bool last = false; !last; ++pages) {
        last = stop;
        const auto page = read_after(0, 1000);
        base::seq missing = rows;
        for (auto at = page.messages.rbegin(); at != page.messages.rend() && at->seq == missing;
             ++at)
            --missing;
        const auto upto = page.removals.empty() ? 0 : page.removals[0].upto;
        if (upto != missing)
            ++different;
    }
    stop = true;
    deleting.join();
    EXPECT_EQ(different, 0);
    EXPECT_GT(pages, 10);
}

/// Rows whose data a page reads in a second query.
class deleted_between_queries : public read_page_test {
protected:
    void SetUp() override {
        read_after(0); // so that the statement is prepared
    }

    void insert_rows(const std::string& sizes) {
        db.exec("insert into queue.message (channel, data) "
                "select 'c', to_json(repeat('x', size)) from unnest(array[" +
                sizes + "]) with ordinality as wanted (size, n) order by n");
    }

    /// A page that was answered its first query, then `sql` was done, then its second one. The loop
    /// stands still in between.
    pg::page read_around(const std::string& sql, base::seq after = 0) {
        auto blocker = db.connect();
        blocker.exec("begin; lock table queue.trimmed in access exclusive mode");
        auto reading = loop::start(context, store.read_after(after, 1000, any_size));
        EXPECT_TRUE(waits_for_lock(connection));
        blocker.exec("commit");
        EXPECT_TRUE(support::eventually(10s, [&] {
            return db.value("select state from pg_stat_activity where pid = $1",
                            connection.backend_pid()) == "idle";
        }));
        db.exec(sql);
        return finished(reading);
    }
};

TEST_F(deleted_between_queries, a_large_row_ends_the_page_before_it) {
    insert_rows("10, 50000, 10");
    const auto page = read_around("delete from queue.message where seq = 2");
    EXPECT_EQ(seqs_of(page), (seqs{1}));
    EXPECT_TRUE(page.removals.empty());
    EXPECT_TRUE(page.more);
    const auto next = read_after(1);
    EXPECT_EQ(seqs_of(next), (seqs{3}));
    EXPECT_EQ(removals_of(next), (removals{{"c", 2}}));
    EXPECT_FALSE(next.more);
}

TEST_F(deleted_between_queries, as_the_first_row_it_leaves_an_empty_page_with_more) {
    insert_rows("50000, 10");
    const auto page = read_around("delete from queue.message where seq = 1");
    EXPECT_TRUE(page.messages.empty());
    EXPECT_TRUE(page.more);
    EXPECT_EQ(page.epoch, present_epoch());
    EXPECT_EQ(seqs_of(read_after(0)), (seqs{2}));
}

TEST_F(deleted_between_queries, the_large_rows_before_it_are_kept) {
    insert_rows("50000, 50000, 50000, 10");
    const auto page = read_around("delete from queue.message where seq in (2, 4)");
    EXPECT_EQ(seqs_of(page), (seqs{1}));
    EXPECT_EQ(page.messages[0].data.size(), 50'002U);
    EXPECT_TRUE(page.more);
}

TEST_F(deleted_between_queries, a_truncation_leaves_an_empty_page_of_the_old_epoch) {
    insert_rows("50000, 10");
    const std::string before = present_epoch();
    const auto page = read_around("truncate queue.message");
    EXPECT_TRUE(page.messages.empty());
    EXPECT_TRUE(page.more);
    EXPECT_EQ(page.epoch, before);
    EXPECT_EQ(read_after(0).emptied_at, 2);
}

// Planned for its values the statement takes twice as long for a row; planned in general it reads a
// table whole where the order of the rows on disk isn't that of their numbers, as after an upgrade.
TEST_F(read_page_test, is_planned_once_and_by_index) {
    if (connection.server_version() < 140000)
        GTEST_SKIP() << "pg_prepared_statements doesn't count plans";
    db.exec("alter table queue.message disable trigger all;"
            "insert into queue.message (channel, data, seq) select 'only', to_json(repeat('x', "
            "254)), s from generate_series(1, 30000) s order by hashint8(s);"
            "insert into queue.trimmed select 'c' || i, i from generate_series(1, 20000) i;"
            "analyze");
    const auto script = [&](const std::string& text) {
        return loop::run(context, connection.script(text)).value();
    };
    script("set effective_cache_size = '8kB'");
    for (int i = 0; i < 12; ++i) {
        read_after(29'900, 256);
        read_channel(i % 2 ? "only" : "absent", 100, 30'000, 256);
    }
    const auto statements =
        script("select name, generic_plans, custom_plans, statement like '%$4%' "
               "from pg_prepared_statements where statement like '%to_json(created_at)%'");
    ASSERT_EQ(statements.rows(), 2);
    for (int row = 0; row < 2; ++row) {
        EXPECT_EQ(statements.integer(row, 1), 7) << statements.text(row, 2); // 5 are the trial
        const std::string arguments =
            statements.text(row, 3) == "t" ? "('absent', 100, 30000, 256)" : "(100, 256)";
        std::string plan;
        const auto lines =
            script("explain execute \"" + std::string(statements.text(row, 0)) + '"' + arguments);
        for (int line = 0; line < lines.rows(); ++line)
            plan += std::string(lines.text(line, 0)) + "\n";
        EXPECT_EQ(plan.find("Seq Scan on message"), std::string::npos) << plan;
        EXPECT_EQ(plan.find("Seq Scan on trimmed"), std::string::npos) << plan;
        const bool of_channel = statements.text(row, 3) == "t";
        EXPECT_NE(plan.find(of_channel ? "message_channel_seq_idx" : "message_seq_key"),
                  std::string::npos)
            << plan;
        EXPECT_NE(plan.find(of_channel ? "trimmed_pkey" : "trimmed_seq_idx"), std::string::npos)
            << plan;
    }
}

} // namespace
