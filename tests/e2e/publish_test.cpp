// Publish frames -> rows: receipts, retries by id, faults of single rows, a database that is away.
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

using support::herald_client;

constexpr auto id_one = "11111111-1111-4111-8111-111111111111";

std::string publish(const std::string& ref, const std::string& data, const std::string& more = "",
                    const std::string& channel = "c") {
    return R"({"type":"publish","ref":)" + ref + R"(,"channel":")" + channel + R"(","data":)" +
           data + more + "}";
}

class Publish : public testing::Test {
protected:
    support::database db;
    support::daemon daemon{{.dsn = db.conninfo()}};
    herald_client client{daemon.port()};
};

TEST_F(Publish, TheReceiptMeansTheRowIsThere) {
    for (int i = 0; i < 20; ++i) {
        const auto ok = client.call(publish("\"r\"", R"({"n": 1e400 })"), "ok");
        EXPECT_EQ(ok.at("ref"), "r");
        const auto rows =
            db.query("select seq, channel, data::text from queue.message where id=$1", ok.at("id"));
        ASSERT_EQ(rows.size(), 1U);
        EXPECT_EQ(rows[0][0], ok.at("seq"));
        EXPECT_EQ(rows[0][1], "c");
        EXPECT_EQ(rows[0][2], R"({"n": 1e400 })");
        EXPECT_EQ(ok.object.find("duplicate"), nullptr);
    }
}

TEST_F(Publish, ARetryByIdIsADuplicateOtherContentAConflict) {
    const std::string id = std::string(R"(,"id":")") + id_one + '"';
    const auto first = client.call(publish("1", "{\"a\":1}", id), "ok");
    EXPECT_EQ(first.at("id"), id_one);
    const auto again = client.call(publish("2", "{\"a\":1}", id), "ok");
    EXPECT_EQ(again.at("duplicate"), "true");
    EXPECT_EQ(again.at("seq"), first.at("seq"));
    EXPECT_EQ(client.call(publish("3", "{\"a\":2}", id), "error").at("code"), "conflict");
    EXPECT_EQ(client.call(publish("4", "{\"a\":1}", id, "other"), "error").at("code"), "conflict");
    EXPECT_EQ(db.value("select count(*) from queue.message"), "1");
}

TEST_F(Publish, ThousandsInFlightAreEachAnsweredOnceInOrder) {
    client.subscribe("c");
    constexpr int count = 900;
    for (int i = 0; i < count; ++i) {
        client.socket.send(publish(std::to_string(i), std::to_string(i)));
    }
    int receipts = 0;
    int messages = 0;
    while (receipts < count || messages < count) {
        const auto frame = client.next();
        if (frame.type() == "ok") {
            EXPECT_EQ(frame.number("ref"), receipts++);
        } else {
            EXPECT_EQ(frame.at("data"), std::to_string(messages++));
        }
    }
    EXPECT_EQ(daemon.metric("pgherald_published_total"), count);
}

TEST_F(Publish, OneRefusedRowInABatchFailsAlone) {
    db.exec("alter table queue.message add constraint no_bad check (data::text <> '\"bad\"')");
    std::set<std::string> refused;
    for (int i = 0; i < 300; ++i) {
        client.socket.send(publish(std::to_string(i), i % 100 == 57 ? "\"bad\"" : "1"));
    }
    for (int i = 0; i < 300; ++i) {
        const auto frame = client.next();
        if (frame.type() == "error") {
            EXPECT_EQ(frame.at("code"), "invalid_data");
            EXPECT_EQ(frame.at("retry"), "false");
            refused.insert(frame.at("ref"));
        }
    }
    EXPECT_EQ(refused, (std::set<std::string>{"57", "157", "257"}));
    EXPECT_EQ(db.value("select count(*) from queue.message"), "297");
}

TEST_F(Publish, AnUnforeseenAnswerOfTheDatabaseIsInternal) {
    db.exec("create function odd() returns trigger language plpgsql as "
            "$$ begin raise exception 'odd' using errcode = 'XX000'; end $$;"
            "create trigger odd before insert on queue.message for each row "
            "when (new.channel = 'odd') execute function odd()");
    EXPECT_EQ(client.call(publish("1", "1", "", "odd"), "error").at("code"), "internal");
    client.call(publish("2", "1"), "ok");
}

TEST_F(Publish, OneThatBreaksEachConnectionIsGivenUp) {
    db.exec("create function crash() returns trigger language plpgsql as "
            "$$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;"
            "create trigger crash before insert on queue.message for each row "
            "when (new.channel = 'poison') execute function crash()");
    client.socket.send(publish("1", "1", "", "poison"));
    const auto given_up = client.next("error", std::chrono::seconds(60));
    EXPECT_EQ(given_up.at("ref"), "1");
    EXPECT_EQ(given_up.at("code"), "unavailable");
    EXPECT_EQ(client.call(publish("2", "1"), "ok").at("ref"), "2") << "nobody waits behind it";
}

TEST_F(Publish, AValueTooLargeForAnIndexFailsAlone) {
    db.exec("create index on queue.message ((data ->> 'k'))");
    client.socket.send(publish("1", "{\"k\":1}"));
    std::string noise; // what can't be compressed
    for (unsigned seed = 1, i = 0; i < 12'000; ++i) {
        seed = seed * 1'103'515'245 + 12'345;
        noise += static_cast<char>('a' + (seed >> 16) % 26);
    }
    client.socket.send(publish("2", "{\"k\":\"" + noise + "\"}"));
    client.socket.send(publish("3", "{\"k\":3}"));
    for (const std::string ref : {"1", "2", "3"}) {
        const auto answer = client.next();
        EXPECT_EQ(answer.at("ref"), ref);
        EXPECT_EQ(answer.type(), ref == "2" ? "error" : "ok") << *answer.text;
        EXPECT_EQ(ref == "2" ? answer.at("code") : "invalid_data", "invalid_data");
    }
}

TEST_F(Publish, WithoutPermissionItIsForbidden) {
    db.exec("create function no_entry() returns trigger language plpgsql as "
            "$$ begin raise exception 'no' using errcode = '42501'; end $$;"
            "create trigger no_entry before insert on queue.message for each row "
            "when (new.channel = 'closed') execute function no_entry()");
    const auto answer = client.call(publish("1", "1", "", "closed"), "error");
    EXPECT_EQ(answer.at("code"), "forbidden");
    client.call(publish("2", "1"), "ok");
}

TEST(PublishLimits, DataThatCouldNotBeDeliveredIsTooLarge) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo(), .settings = {{"MESSAGES_MAX_DELIVERY", "1KiB"}}});
    herald_client client(daemon.port());
    const auto answer = client.call(publish("1", '"' + std::string(2'000, 'x') + '"'), "error");
    EXPECT_EQ(answer.at("code"), "too_large");
}

TEST(PublishAway, IsAnsweredUnavailableAndWorksAgainAfterwards) {
    support::postgres_server server({.fsync = true});
    support::database db(server);
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.call(publish("0", "0"), "ok");
    server.stop("immediate");
    constexpr int count = 1'100;
    for (int i = 0; i < count; ++i) {
        client.socket.send(publish(std::to_string(i), "1"));
    }
    int unavailable = 0;
    int limited = 0;
    for (int i = 0; i < count; ++i) {
        const auto frame = client.next("error", std::chrono::seconds(20));
        EXPECT_EQ(frame.at("retry"), "true");
        unavailable += frame.at("code") == "unavailable" ? 1 : 0;
        limited += frame.at("code") == "rate_limited" ? 1 : 0;
    }
    EXPECT_EQ(limited, count - 1'024) << "a session may have 1,024 publishes in flight";
    EXPECT_EQ(unavailable, 1'024);
    EXPECT_TRUE(support::eventually(std::chrono::seconds(20),
                                    [&] { return daemon.status_of("/readyz") == 503; }));
    EXPECT_EQ(daemon.status_of("/healthz"), 200);
    server.start();
    EXPECT_TRUE(support::eventually(std::chrono::seconds(20),
                                    [&] { return daemon.status_of("/readyz") == 200; }));
    EXPECT_TRUE(support::eventually(std::chrono::seconds(20),
                                    [&] { return client.call(publish("9", "9")).type() == "ok"; }));
    EXPECT_EQ(db.value("select count(*) from queue.message"), "2");
}

} // namespace
