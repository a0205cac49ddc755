// Publishing as the database role that a token names: policies on queue.message decide.
#include "tests/support/daemon.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace {

using support::herald_client;

class Roles : public testing::Test {
protected:
    // Roles belong to the server, so their names are this test's own.
    void SetUp() override {
        admin.exec("create role roles_web nologin; create role roles_anon nologin;"
                   "create role roles_other nologin;");
    }
    void TearDown() override {
        daemon.reset();
        admin.exec("drop owned by roles_web, roles_anon, roles_other;"
                   "drop role roles_web, roles_anon, roles_other;");
    }

    void start(const std::string& more = "") {
        daemon.emplace(support::daemon::options{
            .dsn = db.conninfo(), .arguments = {"serve", "--config", files.put("pgherald.toml", R"(
[auth]
mode = "token"
secret = ")" + support::token_secret + R"("
role_claim = "role"
roles = ["roles_web"]
)" + more + R"(
[[channel]]
pattern = "*"
subscribe = "anyone"
publish = "anyone"
)")}});
        admin.exec(R"(
            grant usage on schema queue to roles_web, roles_anon;
            grant insert (id, channel, data, sender) on queue.message to roles_web, roles_anon;
            alter table queue.message enable row level security;
            create policy own on queue.message for insert to roles_web
                with check (channel = 'room.' ||
                            (current_setting('request.jwt.claims')::json ->> 'room'));
            create policy lobby on queue.message for insert to roles_anon
                with check (channel = 'lobby');)");
    }

    herald_client connect(const std::string& claims) {
        return herald_client(
            daemon->port(),
            {.headers = {{"Authorization",
                          "Bearer " + support::hmac_token(support::token_secret, claims)}}});
    }

    /// "ok", or the code of the error.
    static std::string publish(herald_client& client, const std::string& channel,
                               const std::string& more = "") {
        const auto got = client.call(R"({"type":"publish","data":1,"channel":)" +
                                     herald_client::quoted(channel) + more + "}");
        return got.type() == "error" ? got.at("code") : got.type();
    }

    support::database db;
    support::connection admin{db.conninfo()};
    support::folder files;
    std::optional<support::daemon> daemon;
};

TEST_F(Roles, APolicyDecidesByTheTokensClaims) {
    start();
    auto client = connect(R"({"sub":"ada","role":"roles_web","room":"7"})");
    auto reader = connect(R"({"sub":"bob"})");
    reader.subscribe("room.7");
    EXPECT_EQ(publish(client, "room.7"), "ok");
    EXPECT_EQ(reader.next("message").at("sender"), "ada");
    EXPECT_EQ(publish(client, "room.8"), "forbidden");
    EXPECT_EQ(publish(client, "room.7"), "ok") << "the refused one costs nothing else";
    EXPECT_EQ(*admin.value("select count(*) from queue.message"), "2");
}

TEST_F(Roles, ARoleThatIsNotListedMayNotPublish) {
    start();
    auto other = connect(R"({"sub":"eve","role":"roles_other"})");
    EXPECT_EQ(publish(other, "room.7"), "forbidden");
    auto owner = connect(R"({"sub":"eve","role":"postgres"})");
    EXPECT_EQ(publish(owner, "room.7"), "forbidden");
    auto none = connect(R"({"sub":"eve"})");
    EXPECT_EQ(publish(none, "room.7"), "forbidden") << "not as the daemon itself";
    herald_client stranger(daemon->port());
    EXPECT_EQ(publish(stranger, "lobby"), "forbidden");
    EXPECT_EQ(*admin.value("select count(*) from queue.message"), "0");
}

TEST_F(Roles, WhoNamesNoRoleMayHaveOne) {
    start("anonymous_role = \"roles_anon\"");
    herald_client stranger(daemon->port());
    EXPECT_EQ(publish(stranger, "lobby"), "ok");
    EXPECT_EQ(publish(stranger, "room.7"), "forbidden");
    auto nameless = connect(R"({"sub":"eve"})");
    EXPECT_EQ(publish(nameless, "lobby"), "ok");
}

TEST_F(Roles, OneBatchHoldsManyPeopleAndKeepsEachOnesOrder) {
    start();
    support::connection blocker(db.conninfo());
    blocker.exec("begin; lock table queue.message in exclusive mode");
    constexpr int people = 4;
    constexpr int each = 50;
    std::vector<herald_client> clients;
    for (int who = 0; who < people; ++who) {
        const auto room = std::to_string(who);
        clients.push_back(
            connect(R"({"sub":"p)" + room + R"(","role":"roles_web","room":")" + room + "\"}"));
    }
    for (int i = 0; i < each; ++i) {
        for (int who = 0; who < people; ++who) {
            // Every tenth is refused, which must not touch its neighbours.
            const std::string room = i % 10 == 9 ? "none" : std::to_string(who);
            clients[static_cast<std::size_t>(who)].socket.send(
                R"({"type":"publish","ref":)" + std::to_string(i) + R"(,"data":)" +
                std::to_string(i) + R"(,"channel":"room.)" + room + "\"}");
        }
    }
    blocker.exec("rollback");
    for (auto& client : clients) {
        std::set<std::string> answered;
        for (int i = 0; i < each; ++i) {
            const auto got = client.next();
            const int ref = std::stoi(got.at("ref"));
            EXPECT_EQ(got.type(), ref % 10 == 9 ? "error" : "ok") << *got.text;
            answered.insert(got.at("ref"));
        }
        EXPECT_EQ(answered.size(), std::size_t{each});
    }
    EXPECT_EQ(*admin.value("select count(*) from queue.message"),
              std::to_string(people * each * 9 / 10));
    EXPECT_EQ(*admin.value("select count(*) from (select data::text::int as n, "
                           "lag(data::text::int) over (partition by channel order by seq) as p "
                           "from queue.message) o where n <= p"),
              "0");
    EXPECT_EQ(*admin.value("select count(*) from queue.message "
                           "where channel <> 'room.' || substr(sender, 2)"),
              "0");
}

TEST_F(Roles, AnIdIsStoredOnceAndBelongsToItsSender) {
    start();
    auto ada = connect(R"({"sub":"ada","role":"roles_web","room":"7"})");
    auto bob = connect(R"({"sub":"bob","role":"roles_web","room":"7"})");
    const std::string id = R"(,"id":"0190a6e4-7c3f-7f6e-9d2b-3f1c5a7e9b01")";
    const auto first =
        ada.call(R"({"type":"publish","channel":"room.7","data":1)" + id + "}", "ok");
    const auto again =
        ada.call(R"({"type":"publish","channel":"room.7","data":1)" + id + "}", "ok");
    EXPECT_EQ(again.at("duplicate"), "true");
    EXPECT_EQ(again.at("seq"), first.at("seq"));
    EXPECT_EQ(publish(bob, "room.7", id), "conflict");
}

} // namespace
