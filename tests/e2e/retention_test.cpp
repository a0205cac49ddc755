// Retention: old messages go, those a consumer still lacks stay, publishers don't notice.
#include "tests/pg/roles.hpp"
#include "tests/support/messages.hpp"
#include "tests/support/worker.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace support;
using steady = std::chrono::steady_clock;

/// Messages that are old already; their seqs.
seqs add_old(database& db, const std::string& channel, int count) {
    const auto before = head_of(db);
    db.query("insert into queue.message (channel, data, created_at) "
             "select $1, to_json(i), now() - interval '1 hour' from generate_series(1, $2::int) i",
             channel, count);
    return seqs_of(db, channel, before);
}

/// And some that won't be for long.
seqs add_young(database& db, const std::string& channel, int count) {
    const auto before = head_of(db);
    db.query("insert into queue.message (channel, data, created_at) "
             "select $1, to_json(i), now() + interval '1 hour' from generate_series(1, $2::int) i",
             channel, count);
    return seqs_of(db, channel, before);
}

/// The deadline is far away because the rest after a sweep is ten times as long as the sweep took.
bool kept_is(database& db, const std::string& channel, const seqs& expected) {
    return eventually(60s, [&] { return seqs_of(db, channel) == expected; });
}

support::daemon::options options(const std::string& dsn,
                                 std::map<std::string, std::string> more = {}) {
    more.insert({"MESSAGES_RETENTION", "2s"});
    return {.dsn = dsn, .settings = std::move(more)};
}

/// Counts what is deleted, by statement.
void count_deletes(database& db) {
    db.exec("create table deletes (n bigint); create function note_delete() returns trigger "
            "language plpgsql security definer as "
            "$$ begin insert into public.deletes select count(*) from gone; return null; end $$;"
            "create trigger note_delete after delete on queue.message referencing old table as "
            "gone for each statement execute function note_delete()");
}

TEST(Retention, OldMessagesGoAndYoungOnesStay) {
    database db;
    const auto old_a = add_old(db, "a", 300);
    const auto young_a = add_young(db, "a", 5);
    add_old(db, "b", 10);
    support::daemon daemon(options(db.conninfo()));
    herald_client live(daemon.port());
    live.subscribe("a");
    EXPECT_TRUE(kept_is(db, "a", young_a));
    EXPECT_TRUE(kept_is(db, "b", {}));
    EXPECT_TRUE(eventually(20s, [&] {
        return count(daemon, "pgherald_messages_removed_total") == 310;
    })) << count(daemon, "pgherald_messages_removed_total");
    EXPECT_EQ(db.value("select seq from queue.trimmed where channel = 'a'"),
              std::to_string(old_a.back()));

    herald_client stale(daemon.port());
    stale.subscribe("a", after(old_a[100]));
    const auto reset = stale.next("reset");
    EXPECT_EQ(reset.at("reason"), "trimmed");
    EXPECT_EQ(reset.number("oldest"), young_a[0]);
    herald_client exact(daemon.port());
    exact.subscribe("a", after(old_a.back()));
    EXPECT_EQ(exact.next_seqs(5), young_a);

    // Messages grow old while it runs; who had them isn't reset.
    const auto more = add(db, "a", 3);
    EXPECT_EQ(live.next_seqs(3), more);
    EXPECT_TRUE(kept_is(db, "a", young_a));
    EXPECT_TRUE(quiet(live));
    EXPECT_EQ(db.value("select queue.head()"), std::to_string(more.back()));
}

TEST(Retention, WhatASlowConsumerLacksStaysInItsChannelOnly) {
    database db;
    const auto a = add_old(db, "a", 10);
    add_old(db, "b", 10);
    db.query("insert into queue.consumer (channel, name, acked_seq) "
             "values ('a', 'slow', $1), ('a', 'quick', $2)",
             a[3], a[7]);
    support::daemon daemon(options(db.conninfo()));
    EXPECT_TRUE(kept_is(db, "a", from(a, 4))) << "up to the slowest one";
    EXPECT_TRUE(kept_is(db, "b", {}));
    herald_client client(daemon.port());
    client.subscribe("a", as("slow"));
    EXPECT_EQ(client.next_seqs(6), from(a, 4));
    client.socket.send(ack("a", a[8]));
    EXPECT_TRUE(kept_is(db, "a", from(a, 8))) << "now the other one is the slowest";
    db.exec("delete from queue.consumer where name = 'quick'");
    EXPECT_TRUE(kept_is(db, "a", from(a, 9)));
    client.socket.send(ack("a", a[9]));
    EXPECT_TRUE(kept_is(db, "a", {}));
}

TEST(Retention, AConsumerThatWasAwayForTooLongIsNotWaitedFor) {
    database db;
    const auto a = add_old(db, "a", 10);
    const auto b = add_old(db, "b", 10);
    db.query("insert into queue.consumer (channel, name, acked_seq, updated_at) "
             "values ('a', 'away', $1, now() - interval '8 days'),"
             "       ('b', 'away', $2, now() - interval '6 days')",
             a[3], b[3]);
    support::daemon daemon(options(db.conninfo()));
    EXPECT_TRUE(kept_is(db, "a", {}));
    EXPECT_TRUE(kept_is(db, "b", from(b, 4))) << "within the 7 days of the default";
    herald_client client(daemon.port());
    client.subscribe("a", as("away"));
    EXPECT_EQ(client.next("reset").at("reason"), "trimmed");
    client.subscribe("b", as("away"));
    EXPECT_EQ(client.next_seqs(6), from(b, 4));
}

/// It says nothing for longer than the grace, because it has nothing to say yet.
TEST(Retention, AnIdleConsumerThatIsConnectedIsWaitedFor) {
    database db;
    support::daemon daemon(options(db.conninfo(), {{"MESSAGES_CONSUMER_GRACE", "6s"}}));
    herald_client client(daemon.port());
    client.subscribe("a", as("idle", 1));
    const auto a = add_old(db, "a", 5);
    EXPECT_EQ(client.next_seqs(1), upto(a, 1));
    // The clock: messages of another channel that go, for longer than two graces.
    const auto begun = steady::now();
    for (int swept = 0; steady::now() < begun + 13s || swept < 3;) {
        add_old(db, "clock", 1);
        ASSERT_TRUE(kept_is(db, "clock", {}));
        ++swept;
        ASSERT_EQ(seqs_of(db, "a"), a) << "after " << swept << " sweeps";
    }
    client.socket.abort();
    EXPECT_TRUE(kept_is(db, "a", {})) << "gone for longer than the grace";
}

TEST(Retention, TwoInstancesRemoveEachMessageOnce) {
    database db;
    count_deletes(db);
    support::daemon one(options(db.conninfo()));
    support::daemon two(options(db.conninfo()));
    for (const char* channel : {"a", "b", "c"}) {
        add_old(db, channel, 1'000);
    }
    const auto young = add_young(db, "a", 3);
    EXPECT_TRUE(kept_is(db, "a", young));
    EXPECT_TRUE(kept_is(db, "b", {}));
    EXPECT_TRUE(kept_is(db, "c", {}));
    const auto removed = [&] {
        return count(one, "pgherald_messages_removed_total") +
               count(two, "pgherald_messages_removed_total");
    };
    EXPECT_TRUE(eventually(20s, [&] { return removed() == 3'000; })) << removed();
    EXPECT_EQ(db.value("select sum(n) from deletes"), "3000");
}

/// Whatever keeps it from sweeping must not keep the others from it.
TEST(Retention, AStoppedInstanceDoesNotHoldTheOther) {
    database db;
    support::daemon one(options(db.conninfo()));
    support::daemon two(options(db.conninfo()));
    add_old(db, "a", 10);
    ASSERT_TRUE(kept_is(db, "a", {}));
    for (support::daemon* stopped : {&one, &two}) {
        stopped->signal(SIGSTOP);
        add_old(db, "a", 10);
        // The other may have been stopped within a sweep, which made that a long one.
        EXPECT_TRUE(kept_is(db, "a", {})) << (stopped == &one ? "one" : "two");
        stopped->signal(SIGCONT);
    }
}

TEST(Retention, PublishersAreNotHeldUp) {
    database db;
    count_deletes(db);
    support::daemon daemon(options(db.conninfo()));
    herald_client live(daemon.port());
    live.subscribe("live");
    std::atomic<std::size_t> written = 0;
    auto slowest = steady::duration::zero();
    std::jthread writer = worker([&](const std::stop_token& stop) {
        auto connection = db.connect();
        for (; !stop.stop_requested(); ++written) {
            const auto begun = steady::now();
            connection.exec(
                "insert into queue.message (channel, created_at) values "
                "('live', now() + interval '1 hour'), ('c0', now() + interval '1 hour')");
            slowest = std::max(slowest, steady::now() - begun);
        }
    });
    EXPECT_TRUE(eventually(20s, [&] { return written > 3; }));
    for (std::size_t i = 0; i < 10; ++i) {
        add_old(db, numbered("c", i), 2'000);
    }
    EXPECT_TRUE(eventually(120s, [&] {
        return db.value("select exists (select from queue.message where created_at < now())") ==
               "f";
    }));
    writer.request_stop();
    writer.join();
    EXPECT_LT(slowest, 10s);
    EXPECT_EQ(live.next_seqs(written), seqs_of(db, "live"));
    EXPECT_LE(std::stoi(*db.value("select max(n) from deletes")), 5'000) << "in small batches";
    RecordProperty("slowest_us", static_cast<int>(slowest / 1us));
    RecordProperty("written", static_cast<int>(written.load()));
}

/// The sweep may wait for it or pass over it; nothing else does.
TEST(Retention, AMessageThatSomebodyLocksIsRemovedLater) {
    database db;
    auto holder = db.connect();
    const auto a = add_old(db, "a", 10);
    holder.exec("begin");
    holder.query("select from queue.message where seq = $1 for update", a[4]);
    support::daemon daemon(options(db.conninfo()));
    herald_client client(daemon.port());
    client.subscribe("b");
    const auto b = add(db, "b", 1);
    EXPECT_EQ(client.next_seqs(1), b);
    holder.exec("rollback");
    EXPECT_TRUE(kept_is(db, "a", {}));
}

TEST(Retention, WithoutTheRightItSaysSoAndLives) {
    database db;
    role herald(db, grants::daemon);
    const auto a = add_old(db, "a", 3);
    support::daemon daemon(options(db.conninfo(herald.name())));
    EXPECT_TRUE(eventually(10s, [&] {
        return count(daemon, "pgherald_postgres_unusable_total{purpose=\"retention\"}") >= 1;
    })) << daemon.log();
    EXPECT_TRUE(daemon.says("permission denied")) << daemon.log();
    herald_client client(daemon.port());
    client.subscribe("a", from_start);
    EXPECT_EQ(client.next_seqs(3), a);
    const auto more = add(db, "a", 1);
    EXPECT_EQ(client.next_seqs(1), more);
    EXPECT_EQ(daemon.status_of("/readyz"), 200);
}

} // namespace
