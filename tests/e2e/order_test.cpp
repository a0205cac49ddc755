// Many writers at once: every committed row once, in rising seq, for everybody who follows.
#include "tests/support/daemon.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/worker.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using support::herald_client;

/// Short in the suite, ten seconds with PGHERALD_LONG=1.
std::chrono::milliseconds duration() {
    return std::getenv("PGHERALD_LONG") != nullptr ? std::chrono::seconds(10)
                                                   : std::chrono::seconds(3);
}

/// Transactions of one to a few rows with pauses inside, every sixth rolled back.
void write(const support::database& db, unsigned seed, const std::stop_token& stop) {
    std::mt19937 random(seed);
    auto connection = db.connect();
    while (!stop.stop_requested()) {
        connection.exec("begin");
        for (unsigned row = 0; row <= random() % 4; ++row) {
            connection.exec("insert into queue.message (channel, data) "
                            "select 'order', to_json(i) from generate_series(1, " +
                            std::to_string(1 + random() % 3) + ") i");
            connection.query("select pg_sleep($1)", static_cast<double>(random() % 20) / 1000.0);
        }
        connection.exec(random() % 6 == 0 ? "rollback" : "commit");
    }
}

TEST(Order, TwelveWritersAndTwentySocketsAgreeWithTheTable) {
    support::database db;
    // Nobody reads the sockets while the writers write, so nobody answers pings.
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = {{"WEBSOCKET_PING_INTERVAL", "10m"}}});
    std::vector<herald_client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.emplace_back(daemon.port());
        clients.back().subscribe("order");
    }
    auto listener = db.connect();
    listener.exec("listen \"order\"");

    std::vector<std::jthread> writers;
    for (unsigned seed = 0; seed < 12; ++seed) {
        writers.push_back(
            support::worker([&db, seed](const std::stop_token& stop) { write(db, seed, stop); }));
    }
    std::vector<std::string> notified;
    std::vector<std::int64_t> polled;
    std::int64_t position = 0;
    const auto end = std::chrono::steady_clock::now() + duration();
    const auto follow = [&] {
        for (const auto& row :
             db.query("select seq from queue.message where seq > $1 order by seq", position)) {
            position = std::stoll(*row[0]);
            polled.push_back(position);
        }
        for (const auto& notification : listener.notifications()) {
            const support::frame row(notification.payload);
            notified.push_back(row.at("id"));
        }
    };
    while (std::chrono::steady_clock::now() < end) {
        follow();
    }
    for (std::jthread& writer : writers) {
        writer.request_stop();
    }
    writers.clear();
    db.exec("insert into queue.message (channel, data) values ('order', '\"end\"')");
    listener.exec("select 1");
    follow();

    std::vector<std::int64_t> truth;
    std::vector<std::string> ids;
    for (const auto& row : db.query("select seq, id from queue.message order by seq")) {
        truth.push_back(std::stoll(*row[0]));
        ids.push_back(*row[1]);
    }
    EXPECT_GT(truth.size(), 500U);
    EXPECT_EQ(polled, truth) << "a reader that asks for what is after its last seq";
    EXPECT_EQ(notified, ids) << "LISTEN on the row's own channel";
    for (herald_client& client : clients) {
        EXPECT_EQ(client.next_seqs(truth.size()), truth);
    }
}

/// Shows that the comparison above can fail: with numbers drawn from a plain sequence, a row that
/// commits late is skipped.
TEST(Order, APlainSequenceLosesALateCommit) {
    support::database db;
    db.exec("alter table queue.message disable trigger user;"
            "alter table queue.message alter column seq set default nextval('queue.message_seq')");
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.subscribe("order");
    auto late = db.connect();
    late.exec("begin; insert into queue.message (channel, data) values ('order', '\"late\"')");
    db.exec("insert into queue.message (channel, data) values ('order', '\"early\"');"
            "notify queue_message");
    EXPECT_EQ(client.next("message").at("data"), "early");
    late.exec("commit");
    db.exec("insert into queue.message (channel, data) values ('order', '\"end\"');"
            "notify queue_message");
    EXPECT_EQ(client.next("message").at("data"), "end") << "the late row has been skipped";
}

} // namespace
