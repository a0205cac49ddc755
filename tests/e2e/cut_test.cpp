// Connections that are dead without saying so: packets are dropped, no FIN and no RST ever comes.
// In a network namespace of its own, so that the rules reach nothing else; hence a binary of its
// own.
#include "tests/support/messages.hpp"
#include "tests/support/private_network.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;
using steady = std::chrono::steady_clock;

/// Why these tests can't run here; empty when they can.
std::string not_possible = "main() has not run";

constexpr auto canary_interval = 2s;
/// What a busy machine may add.
constexpr auto margin = 5s;

bool iptables(const std::string& rule) {
    return std::system(("iptables -w " + rule + " > /dev/null 2>&1").c_str()) == 0;
}

/// A network of our own, before any thread or server is started.
std::string enter_own_network() {
    std::string why_not = enter_private_network();
    if (why_not.empty() &&
        (!iptables("-A INPUT -p tcp --sport 1 -j DROP") || !iptables("-F INPUT"))) {
        why_not = "iptables is not installed or not permitted";
    }
    return why_not;
}

std::string id_of(int n) {
    return "33333333-3333-4333-8333-00000000" + std::to_string(1'000 + n);
}

class Cut : public testing::Test {
protected:
    void SetUp() override {
        if (!not_possible.empty()) {
            GTEST_SKIP() << not_possible;
        }
        static postgres_server for_all({.tcp = true});
        server = &for_all;
        db.emplace(*server);
    }
    void TearDown() override {
        if (not_possible.empty()) {
            heal();
        }
    }

    void start(std::map<std::string, std::string> settings = {}) {
        settings.insert({"POSTGRES_CANARY_INTERVAL", "2s"});
        daemon.emplace(support::daemon::options{.dsn = server->tcp_conninfo(db->name()),
                                                .settings = std::move(settings)});
    }

    /// The daemon's ends of its connections for `purpose`. The test's own ones are unix sockets.
    std::set<std::string> ports_of(const std::string& purpose) {
        std::set<std::string> ports;
        for (const auto& row : db->query("select client_port from pg_stat_activity "
                                         "where application_name = $1 and "
                                         "datname = current_database()",
                                         "pgherald/" + purpose)) {
            ports.insert(*row[0]);
        }
        return ports;
    }

    /// On lo everything is INPUT once, whichever way it goes.
    void cut_from_server(const std::set<std::string>& ports) {
        for (const std::string& port : ports) {
            ASSERT_TRUE(iptables("-A INPUT -p tcp --sport " + std::to_string(server->tcp_port()) +
                                 " --dport " + port + " -j DROP"));
        }
    }
    void cut(const std::set<std::string>& ports) {
        ASSERT_FALSE(ports.empty());
        cut_from_server(ports);
        for (const std::string& port : ports) {
            ASSERT_TRUE(iptables("-A INPUT -p tcp --sport " + port + " --dport " +
                                 std::to_string(server->tcp_port()) + " -j DROP"));
        }
    }
    void cut_all() {
        const std::string port = std::to_string(server->tcp_port());
        ASSERT_TRUE(iptables("-A INPUT -p tcp --sport " + port + " -j DROP"));
        ASSERT_TRUE(iptables("-A INPUT -p tcp --dport " + port + " -j DROP"));
    }
    void heal() { EXPECT_TRUE(iptables("-F INPUT")); }

    std::size_t descriptors() const {
        const std::filesystem::directory_iterator files("/proc/" + std::to_string(daemon->pid()) +
                                                        "/fd");
        return static_cast<std::size_t>(std::distance(begin(files), end(files)));
    }
    double reconnects(const std::string& purpose) const {
        return count(*daemon, "pgherald_postgres_reconnects_total{purpose=\"" + purpose + "\"}");
    }

    /// Rows come at once: somebody rings, nobody polls.
    void expect_prompt(herald_client& client, const std::string& channel) {
        for (int i = 0; i < 5; ++i) {
            const auto fresh = add(*db, channel);
            const auto begun = steady::now();
            EXPECT_EQ(client.next_seqs(1), fresh);
            EXPECT_LT(steady::now() - begun, 3s);
        }
    }

    void the_listen_connection_is_found_dead(bool both_ways) {
        start();
        herald_client client(daemon->port());
        client.subscribe("c");
        expect_prompt(client, "c");
        const auto before = descriptors();
        const auto ports = ports_of("listen");
        ASSERT_EQ(ports.size(), 1U);
        if (both_ways) {
            cut(ports);
        } else {
            cut_from_server(ports);
        }
        const auto begun = steady::now();
        const auto meanwhile = add(*db, "c", 3);
        EXPECT_EQ(client.next_seqs(3), meanwhile);
        EXPECT_LT(steady::now() - begun, 2 * canary_interval + margin);
        EXPECT_TRUE(eventually(begun + 2 * canary_interval + margin, [&] {
            return reconnects("listen") >= 1;
        })) << daemon->log();
        EXPECT_GE(count(*daemon, "pgherald_canary_failures_total"), 1);
        EXPECT_TRUE(daemon->says("did not come back")) << daemon->log();
        ASSERT_TRUE(ready(*daemon));
        EXPECT_FALSE(ports_of("listen").empty());
        expect_prompt(client, "c");
        EXPECT_TRUE(quiet(client)) << "nothing twice";
        EXPECT_TRUE(eventually(20s, [&] { return descriptors() <= before; }))
            << "the dead socket is still open: " << descriptors() << " after " << before;
    }

    postgres_server* server = nullptr;
    std::optional<database> db;
    std::optional<support::daemon> daemon;
};

TEST_F(Cut, TheListenConnection) {
    the_listen_connection_is_found_dead(true);
}

TEST_F(Cut, TheListenConnectionInOneDirection) {
    the_listen_connection_is_found_dead(false);
}

/// Twice in a row: the second canary is as good as the first.
TEST_F(Cut, TheListenConnectionAgainAndAgain) {
    start();
    herald_client client(daemon->port());
    client.subscribe("c");
    for (int round = 1; round <= 2; ++round) {
        ASSERT_TRUE(ready(*daemon));
        expect_prompt(client, "c");
        cut(ports_of("listen")); // also those that the server takes for alive
        const auto begun = steady::now();
        EXPECT_TRUE(eventually(begun + 2 * canary_interval + margin,
                               [&] { return reconnects("listen") >= round; }))
            << round << '\n'
            << daemon->log();
    }
    ASSERT_TRUE(ready(*daemon));
    expect_prompt(client, "c");
}

TEST_F(Cut, TheConnectionThatReads) {
    start();
    herald_client client(daemon->port());
    client.subscribe("c");
    expect_prompt(client, "c");
    cut(ports_of("tail"));
    const auto begun = steady::now();
    const auto meanwhile = add(*db, "c", 3);
    EXPECT_EQ(client.next_seqs(3), meanwhile);
    EXPECT_LT(steady::now() - begun, 15s);
    ASSERT_TRUE(ready(*daemon));
    expect_prompt(client, "c");
    EXPECT_TRUE(quiet(client));
}

TEST_F(Cut, TheConnectionsThatReplay) {
    start({{"MESSAGES_TAIL", "0"}});
    const auto all = add(*db, "c", 300);
    herald_client first(daemon->port());
    first.subscribe("c", after(all[0]));
    EXPECT_EQ(first.next_seqs(299), from(all, 1));
    cut(ports_of("replay"));
    herald_client second(daemon->port());
    const auto subscribed = eventually(20s, [&] {
        const auto answer = second.call(R"({"type":"subscribe","ref":1,"channel":"c","after":0})");
        EXPECT_TRUE(answer.type() == "ok" || answer.at("code") == "unavailable") << *answer.text;
        return answer.type() == "ok";
    });
    ASSERT_TRUE(subscribed);
    EXPECT_EQ(second.next_seqs(300), all);
    EXPECT_TRUE(quiet(second));
}

TEST_F(Cut, AllConnectionsThenHealed) {
    start();
    herald_client client(daemon->port());
    herald_client publisher(daemon->port());
    client.subscribe("c");
    expect_prompt(client, "c");
    cut_all();
    const auto begun = steady::now();
    const auto meanwhile = add(*db, "c", 3);
    constexpr int publishes = 20;
    const auto publish = [&](int n) {
        publisher.socket.send(R"({"type":"publish","ref":)" + std::to_string(n) +
                              R"(,"channel":"p","id":")" + id_of(n) + R"(","data":)" +
                              std::to_string(n) + "}");
    };
    for (int n = 0; n < publishes; ++n) {
        publish(n);
    }
    EXPECT_TRUE(eventually(begun + 2 * canary_interval + margin, [&] {
        return daemon->status_of("/readyz") == 503;
    })) << daemon->log();
    EXPECT_EQ(daemon->status_of("/healthz"), 200);
    heal();
    ASSERT_TRUE(ready(*daemon)) << daemon->log();
    EXPECT_EQ(client.next_seqs(3), meanwhile);
    expect_prompt(client, "c");

    std::map<int, std::string> receipts;
    std::set<int> refused;
    for (int answers = 0; answers < publishes; ++answers) {
        const auto answer = publisher.next("", 20s);
        const int ref = static_cast<int>(answer.number("ref"));
        EXPECT_FALSE(receipts.contains(ref) || refused.contains(ref)) << "answered twice";
        if (answer.type() == "ok") {
            receipts[ref] = answer.at("seq");
        } else {
            EXPECT_EQ(answer.at("code"), "unavailable");
            refused.insert(ref);
        }
    }
    EXPECT_TRUE(quiet(publisher));
    for (const int n : refused) {
        publish(n);
        receipts[n] = publisher.next("ok").at("seq");
    }
    for (int n = 0; n < publishes; ++n) {
        EXPECT_EQ(db->value("select seq from queue.message where id = $1", id_of(n)), receipts[n]);
    }
}

/// The statement arrives, its answer doesn't: was it stored? Found out by id.
TEST_F(Cut, ThePublishConnectionWhileAnswersAreUnderWay) {
    start();
    herald_client publisher(daemon->port());
    constexpr int total = 300;
    const auto publish = [&](int n) {
        publisher.socket.send(R"({"type":"publish","ref":)" + std::to_string(n) +
                              R"(,"channel":"p","id":")" + id_of(n) + R"(","data":)" +
                              std::to_string(n) + "}");
    };
    publish(0);
    publisher.next("ok");
    cut_from_server(ports_of("publish"));
    for (int n = 1; n < total; ++n) {
        publish(n);
    }
    ASSERT_TRUE(eventually(20s, [&] {
        return db->value("select count(*) > 1 from queue.message") == "t";
    })) << "stored, and nobody has been told";
    std::map<int, std::string> receipts;
    std::set<int> refused;
    for (int answers = 1; answers < total; ++answers) {
        const auto answer = publisher.next("", 20s);
        const int ref = static_cast<int>(answer.number("ref"));
        EXPECT_FALSE(receipts.contains(ref) || refused.contains(ref)) << "answered twice";
        if (answer.type() == "ok") {
            EXPECT_EQ(answer.object.find("duplicate"), nullptr) << "its own retry is no duplicate";
            receipts[ref] = answer.at("seq");
        } else {
            EXPECT_EQ(answer.at("code"), "unavailable");
            refused.insert(ref);
        }
    }
    EXPECT_TRUE(quiet(publisher));
    for (const auto& [n, seq] : receipts) {
        EXPECT_EQ(db->value("select seq from queue.message where id = $1", id_of(n)), seq);
    }
    for (const int n : refused) {
        publish(n);
        publisher.next("ok");
    }
    EXPECT_EQ(db->value("select count(*) from queue.message"), std::to_string(total));
    EXPECT_GT(receipts.size(), 100U) << "a short cut is no reason to refuse";
}

} // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    not_possible = enter_own_network();
    return RUN_ALL_TESTS();
}
