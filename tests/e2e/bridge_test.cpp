// INSERT -> WebSocket: the main road, with the real daemon and a real Postgres.
#include "tests/support/daemon.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/logging_server.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace {

using support::herald_client;

class Bridge : public testing::Test {
protected:
    support::database db;
    support::daemon daemon{{.dsn = db.conninfo()}};

    void insert(const std::string& channel, const std::string& data) {
        db.query("insert into queue.message (channel, data) values ($1, $2::json)", channel, data);
    }
};

TEST_F(Bridge, ARowReachesTheSubscribersOfItsChannelOnly) {
    herald_client one(daemon.port());
    herald_client two(daemon.port());
    herald_client other(daemon.port());
    one.subscribe("sports");
    two.subscribe("sports");
    other.subscribe("news");
    insert("sports", R"({"match":"final"})");
    insert("news", "1");
    for (herald_client* client : {&one, &two}) {
        const auto message = client->next("message");
        EXPECT_EQ(message.at("channel"), "sports");
        EXPECT_EQ(message.at("data"), R"({"match":"final"})");
        EXPECT_EQ(message.at("id"),
                  db.value("select id from queue.message where channel='sports'"));
        EXPECT_EQ(message.at("seq"),
                  db.value("select seq from queue.message where channel='sports'"));
        EXPECT_EQ(message.at("created_at"),
                  db.value("select to_json(created_at at time zone 'UTC') #>> '{}' || '+00:00' "
                           "from queue.message where channel='sports'"));
    }
    EXPECT_EQ(other.next("message").at("channel"), "news") << "the first it gets is its own";
}

TEST_F(Bridge, DataIsByteExact) {
    herald_client client(daemon.port());
    client.subscribe("exact");
    const std::vector<std::string> texts = {
        "12345678901234567890.12345678901234567890",
        "1e400",
        "-0",
        R"({"a":1,"a":2,"b":{"a":1,"a":3}})",
        R"({ "spaced" :  [ 1 ,2,	3 ] })",
        R"("\u00e9\n\/\ud83d\ude00 é 😀 \u0000")",
        R"(null)",
        R"([])",
        R"("</script><script>alert(1)</script>")",
    };
    for (const std::string& text : texts) {
        insert("exact", text);
    }
    db.exec("insert into queue.message (channel) values ('exact')");
    for (const std::string& text : texts) {
        const auto message = client.next("message");
        const auto* data = message.object.find("data");
        ASSERT_NE(data, nullptr);
        EXPECT_EQ(data->raw, text);
    }
    EXPECT_EQ(client.next("message").at("data"), "null") << "a row without data";
}

TEST_F(Bridge, MessagesOfAnySizeComeInOrderWithTheirNeighbours) {
    herald_client client(daemon.port());
    client.subscribe("big");
    std::vector<std::size_t> sizes = {10, 7'999, 8'000, 10, 1 << 20, 10, 5 << 20, 65'536, 10};
    for (const std::size_t size : sizes) {
        insert("big", '"' + std::string(size - 2, 'x') + '"');
    }
    std::int64_t last = 0;
    for (const std::size_t size : sizes) {
        const auto message = client.next("message");
        EXPECT_EQ(message.object.find("data")->raw.size(), size);
        EXPECT_GT(message.number("seq"), last);
        last = message.number("seq");
    }
}

TEST_F(Bridge, ATransactionOfAHundredThousandRowsArrivesWholeAndInOrder) {
    herald_client client(daemon.port());
    client.subscribe("bulk");
    db.exec("insert into queue.message (channel, data) "
            "select 'bulk', to_json(i) from generate_series(1, 100000) i");
    std::int64_t last = 0;
    for (int i = 1; i <= 100'000; ++i) {
        const auto message = client.next("message");
        ASSERT_EQ(message.at("data"), std::to_string(i));
        ASSERT_GT(message.number("seq"), last);
        last = message.number("seq");
    }
    insert("bulk", "\"after\"");
    EXPECT_EQ(client.next("message").at("data"), "after");
}

TEST_F(Bridge, OddChannelNamesWork) {
    herald_client client(daemon.port());
    const std::vector<std::string> channels = {
        "it's \"quoted\"",
        "with spaces",
        "😀",
        "$1",
        "\\",
        "a;drop table queue.message",
        "Ünï",
        std::string(63, 'a'),
        std::string(64, 'b'),
        std::string(255, 'c'),
        "%s{}",
        "UPPER",
        "upper",
    };
    for (const std::string& channel : channels) {
        client.subscribe(channel);
    }
    for (const std::string& channel : channels) {
        insert(channel, "1");
        EXPECT_EQ(client.next("message").at("channel"), channel);
    }
    for (const std::string& channel : channels) {
        const auto receipt = client.call(R"({"type":"publish","ref":1,"data":2,"channel":)" +
                                         herald_client::quoted(channel) + "}");
        // Receipt and message take different roads: either may be first.
        const auto other = client.next();
        EXPECT_EQ((receipt.type() == "ok" ? other : receipt).at("channel"), channel);
    }
    EXPECT_EQ(db.value("select count(*) from queue.message"), std::to_string(2 * channels.size()));
}

TEST_F(Bridge, ASubscriberOnEachShardGetsEachMessageOnce) {
    std::vector<herald_client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.emplace_back(daemon.port());
        clients.back().subscribe("all");
    }
    for (int i = 0; i < 50; ++i) {
        insert("all", std::to_string(i));
    }
    for (herald_client& client : clients) {
        for (int i = 0; i < 50; ++i) {
            EXPECT_EQ(client.next("message").at("data"), std::to_string(i));
        }
    }
    EXPECT_EQ(daemon.metric("pgherald_deliveries_total"), 1'000);
}

/// Counted by the server: a read that finds nothing is in no metric.
TEST(ForgedRings, CostOnlyABoundedNumberOfReads) {
    support::database db(support::logging_server());
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.subscribe("real");
    auto forger = db.connect();
    forger.exec("set log_statement = none");
    const auto reads_before = support::statements("tail");
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 2'000; ++i) {
        forger.query("select pg_notify('queue_message', $1)", std::string(7'000, '['));
        forger.exec("notify \"queue_message \", '{'");
    }
    db.exec("insert into queue.message (channel, data) values ('real', '1')");
    EXPECT_EQ(client.next("message").at("data"), "1");
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
    const auto reads = static_cast<double>(support::statements("tail") - reads_before);
    EXPECT_GT(reads, 0) << "the log has them";
    // Empty reads rest for 20 ms after the first few.
    EXPECT_LE(reads, 20 + 60 * seconds.count());
    RecordProperty("reads", static_cast<int>(reads));
}

TEST(MaxDelivery, LargerRowsAreAnnouncedWithoutTheirData) {
    support::database db;
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = {{"MESSAGES_MAX_DELIVERY", "10KiB"}}});
    herald_client client(daemon.port());
    client.subscribe("big");
    db.query("insert into queue.message (channel, data) values ('big', $1::json), ('big', '1')",
             '"' + std::string(20'000, 'x') + '"');
    const auto message = client.next("message");
    EXPECT_EQ(message.at("too_large"), "true");
    EXPECT_EQ(message.object.find("data"), nullptr);
    EXPECT_EQ(client.next("message").at("data"), "1");
}

} // namespace
