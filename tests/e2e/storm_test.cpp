// Hundreds of sessions that come back at once must not become hundreds of queries.
#include "tests/support/messages.hpp"

#include <csignal>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;

const std::size_t sessions = sanitized ? 100 : 500;

/// A server that writes every statement into its log, with the name of who sent it.
postgres_server& logging_server() {
    static postgres_server server(
        {.settings = {{"log_statement", "all"}, {"log_line_prefix", "<%a> "}}});
    return server;
}

class Storm : public testing::TestWithParam<const char*> {
protected:
    const bool in_memory = std::string(GetParam()) != "0";
    database db{logging_server()};
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", GetParam()}}}};
    std::size_t log_begins = 0;

    /// Statements of the daemon for its sessions since the storm began.
    std::size_t statements() const {
        const std::string log = logging_server().log();
        std::size_t found = 0;
        for (std::size_t at = log_begins; (at = log.find("<pgherald/replay>", at)) != log.npos;
             ++at) {
            ++found;
        }
        return found;
    }

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
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
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

INSTANTIATE_TEST_SUITE_P(Tails, Storm, testing::Values("64MiB", "0"), [](const auto& tested) {
    return std::string(tested.param) == "0" ? "FromTheTable" : "FromTheTail";
});

} // namespace
