// Postgres comes and goes: sessions stay, and every connected client has every message once, in
// order.
#include "tests/support/messages.hpp"
#include "tests/support/worker.hpp"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using support::herald_client;

TEST(Faults, ConnectedClientsMissNothingThroughFiveCrashesUnderLoad) {
    support::postgres_server server({.fsync = true});
    support::database db(server);
    // Nobody reads the sockets meanwhile, so nobody answers pings.
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = {{"WEBSOCKET_PING_INTERVAL", "10m"}}});
    std::vector<herald_client> clients;
    for (int i = 0; i < 6; ++i) {
        clients.emplace_back(daemon.port());
        clients.back().subscribe(i % 2 == 0 ? "even" : "odd");
    }

    std::jthread writer = support::worker([&](const std::stop_token& stop) {
        // Connections break at each crash; what was committed then is for the table to say.
        int n = 0;
        while (!stop.stop_requested()) {
            try {
                support::connection connection(db.conninfo());
                for (; !stop.stop_requested(); ++n) {
                    connection.query("insert into queue.message (channel, data) "
                                     "select c, to_json($1::int) from unnest($2::text[]) c",
                                     n, n % 3 == 0 ? "{even,odd,even}" : "{odd,even}");
                }
            } catch (const support::postgres_error&) {
                std::this_thread::yield();
            }
        }
    });
    for (int crash = 0; crash < 5; ++crash) {
        server.restart("immediate");
        EXPECT_TRUE(support::ready(daemon)) << daemon.log();
    }
    writer.request_stop();
    writer.join();
    db.exec(
        "insert into queue.message (channel, data) values ('even', '\"end\"'), ('odd', '\"end\"')");

    for (std::size_t i = 0; i < clients.size(); ++i) {
        std::vector<std::int64_t> got;
        while (true) {
            const auto message = clients[i].next("message", 20s);
            got.push_back(message.number("seq"));
            if (message.at("data") == "end") {
                break;
            }
        }
        EXPECT_EQ(got, support::seqs_of(db, i % 2 == 0 ? "even" : "odd"));
        EXPECT_GT(got.size(), 10U);
    }
    EXPECT_GE(daemon.metric("pgherald_postgres_reconnects_total{purpose=\"listen\"}"), 5);
}

TEST(Faults, KilledBackendsAreReplacedAndNothingIsMissed) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.subscribe("k");
    int sent = 0;
    for (const char* purpose : {"listen", "tail", "publish"}) {
        // The message is committed in the moment of the cut: nobody rings for it.
        db.query("select pg_terminate_backend(pid) from pg_stat_activity "
                 "where datname = current_database() and application_name = $1",
                 std::string("pgherald/") + purpose);
        db.query("insert into queue.message (channel, data) values ('k', to_json($1::int))", sent);
        EXPECT_EQ(client.next("message").at("data"), std::to_string(sent)) << purpose;
        ++sent;
        client.socket.send(R"({"type":"publish","ref":1,"channel":"k","data":)" +
                           std::to_string(sent) + "}");
        for (int frames = 0; frames < 2; ++frames) {
            const auto frame = client.next();
            EXPECT_TRUE(frame.type() == "ok" || frame.at("data") == std::to_string(sent))
                << *frame.text;
        }
        ++sent;
    }
    EXPECT_EQ(db.value("select count(*) from queue.message"), std::to_string(sent));
    EXPECT_TRUE(support::ready(daemon));
}

TEST(Faults, PublishesInFlightThroughACrashAreStoredOnceAndTold) {
    support::postgres_server server({.fsync = true});
    support::database db(server);
    // Nobody reads the socket while the server restarts, so nobody answers pings.
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = {{"WEBSOCKET_PING_INTERVAL", "10m"}}});
    herald_client client(daemon.port());
    constexpr int count = 600;
    for (int i = 0; i < count; ++i) {
        client.socket.send(R"({"type":"publish","channel":"p","ref":)" + std::to_string(i) +
                           R"(,"data":)" + std::to_string(i) + "}");
        if (i == count / 2) {
            server.restart("immediate");
        }
    }
    std::vector<std::string> stored;
    for (int i = 0; i < count; ++i) {
        const auto frame = client.next("", 20s);
        if (frame.type() == "ok") {
            EXPECT_EQ(frame.object.find("duplicate"), nullptr) << "its own retry is no duplicate";
            stored.push_back(frame.at("ref"));
            EXPECT_EQ(db.value("select data::text from queue.message where id = $1 and seq = $2",
                               frame.at("id"), frame.number("seq")),
                      frame.at("ref"));
        } else {
            EXPECT_EQ(frame.at("code"), "unavailable");
        }
    }
    std::ranges::sort(stored);
    EXPECT_EQ(std::ranges::unique(stored).begin(), stored.end());
    EXPECT_EQ(db.value("select count(*) = count(distinct data::text) from queue.message"), "t");
    EXPECT_GT(stored.size(), 100U);
}

TEST(Faults, ADroppedRowDoesNotStopTheOthers) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.subscribe("r");
    db.exec("begin; insert into queue.message (channel) values ('r'); rollback;"
            "insert into queue.message (channel, data) values ('r', '1')");
    EXPECT_EQ(client.next("message").at("data"), "1");
}

/// Not when the next attempt to connect is over, which comes ever later.
TEST(Faults, WhileTheDatabaseIsAwayRequestsAreAnsweredInFiveSeconds) {
    support::postgres_server server;
    support::database db(server);
    support::daemon daemon({.dsn = db.conninfo()});
    server.stop("immediate");
    herald_client client(daemon.port());
    herald_client other(daemon.port());
    for (int i = 0; i < 2; ++i) {
        const auto begun = std::chrono::steady_clock::now();
        client.socket.send(R"({"type":"history","ref":1,"channel":"a"})");
        other.socket.send(R"({"type":"subscribe","ref":1,"channel":"a","consumer":"c"})");
        for (herald_client* const each : {&client, &other}) {
            EXPECT_EQ(each->next("error").at("code"), "unavailable");
            EXPECT_LT(std::chrono::steady_clock::now() - begun, 9s) << i;
        }
    }
    server.start();
    EXPECT_TRUE(support::eventually(20s, [&] {
        return client.call(R"({"type":"history","ref":2,"channel":"a"})").type() == "ok";
    }));
}

} // namespace
