// Cursors: resuming, replaying, falling behind and catching up are one thing.
#include "tests/support/messages.hpp"

#include <csignal>
#include <map>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;

/// With a tail of nothing every replay comes from the table.
class Resume : public testing::TestWithParam<const char*> {
protected:
    database db;
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", GetParam()}}}};
};

TEST_P(Resume, FromASeqThenLive) {
    herald_client first(daemon.port());
    first.subscribe("r");
    add(db, "r", 50);
    add(db, "other", 50);
    const auto seen = first.next_seqs(20);
    add(db, "r", 3'000);

    herald_client second(daemon.port());
    second.subscribe("r", after(seen.back()));
    const auto expected = seqs_of(db, "r", seen.back());
    EXPECT_EQ(second.next_seqs(expected.size()), expected);
    EXPECT_GE(second.next("live").number("seq"), expected.back());
    add(db, "r", 1);
    EXPECT_EQ(second.next_seqs(1), seqs_of(db, "r", expected.back()));
}

TEST_P(Resume, FromTheStartWhileWritersGoOn) {
    add(db, "r", 5'000);
    herald_client client(daemon.port());
    client.subscribe("r", R"(,"after":"start")");
    add(db, "r", 500);
    const auto expected = seqs_of(db, "r");
    EXPECT_EQ(client.next_seqs(expected.size()), expected);
}

TEST_P(Resume, AnEmptyReplayIsLiveAtOnce) {
    add(db, "other", 3);
    herald_client client(daemon.port());
    const auto ok = client.subscribe("r", after(0));
    EXPECT_EQ(client.next("live").number("seq"), ok.number("head"));
}

TEST_P(Resume, ASlowClientGetsEverythingOnceOnTheSameSocket) {
    herald_client slow(daemon.port(), {.receive_buffer = 4'096});
    herald_client quick(daemon.port());
    slow.subscribe("s");
    quick.subscribe("s");
    for (int i = 0; i < 20; ++i) {
        add(db, "s", 100, 8'000);
    }
    const auto expected = seqs_of(db, "s");
    EXPECT_EQ(quick.next_seqs(expected.size()), expected) << "nobody else is delayed";
    EXPECT_TRUE(eventually(20s, [&] { return daemon.metric("pgherald_fell_behind_total") >= 1; }));
    EXPECT_EQ(slow.next_seqs(expected.size()), expected);
    slow.next("live");
}

/// First in line, it would be given all the room there ever is.
TEST_P(Resume, ABusyChannelIsNoBrakeOnAQuietOne) {
    herald_client watcher(daemon.port());
    watcher.subscribe("quiet");
    add(db, "busy", 2'000, 2'000);
    add(db, "quiet", 40, 2'000);
    watcher.next_seqs(40);
    herald_client slow(daemon.port(), {.receive_buffer = 4'096});
    slow.subscribe("busy", after(0));
    slow.socket.send(R"({"type":"subscribe","ref":2,"channel":"quiet","after":0})");
    std::map<std::string, std::vector<std::int64_t>> got;
    std::size_t busy_before = 0;
    while (got["busy"].size() < 2'000 || got["quiet"].size() < 40) {
        const auto one = slow.next();
        if (one.type() == "message") {
            got[one.at("channel")].push_back(one.number("seq"));
            busy_before = got["quiet"].size() < 40 ? got["busy"].size() : busy_before;
        }
    }
    EXPECT_LT(busy_before, 1'000U) << "messages of the busy one until the quiet one had all";
    EXPECT_EQ(got["busy"], seqs_of(db, "busy"));
    EXPECT_EQ(got["quiet"], seqs_of(db, "quiet"));
}

INSTANTIATE_TEST_SUITE_P(Tails, Resume, testing::Values("64MiB", "0"), [](const auto& tested) {
    return std::string(tested.param) == "0" ? "FromTheTable" : "FromTheTail";
});

TEST(ResumeEdges, ACursorBeyondTheLogIsReset) {
    database db;
    support::daemon daemon({.dsn = db.conninfo()});
    add(db, "r", 3);
    herald_client client(daemon.port());
    client.subscribe("r", after(1'000'000));
    const auto reset = client.next("reset");
    EXPECT_EQ(reset.at("reason"), "ahead");
    EXPECT_EQ(reset.number("head"), seqs_of(db, "r").back());
    add(db, "r", 1);
    EXPECT_EQ(client.next_seqs(1).back(), seqs_of(db, "r").back()) << "live from the head";
}

TEST(ResumeEdges, ForOneThatIsGoneNothingMoreIsRead) {
    support::database db;
    add(db, "r", 20'000, 100);
    support::daemon daemon({.dsn = db.conninfo(), .settings = {{"SERVER_THREADS", "1"}}});
    herald_client other(daemon.port());
    {
        auto blocker = db.connect();
        blocker.exec("begin; lock table queue.message in access exclusive mode");
        herald_client client(daemon.port());
        client.subscribe("r", after(0));
        ASSERT_TRUE(support::eventually(std::chrono::seconds(5), [&] {
            return daemon.metric("pgherald_replay_reads_total") == 1;
        }));
        client.socket.abort();
        for (int i = 0; i < 3; ++i) {
            other.call(R"({"type":"ping"})", "ok"); // it has seen the end by now
        }
        blocker.exec("rollback");
    }
    ASSERT_TRUE(support::eventually(std::chrono::seconds(10),
                                    [&] { return daemon.metric("pgherald_sessions") == 1; }));
    EXPECT_EQ(daemon.metric("pgherald_replay_reads_total"), 1);
}

TEST(ResumeEdges, ACursorOfAnotherLogIsReset) {
    database db;
    support::daemon daemon({.dsn = db.conninfo()});
    add(db, "r", 3);
    herald_client client(daemon.port());
    client.subscribe("r", after(1) + R"(,"epoch":"another")");
    EXPECT_EQ(client.next("reset").at("reason"), "epoch");
    herald_client same(daemon.port());
    same.subscribe("r", after(0) + ",\"epoch\":\"" + same.welcome.at("epoch") + '"');
    EXPECT_EQ(same.next_seqs(3), seqs_of(db, "r"));
}

TEST(ResumeEdges, AnotherInstanceThatLagsIsNoReasonForAReset) {
    database db;
    support::daemon one({.dsn = db.conninfo()});
    add(db, "r", 3);
    // Stopped before it can read on: its memory ends where the table goes on.
    one.signal(SIGSTOP);
    add(db, "r", 3);
    const auto last = seqs_of(db, "r").back();
    one.signal(SIGCONT);
    herald_client client(one.port());
    client.subscribe("r", after(last));
    EXPECT_GE(client.next("live").number("seq"), last);
    add(db, "r", 1);
    EXPECT_EQ(client.next_seqs(1), seqs_of(db, "r", last));
}

} // namespace
