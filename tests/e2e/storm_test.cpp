// Hundreds of sessions that come back at once must not become hundreds of queries, and one that
// comes back to thousands of channels is no brake on others.
#include "tests/support/logging_server.hpp"
#include "tests/support/messages.hpp"

#include <atomic>
#include <csignal>
#include <future>
#include <map>
#include <memory>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;

const std::size_t sessions = sanitized ? 100 : 500;

class Storm : public testing::TestWithParam<const char*> {
protected:
    const bool in_memory = std::string(GetParam()) != "0";
    database db{logging_server()};
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", GetParam()}}}};
    std::size_t log_begins = 0;

    /// Statements of the daemon for its sessions since the storm began.
    std::size_t statements() const { return support::statements("replay", log_begins); }

    /// All are there before the first is answered: the daemon stands still meanwhile.
    template <class Cursor>
    std::vector<herald_client> come_back(const std::string& channel, Cursor cursor) {
        std::vector<herald_client> clients;
        for (std::size_t i = 0; i < sessions; ++i) {
            clients.emplace_back(daemon.port());
        }
        const std::string epoch = clients[0].welcome.at("epoch");
        log_begins = logging_server().log().size();
        daemon.signal(SIGSTOP);
        for (std::size_t i = 0; i < sessions; ++i) {
            clients[i].socket.send(R"({"type":"subscribe","ref":1,"channel":")" + channel + '"' +
                                   after(cursor(i), epoch) + "}");
        }
        daemon.signal(SIGCONT);
        return clients;
    }

    double reads() const { return count(daemon, "pgherald_replay_reads_total"); }
};

TEST_P(Storm, FiveHundredSessionsAHundredMessagesBack) {
    const auto all = add(db, "s", 300, 100);
    herald_client watcher(daemon.port());
    watcher.subscribe("s", after(all[298]));
    watcher.next_seqs(1);
    const double before = reads();
    std::size_t sent = 0;
    for (int round = 0; round < 2; ++round) {
        const auto begun = std::chrono::steady_clock::now();
        auto clients = come_back("s", [&](std::size_t) { return all[199]; });
        for (herald_client& client : clients) {
            client.next("ok");
            ASSERT_EQ(client.next_seqs(100), from(all, 200));
        }
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 60s);
        for (herald_client& client : clients) {
            client.socket.abort();
        }
        if (in_memory) {
            EXPECT_EQ(reads(), before) << "nothing is read that is in memory";
        }
        EXPECT_LT(statements(), 60U) << "for " << sessions << " sessions";
        sent += statements();
    }
    if (!in_memory) {
        EXPECT_GT(reads(), before) << "the counter counts";
        EXPECT_LT(reads() - before, 100) << "for " << 2 * sessions << " resumes";
        EXPECT_GT(sent, 0U) << "the log has them";
    }
}

/// Pages that differ are reads of their own: then there are fewer sessions and the table answers.
TEST_P(Storm, EachAtACursorOfItsOwn) {
    herald_client watcher(daemon.port());
    watcher.subscribe("s");
    const auto all = add(db, "s", 200, 100);
    watcher.next_seqs(all.size());
    const double before = reads();
    auto clients = come_back("s", [&](std::size_t i) { return all[i % 200]; });
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].next("ok");
        const auto rest = from(all, i % 200 + 1);
        ASSERT_EQ(clients[i].next_seqs(rest.size()), rest);
    }
    if (in_memory) {
        EXPECT_EQ(reads(), before);
        EXPECT_LT(statements(), 60U);
    } else {
        // A page of each cursor's own, at least one for most, and what it leaves.
        EXPECT_GT(reads() - before, 50);
        EXPECT_LT(reads() - before, 1'000);
    }
}

/// Each channel from the table, which answers once all have been asked for.
TEST(StormOfChannels, ThousandsResumedByOneSessionAreNoBrakeOnOthers) {
    using steady = std::chrono::steady_clock;
    const std::size_t channels = sanitized ? 300 : 3'000;
    constexpr std::size_t each = 4; // messages, of which the client has the first
    database db;
    db.query("insert into queue.message (channel, data) "
             "select 'c' || i % $1::int, to_json(i) from generate_series(1, $2::int) i",
             channels, each * channels);
    std::map<std::string, seqs> truth;
    for (const row& one : db.query("select channel, seq from queue.message order by seq")) {
        truth[*one[0]].push_back(std::stoll(*one[1]));
    }
    support::daemon daemon(
        {.dsn = db.conninfo(),
         .settings = {{"SERVER_THREADS", "1"}, {"LIMITS_FRAMES_PER_SECOND", "0"}}});
    herald_client other(daemon.port());
    std::atomic<bool> over = false;
    auto pinging = std::async(std::launch::async, [&] {
        auto longest = steady::duration::zero();
        while (!over) {
            const auto asked = steady::now();
            other.call(R"({"type":"ping"})", "ok");
            longest = std::max(longest, steady::now() - asked);
        }
        return longest;
    });
    // Whatever fails, the thread comes to its end.
    const std::shared_ptr<void> ends(nullptr, [&](void*) { over = true; });

    const auto begun = steady::now();
    std::map<std::string, seqs> got;
    {
        herald_client client(daemon.port());
        const std::string epoch = client.welcome.at("epoch");
        std::size_t answered = 0;
        std::size_t live = 0;
        const auto take = [&] {
            const frame one = client.next_of_any_type("");
            if (one.type() == "message") {
                got[one.at("channel")].push_back(one.number("seq"));
            } else if (one.type() == "live") {
                ++live;
            } else {
                ASSERT_EQ(one.type(), "ok") << *one.text;
                ++answered;
            }
        };
        auto blocker = db.connect();
        blocker.exec("begin; lock table queue.message in access exclusive mode");
        std::size_t asked = 0;
        for (const auto& [channel, all] : truth) {
            client.socket.send(R"({"type":"subscribe","ref":1,"channel":")" + channel + '"' +
                               after(all.front(), epoch) + "}");
            // All at once would fill the kernel's buffers on both sides.
            if (++asked % 500 == 0) {
                while (answered < asked) {
                    ASSERT_NO_FATAL_FAILURE(take());
                }
            }
        }
        blocker.exec("rollback");
        while (live < channels) {
            ASSERT_NO_FATAL_FAILURE(take());
        }
    }
    const auto took = steady::now() - begun;
    over = true;
    const auto longest = pinging.get();
    for (auto& [channel, all] : truth) {
        all.erase(all.begin());
    }
    EXPECT_TRUE(got == truth) << "each message once, in order";
    EXPECT_LT(took, sanitized ? 60s : 10s);
    EXPECT_LT(longest, sanitized ? 5s : 2s);
    const auto ms = [](auto time) {
        return static_cast<int>(
            std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
    };
    RecordProperty("took_ms", ms(took));
    RecordProperty("longest_ping_ms", ms(longest));
}

INSTANTIATE_TEST_SUITE_P(Tails, Storm, testing::Values("64MiB", "0"), [](const auto& tested) {
    return std::string(tested.param) == "0" ? "FromTheTable" : "FromTheTail";
});

} // namespace
