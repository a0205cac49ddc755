// A cursor that can't be honoured is told so, and only then.
#include "tests/support/messages.hpp"

#include <csignal>
#include <functional>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;

std::string epoch_of(database& db) {
    return db.value("select queue.current_epoch()").value();
}

void remove(database& db, std::int64_t seq) {
    ASSERT_EQ(db.query("delete from queue.message where seq = $1 returning seq", seq).size(), 1U);
}

/// The next frame must be this reset; the head it gives.
std::int64_t expect_reset(herald_client& client, const std::string& channel,
                          const std::string& reason, std::int64_t oldest) {
    const auto reset = client.next("reset");
    EXPECT_EQ(reset.at("channel"), channel);
    EXPECT_EQ(reset.at("reason"), reason);
    EXPECT_EQ(reset.number("oldest"), oldest) << *reset.text;
    return reset.number("head");
}

/// What comes before a reset to `head` because of removed messages; `each` is called for each seq.
template <class Each>
seqs given_before_reset(herald_client& client, std::int64_t head, std::size_t most, Each each) {
    seqs given;
    while (true) {
        const auto frame = client.next();
        if (frame.type() == "reset") {
            EXPECT_EQ(frame.at("reason"), "trimmed");
            EXPECT_EQ(frame.number("head"), head);
            return given;
        }
        given.push_back(frame.number("seq"));
        each(given.back());
        if (given.size() > most) {
            ADD_FAILURE() << "no reset comes";
            return given;
        }
    }
}
seqs given_before_reset(herald_client& client, std::int64_t head, std::size_t most) {
    return given_before_reset(client, head, most, [](std::int64_t) {});
}

/// Live from the head: what comes now is given.
void expect_live(database& db, herald_client& client, const std::string& channel) {
    for (const int count : {1, 2}) {
        const auto fresh = add(db, channel, count);
        EXPECT_EQ(client.next_seqs(fresh.size()), fresh);
    }
}

/// Every replay is made from the table.
class Reset : public testing::Test {
protected:
    database db;
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", "0"}}}};
    std::string epoch = epoch_of(db);

    /// To whoever subscribes before this, what is removed went missing after he came.
    void wait_until_read(std::int64_t seq) {
        ASSERT_TRUE(eventually(
            10s, [&] { return daemon.metric("pgherald_position") >= static_cast<double>(seq); }));
    }
};

TEST_F(Reset, TrimmedIsOnlyTheChannelThatLostMessages) {
    const auto first = add(db, "base");
    seqs a;
    seqs b;
    for (int i = 0; i < 5; ++i) {
        a.push_back(add(db, "a").front());
        b.push_back(add(db, "b").front());
    }
    remove(db, a[1]);
    herald_client client(daemon.port());
    for (const std::string& with : {epoch, std::string()}) {
        const auto cursor = with.empty() ? after(first[0]) : after(first[0], with);
        client.subscribe("a", cursor);
        EXPECT_EQ(expect_reset(client, "a", "trimmed", a[0]), b.back());
        client.subscribe("b", cursor);
        EXPECT_EQ(client.next_seqs(5), b);
        client.subscribe("empty", cursor);
        EXPECT_TRUE(quiet(client));
        for (const char* channel : {"a", "b", "empty"}) {
            client.call(unsubscribe(channel), "ok");
        }
    }
    client.subscribe("a", after(first[0]));
    client.next("reset");
    expect_live(db, client, "a");
    EXPECT_EQ(resets(daemon, "trimmed"), 3);
    EXPECT_EQ(resets(daemon, "epoch") + resets(daemon, "ahead"), 0);
}

TEST_F(Reset, OnlyAMessageAfterTheCursorCounts) {
    const auto all = add(db, "a", 10);
    remove(db, all[4]);
    for (std::size_t at = 0; at < all.size(); ++at) {
        SCOPED_TRACE(at);
        herald_client client(daemon.port());
        client.subscribe("a", after(all[at], epoch));
        if (at < 4) {
            EXPECT_EQ(expect_reset(client, "a", "trimmed", all[0]), all.back());
            EXPECT_TRUE(quiet(client)) << "nothing up to the head";
        } else {
            EXPECT_EQ(client.next_seqs(9 - at), from(all, at + 1));
        }
    }
    herald_client client(daemon.port());
    client.subscribe("a", after(0));
    expect_reset(client, "a", "trimmed", all[0]);
}

TEST_F(Reset, OfAChannelThatHasNothingLeft) {
    const auto other = add(db, "other");
    add(db, "a", 5);
    const auto head = head_of(db);
    db.exec("delete from queue.message where channel = 'a'");
    herald_client client(daemon.port());
    client.subscribe("a", after(other[0], epoch));
    EXPECT_EQ(expect_reset(client, "a", "trimmed", 0), head);
    expect_live(db, client, "a");

    herald_client at_the_head(daemon.port());
    at_the_head.subscribe("a", after(head, epoch));
    EXPECT_EQ(at_the_head.next_seqs(3), seqs_of(db, "a"));
}

TEST_F(Reset, TheStartIsWhateverIsKept) {
    const auto all = add(db, "a", 6);
    remove(db, all[0]);
    remove(db, all[3]);
    wait_until_read(all.back());
    herald_client client(daemon.port());
    client.subscribe("a", from_start);
    EXPECT_EQ(client.next_seqs(4), seqs_of(db, "a"));
    expect_live(db, client, "a");

    herald_client stale(daemon.port());
    stale.subscribe("a", std::string(from_start) + R"(,"epoch":"another")");
    EXPECT_EQ(stale.next_seqs(7), seqs_of(db, "a"));

    const auto gone = add(db, "b", 3);
    db.exec("delete from queue.message");
    wait_until_read(gone.back());
    herald_client nothing(daemon.port());
    nothing.subscribe("b", from_start);
    EXPECT_TRUE(quiet(nothing));
    expect_live(db, nothing, "b");

    // One that isn't told yet would have to be told later.
    herald_client watcher(daemon.port());
    db.exec("truncate queue.message");
    watcher.next("epoch");
    herald_client truncated(daemon.port());
    truncated.subscribe("a", from_start);
    EXPECT_TRUE(quiet(truncated));
    expect_live(db, truncated, "a");
}

TEST_F(Reset, ADeleteThatDidNotHappenIsNone) {
    const auto all = add(db, "a", 5);
    db.exec("begin; delete from queue.message; rollback");
    db.exec("begin; insert into queue.message (channel) values ('a');"
            "delete from queue.message where seq > " +
            std::to_string(all.back()) + "; commit");
    herald_client client(daemon.port());
    client.subscribe("a", after(all[0], epoch));
    EXPECT_EQ(client.next_seqs(4), from(all, 1));
    EXPECT_TRUE(quiet(client));
}

/// What is gone from the table may still be in memory: then it is delivered or reset, and the
/// client can't tell the difference to a moment earlier.
TEST(ResetTail, WhatIsRemovedButRememberedMakesNoGap) {
    database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client live(daemon.port());
    live.subscribe("a");
    const auto all = add(db, "a", 10);
    EXPECT_EQ(live.next_seqs(10), all);
    remove(db, all[6]);
    add(db, "other");
    for (std::size_t at = 0; at < 10; ++at) {
        herald_client client(daemon.port());
        client.subscribe("a", after(all[at]));
        seqs got;
        while (at + 1 + got.size() < all.size()) {
            const auto frame = client.next();
            if (frame.type() == "reset") {
                EXPECT_EQ(frame.at("reason"), "trimmed");
                EXPECT_LT(at, 6U);
                EXPECT_TRUE(got.empty()) << "in place of the replay";
                break;
            }
            got.push_back(frame.number("seq"));
        }
        if (!got.empty()) {
            EXPECT_EQ(got, from(all, at + 1));
        }
    }
    EXPECT_TRUE(quiet(live)) << "it had everything";
    expect_live(db, live, "a");
}

/// Connected clients: nothing that was removed is skipped in silence. Whatever keeps the daemon
/// from seeing the row in time.
class ResetConnected : public testing::Test {
protected:
    database db;
    role herald{db, "alter role $role superuser"};
    support::daemon daemon{{.dsn = db.conninfo(herald.name())}};

    /// Rows come and go while the daemon sees nothing.
    void stopped(const std::function<void()>& meanwhile) {
        daemon.signal(SIGSTOP);
        meanwhile();
        daemon.signal(SIGCONT);
    }
    void disconnected(const std::function<void()>& meanwhile) {
        db.exec("alter role " + herald.name() + " nologin");
        ASSERT_TRUE(eventually(10s, [&] {
            // Also one that was let in just before.
            db.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1",
                     herald.name());
            return db.value("select count(*) from pg_stat_activity where usename = $1",
                            herald.name()) == "0";
        }));
        meanwhile();
        db.exec("alter role " + herald.name() + " login");
    }

    void unseen(bool stop, const std::function<void()>& meanwhile) {
        if (stop) {
            stopped(meanwhile);
        } else {
            disconnected(meanwhile);
        }
    }

    void a_removed_row_is_told_to_its_channel(bool stop) {
        herald_client a(daemon.port());
        herald_client b(daemon.port());
        a.subscribe("a");
        a.subscribe("c");
        b.subscribe("b");
        const auto delivered = add(db, "a", 3);
        EXPECT_EQ(a.next_seqs(3), delivered);
        seqs gone;
        seqs b_first;
        unseen(stop, [&] {
            remove(db, delivered[1]); // given already: of no consequence
            gone = add(db, "a");
            b_first = add(db, "b");
            remove(db, gone[0]);
            add(db, "c");
        });
        EXPECT_EQ(b.next_seqs(1), b_first);
        // Of "c" a message, of "a" the reset, in either order.
        bool reset = false;
        bool message = false;
        for (int frames = 0; frames < 2; ++frames) {
            const auto frame = a.next();
            if (frame.type() == "reset") {
                reset = true;
                EXPECT_EQ(frame.at("channel"), "a");
                EXPECT_EQ(frame.at("reason"), "trimmed");
                EXPECT_EQ(frame.number("oldest"), delivered[0]);
                EXPECT_GE(frame.number("head"), gone[0]);
            } else {
                message = frame.type() == "message" && frame.at("channel") == "c";
                EXPECT_TRUE(message) << *frame.text;
            }
        }
        EXPECT_TRUE(reset);
        EXPECT_TRUE(message);
        expect_live(db, a, "a");
        expect_live(db, b, "b");
        EXPECT_TRUE(quiet(a));
        EXPECT_TRUE(quiet(b));
        EXPECT_EQ(resets(daemon, "trimmed"), 1);
    }

    /// Some of a channel's new rows are removed and some stay.
    void a_hole_in_the_middle_is_told(bool stop) {
        herald_client client(daemon.port());
        client.subscribe("a");
        seqs all;
        unseen(stop, [&] {
            all = add(db, "a", 400);
            remove(db, all[200]);
        });
        const auto before = given_before_reset(client, all.back(), all.size());
        EXPECT_LE(before.size(), 200U) << "the gap is told before what comes after it";
        EXPECT_EQ(before, upto(all, before.size()));
        EXPECT_TRUE(quiet(client)) << "nothing up to the head";
        expect_live(db, client, "a");
    }
};

TEST_F(ResetConnected, ARowThatCameAndWentWhileTheDaemonWasStopped) {
    a_removed_row_is_told_to_its_channel(true);
}

TEST_F(ResetConnected, ARowThatCameAndWentWhileTheDaemonWasDisconnected) {
    a_removed_row_is_told_to_its_channel(false);
}

TEST_F(ResetConnected, AHoleInWhatCameWhileTheDaemonWasStopped) {
    a_hole_in_the_middle_is_told(true);
}

TEST_F(ResetConnected, AHoleInWhatCameWhileTheDaemonWasDisconnected) {
    a_hole_in_the_middle_is_told(false);
}

TEST_F(ResetConnected, WhatWasDeliveredMayGo) {
    herald_client client(daemon.port());
    client.subscribe("a");
    const auto all = add(db, "a", 20);
    EXPECT_EQ(client.next_seqs(20), all);
    db.exec("delete from queue.message");
    expect_live(db, client, "a");
    disconnected([&] { db.exec("delete from queue.message"); });
    ASSERT_TRUE(ready(daemon));
    expect_live(db, client, "a");
    EXPECT_TRUE(quiet(client));
}

TEST_F(ResetConnected, TruncatedWhileTheDaemonWasDisconnected) {
    herald_client client(daemon.port());
    client.subscribe("a");
    const auto delivered = add(db, "a", 5);
    EXPECT_EQ(client.next_seqs(5), delivered);
    disconnected([&] {
        add(db, "a", 50);
        db.exec("truncate queue.message");
    });
    EXPECT_EQ(client.next("epoch").at("epoch"), epoch_of(db));
    expect_reset(client, "a", "epoch", 0);
    expect_live(db, client, "a");
}

/// What a slow client has not been given when rows go: with a tail it may still come from memory.
class ResetBehind : public testing::TestWithParam<const char*> {
protected:
    database db;
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", GetParam()}}}};
    herald_client slow{daemon.port(), {.receive_buffer = 4'096}};
    seqs all;

    void fall_behind() {
        slow.subscribe("a");
        all = add(db, "a", 2'000, 8'000);
        ASSERT_TRUE(
            eventually(10s, [&] { return count(daemon, "pgherald_fell_behind_total") >= 1; }));
    }

    struct outcome {
        std::size_t messages = 0; ///< of `all`, without a gap
        std::string reason;       ///< of the reset
        std::int64_t head = 0;
    };
    /// Reads up to the reset, or all.
    outcome read_on() {
        outcome seen;
        while (seen.messages < all.size()) {
            const auto frame = slow.next();
            if (frame.type() == "reset") {
                seen.reason = frame.at("reason");
                seen.head = frame.number("head");
                break;
            }
            EXPECT_EQ(frame.number("seq"), all[seen.messages]);
            ++seen.messages;
        }
        return seen;
    }
    /// What makes the log another one is no matter of what memory holds.
    void expect_reset_by(const std::string& statement) {
        herald_client quick(daemon.port());
        fall_behind();
        db.exec(statement);
        quick.next("epoch");
        const auto seen = read_on();
        EXPECT_EQ(seen.reason, "epoch");
        EXPECT_LT(seen.messages, all.size());
        EXPECT_EQ(seen.head, all.back());
        expect_live(db, slow, "a");
    }
    bool from_table() const { return std::string(GetParam()) == "0"; }
};

TEST_P(ResetBehind, RowsThatAreRemovedBeforeItsTurn) {
    fall_behind();
    db.query("delete from queue.message where seq >= $1", all[1'900]);
    add(db, "other");
    const auto seen = read_on();
    if (from_table() || !seen.reason.empty()) {
        EXPECT_EQ(seen.reason, "trimmed");
        EXPECT_LE(seen.messages, 1'900U);
        EXPECT_GE(seen.head, all.back());
    } else {
        EXPECT_EQ(seen.messages, all.size());
    }
    expect_live(db, slow, "a");
}

TEST_P(ResetBehind, TheLogIsTruncated) {
    expect_reset_by("truncate queue.message");
}

TEST_P(ResetBehind, TheEpochIsReplaced) {
    expect_reset_by("select queue.new_epoch()");
}

INSTANTIATE_TEST_SUITE_P(Tails, ResetBehind, testing::Values("64MiB", "0"), [](const auto& tested) {
    return std::string(tested.param) == "0" ? "FromTheTable" : "FromTheTail";
});

/// The log is replaced: everybody is told once, each subscription is reset.
class ResetEpoch : public testing::TestWithParam<const char*> {
protected:
    database db;
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", GetParam()}}}};
    std::string old = epoch_of(db);

    /// Reads the frames that a session with these subscriptions is given: the epoch, then resets.
    void expect_replaced(herald_client& client, std::vector<std::string> channels,
                         std::int64_t oldest, std::int64_t head) {
        EXPECT_EQ(client.next("epoch").at("epoch"), epoch_of(db));
        while (!channels.empty()) {
            const auto reset = client.next_of_any_type("reset");
            if (reset.type() == "live") {
                continue;
            }
            ASSERT_EQ(reset.type(), "reset") << *reset.text;
            EXPECT_EQ(reset.at("reason"), "epoch");
            EXPECT_EQ(reset.number("oldest"), oldest);
            EXPECT_EQ(reset.number("head"), head);
            EXPECT_EQ(std::erase(channels, reset.at("channel")), 1U) << *reset.text;
        }
    }
};

TEST_P(ResetEpoch, TruncateWithConnectedClients) {
    herald_client one(daemon.port());
    herald_client two(daemon.port());
    herald_client none(daemon.port());
    one.subscribe("a");
    one.subscribe("b");
    two.subscribe("a", from_start);
    const auto all = add(db, "a", 10);
    EXPECT_EQ(one.next_seqs(10), all);
    EXPECT_EQ(two.next_seqs(10), all);
    db.exec("truncate queue.message");
    EXPECT_NE(epoch_of(db), old);
    expect_replaced(one, {"a", "b"}, 0, all.back());
    expect_replaced(two, {"a"}, 0, all.back());
    expect_replaced(none, {}, 0, 0);
    expect_live(db, one, "a");
    EXPECT_EQ(two.next_seqs(3), seqs_of(db, "a"));
    EXPECT_TRUE(quiet(one));
    none.socket.send(R"({"type":"ping","ref":1})");
    EXPECT_EQ(none.next_of_any_type("ok").type(), "ok") << "told once";
    EXPECT_EQ(herald_client(daemon.port()).welcome.at("epoch"), epoch_of(db));
    EXPECT_EQ(resets(daemon, "epoch"), 3);
    EXPECT_EQ(resets(daemon, "trimmed") + resets(daemon, "ahead"), 0);
    EXPECT_EQ(count(daemon, "pgherald_epoch_changes_total"), 1);
}

TEST_P(ResetEpoch, TruncateWithReturningClients) {
    herald_client watcher(daemon.port());
    const auto all = add(db, "a", 10);
    const auto emptied = all.back();
    db.exec("truncate queue.message");
    watcher.next("epoch");
    const auto expect_return = [&](const std::string& more, const std::string& reason) {
        SCOPED_TRACE(more);
        herald_client client(daemon.port());
        client.subscribe("a", more);
        const auto kept = seqs_of(db, "a");
        if (!reason.empty()) {
            EXPECT_EQ(expect_reset(client, "a", reason, kept.empty() ? 0 : kept[0]), head_of(db));
        } else {
            EXPECT_EQ(client.next_seqs(kept.size()), kept);
        }
        EXPECT_TRUE(quiet(client));
        const auto fresh = add(db, "a");
        EXPECT_EQ(client.next_seqs(1), fresh);
    };
    expect_return(after(all[3], old), "epoch");
    expect_return(after(all[3]), "epoch");
    expect_return(after(0), "epoch");
    expect_return(after(emptied, old), "epoch");
    expect_return(after(emptied), "");
    expect_return(after(emptied, epoch_of(db)), "");
    expect_return(from_start, "");
    expect_return(std::string(from_start) + ",\"epoch\":\"" + old + '"', "");
    expect_return(after(emptied + 1'000'000), "ahead");
}

TEST_P(ResetEpoch, NothingThatWasTruncatedIsDeliveredAfterwards) {
    herald_client live(daemon.port());
    live.subscribe("a");
    for (int round = 0; round < 5; ++round) {
        const auto gone = add(db, "a", 20);
        EXPECT_EQ(live.next_seqs(20), gone);
        db.exec("truncate queue.message");
        const auto kept = add(db, "a", 3);
        // At once: this daemon may not know yet.
        herald_client client(daemon.port());
        client.subscribe("a", after(gone[5], old));
        auto frame = client.next();
        for (; frame.type() == "message"; frame = client.next()) {
            EXPECT_LE(frame.number("seq"), gone.back()) << "nothing new before the reset";
        }
        EXPECT_EQ(frame.at("reason"), "epoch") << *frame.text;
        const auto head = frame.number("head");
        EXPECT_GE(head, gone.back());
        live.next("reset");
        const auto last = add(db, "a");
        const auto after_reset = seqs_of(db, "a", head);
        EXPECT_EQ(client.next_seqs(after_reset.size()), after_reset);
        // It knows: nothing of the old log comes, whatever is asked for.
        for (const std::string& more : {std::string(from_start), after(gone.back())}) {
            herald_client late(daemon.port());
            late.subscribe("a", more);
            EXPECT_EQ(late.next_seqs(4), (seqs{kept[0], kept[1], kept[2], last[0]}));
        }
        while (live.next("message").number("seq") != last[0]) {
        }
        old = epoch_of(db);
    }
}

TEST_P(ResetEpoch, ANewEpoch) {
    herald_client one(daemon.port());
    one.subscribe("a");
    one.subscribe("b");
    const auto all = add(db, "a", 10);
    const auto more = add(db, "b", 1);
    one.next_seqs(11);
    db.exec("select queue.new_epoch()");
    EXPECT_EQ(one.next("epoch").at("epoch"), epoch_of(db));
    for (int i = 0; i < 2; ++i) {
        const auto reset = one.next("reset");
        EXPECT_EQ(reset.at("reason"), "epoch");
        EXPECT_EQ(reset.number("oldest"), reset.at("channel") == "a" ? all[0] : more[0]);
        EXPECT_EQ(reset.number("head"), more[0]);
    }
    expect_live(db, one, "a");
    expect_live(db, one, "b");

    herald_client stale(daemon.port());
    stale.subscribe("a", after(all[4], old));
    EXPECT_EQ(expect_reset(stale, "a", "epoch", all[0]), head_of(db));
    expect_live(db, stale, "a");

    herald_client present(daemon.port());
    present.subscribe("a", after(all[4], epoch_of(db)));
    EXPECT_EQ(present.next_seqs(5), from(all, 5));

    herald_client start(daemon.port());
    start.subscribe("a", std::string(from_start) + ",\"epoch\":\"" + old + '"');
    EXPECT_EQ(start.next_seqs(10), all);
}

TEST_P(ResetEpoch, ThreeEpochsInARow) {
    herald_client client(daemon.port());
    client.subscribe("a");
    for (int i = 0; i < 3; ++i) {
        db.exec("select queue.new_epoch()");
    }
    // However many it is told of: after the last one a reset.
    const auto last = epoch_of(db);
    std::string told;
    for (bool reset = false; !reset || told != last;) {
        const auto frame = client.next_of_any_type("epoch or reset");
        reset = frame.type() == "reset";
        if (frame.type() == "epoch") {
            told = frame.at("epoch");
        }
    }
    expect_live(db, client, "a");
}

INSTANTIATE_TEST_SUITE_P(Tails, ResetEpoch, testing::Values("64MiB", "0"), [](const auto& tested) {
    return std::string(tested.param) == "0" ? "FromTheTable" : "FromTheTail";
});

/// A consumer that is reset goes on from the head of the reset, also in the table.
class ResetConsumer : public Reset {
protected:
    void expect_moved(const std::string& channel, std::int64_t head) {
        EXPECT_TRUE(eventually(20s, [&] { return acked(db, channel, "w") == head; }))
            << acked(db, channel, "w").value_or(-1) << ", not " << head;
    }
    /// It isn't reset again, and loses nothing from there on.
    void expect_going_on(const std::string& channel) {
        const auto more = add(db, channel, 3);
        for (int i = 0; i < 2; ++i) {
            herald_client again(daemon.port());
            again.subscribe(channel, as("w"));
            EXPECT_EQ(again.next_seqs(3), more);
        }
    }
};

TEST_F(ResetConsumer, Trimmed) {
    const auto all = add(db, "a", 10);
    {
        herald_client client(daemon.port());
        client.subscribe("a", as("w", 5) + from_start);
        EXPECT_EQ(client.next_seqs(5), upto(all, 5));
        client.socket.send(ack("a", all[1]));
        expect_moved("a", all[1]);
    }
    remove(db, all[1]);
    {
        herald_client client(daemon.port());
        client.subscribe("a", as("w", 5));
        EXPECT_EQ(client.next_seqs(5), from(upto(all, 7), 2)) << "done already: no reset";
        client.socket.send(ack("a", all[2]));
        expect_moved("a", all[2]);
    }
    remove(db, all[6]);
    {
        herald_client client(daemon.port());
        client.subscribe("a", as("w", 5));
        EXPECT_EQ(expect_reset(client, "a", "trimmed", all[0]), all.back());
        expect_moved("a", all.back());
    }
    expect_going_on("a");
}

TEST_F(ResetConsumer, TrimmedBehindAFullWindow) {
    const auto all = add(db, "a", 10);
    herald_client client(daemon.port());
    client.subscribe("a", as("w", 4) + from_start);
    EXPECT_EQ(client.next_seqs(4), upto(all, 4));
    remove(db, all[6]);
    client.socket.send(ack("a", all[0]));
    const auto given = given_before_reset(
        client, all.back(), 2, [&](std::int64_t seq) { client.socket.send(ack("a", seq)); });
    EXPECT_EQ(given, from(upto(all, 4 + given.size()), 4));
    expect_moved("a", all.back());
    // What was under way before the reset holds no room in the window.
    const auto fresh = add(db, "a", 6);
    EXPECT_EQ(client.next_seqs(4), upto(fresh, 4));
    EXPECT_TRUE(quiet(client));
    client.socket.abort();
    herald_client again(daemon.port());
    again.subscribe("a", as("w"));
    EXPECT_EQ(again.next_seqs(6), fresh);
}

TEST_F(ResetConsumer, TruncatedWhileConnected) {
    herald_client client(daemon.port());
    client.subscribe("a", as("w", 3));
    const auto all = add(db, "a", 10);
    client.next_seqs(3);
    client.socket.send(ack("a", all[0]));
    client.next_seqs(1);
    db.exec("truncate queue.message");
    EXPECT_EQ(expect_reset(client, "a", "epoch", 0), all.back());
    expect_moved("a", all.back());
    const auto fresh = add(db, "a", 5);
    EXPECT_EQ(client.next_seqs(3), upto(fresh, 3));
    client.call(ack("a", fresh[0], "1"), "ok");
    expect_moved("a", fresh[0]);
}

TEST_F(ResetConsumer, TruncatedWhileAway) {
    const auto all = add(db, "a", 10);
    {
        herald_client client = consumer_given(daemon, "a", "w", 10);
        client.socket.send(ack("a", all[3]));
        expect_moved("a", all[3]);
    }
    db.exec("truncate queue.message");
    const auto epoch = db.value("select queue.current_epoch()").value();
    ASSERT_TRUE(
        eventually(20s, [&] { return herald_client(daemon.port()).welcome.at("epoch") == epoch; }));
    {
        herald_client client(daemon.port());
        client.subscribe("a", as("w"));
        EXPECT_EQ(expect_reset(client, "a", "epoch", 0), all.back());
        expect_moved("a", all.back());
    }
    expect_going_on("a");
}

TEST_F(ResetConsumer, ANewOneThatCannotBeginWhereItWants) {
    const auto all = add(db, "a", 5);
    {
        herald_client client(daemon.port());
        client.subscribe("a", as("w") + after(1'000'000));
        EXPECT_EQ(expect_reset(client, "a", "ahead", all[0]), all.back());
        expect_moved("a", all.back());
    }
    expect_going_on("a");
    {
        herald_client client(daemon.port());
        client.subscribe("b", as("w") + after(all[0], "another"));
        EXPECT_EQ(expect_reset(client, "b", "epoch", 0), head_of(db));
        expect_moved("b", head_of(db));
    }
    expect_going_on("b");
}

/// What was gone before it existed is no loss to it, however often it comes back.
TEST_F(ResetConsumer, ANewOneFromTheStartOfATrimmedChannel) {
    const auto all = add(db, "a", 10);
    db.query("delete from queue.message where seq <= $1", all[2]);
    wait_until_read(all.back());
    for (int i = 0; i < 3; ++i) {
        herald_client client(daemon.port());
        client.subscribe("a", as("w") + from_start);
        EXPECT_EQ(client.next_seqs(7), from(all, 3));
    }
    const auto b = add(db, "b", 10);
    remove(db, b[5]);
    wait_until_read(b.back());
    {
        herald_client client(daemon.port());
        client.subscribe("b", as("w") + from_start);
        EXPECT_EQ(client.next_seqs(9), seqs_of(db, "b"));
        client.socket.send(ack("b", b[7]));
        expect_moved("b", b[7]);
    }
    herald_client again(daemon.port());
    again.subscribe("b", as("w"));
    EXPECT_EQ(again.next_seqs(2), from(b, 8));

    const auto c = add(db, "c", 3);
    db.exec("delete from queue.message where channel = 'c'");
    wait_until_read(c.back());
    herald_client client(daemon.port());
    client.subscribe("c", as("w") + from_start);
    EXPECT_TRUE(quiet(client));
    expect_live(db, client, "c");
}

TEST_F(ResetConsumer, AnAckOfAnotherEpochCountsForNothing) {
    const auto all = add(db, "a", 5);
    herald_client client(daemon.port());
    client.subscribe("a", as("w", 20) + from_start);
    EXPECT_EQ(client.next_seqs(5), all);
    const auto in = [](std::string frame, const std::string& epoch) {
        return frame.insert(frame.size() - 1, ",\"epoch\":\"" + epoch + '"');
    };
    client.call(in(ack("a", all[4], "1"), "11111111-1111-4111-8111-111111111111.1"), "ok");
    client.call(in(ack("a", all[1], "2"), epoch_of(db)), "ok");
    expect_moved("a", all[1]);
}

/// What it acknowledged beyond the copy's end says nothing of the messages that get those numbers
/// now.
TEST_F(ResetConsumer, ConnectedWhileTheLogBecomesAnOlderCopyOfItself) {
    const auto all = add(db, "a", 10);
    herald_client client(daemon.port());
    client.subscribe("a", as("w", 20) + from_start);
    EXPECT_EQ(client.next_seqs(10), all);
    client.socket.send(ack("a", all[9]));
    expect_moved("a", all[9]);
    const auto end = std::to_string(all[4]);
    db.exec("set session_replication_role = replica;"
            "delete from queue.message where seq > " +
            end +
            ";"
            "update queue.consumer set acked_seq = " +
            end +
            ";"
            "select setval('queue.message_seq', " +
            end + "), setval('queue.settled_seq', " + end +
            ");"
            "reset session_replication_role");
    EXPECT_EQ(expect_reset(client, "a", "ahead", all[0]), all[4]);
    const auto more = add(db, "a", 3);
    ASSERT_LT(more[2], all[9]);
    EXPECT_EQ(client.next_seqs(3), more);
    client.socket.send(ack("a", more[2]));
    expect_moved("a", more[2]);
}

/// As after a backup was restored: the one way back there is.
TEST_F(ResetConsumer, OneThatIsAheadOfTheLog) {
    const auto all = add(db, "a", 5);
    db.exec("insert into queue.consumer (channel, name, acked_seq) values ('a', 'w', 1000000)");
    {
        herald_client client(daemon.port());
        client.subscribe("a", as("w"));
        EXPECT_EQ(expect_reset(client, "a", "ahead", all[0]), all.back());
        expect_moved("a", all.back());
    }
    expect_going_on("a");
    EXPECT_EQ(resets(daemon, "ahead"), 1);
}

} // namespace
