// SIGHUP: the configuration is read again, and takes hold of sessions that are open.
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using support::herald_client;

const std::string first_secret = "the first secret of forty characters....";
const std::string second_secret = "the second secret of forty characters...";

class Reload : public testing::Test {
protected:
    void start(const std::string& config, const std::map<std::string, std::string>& more = {},
               const std::vector<std::string>& unset = {}) {
        path = files.put("pgherald.toml", config);
        daemon.emplace(support::daemon::options{.dsn = db.conninfo(),
                                                .settings = more,
                                                .unset = unset,
                                                .arguments = {"serve", "--config", path}});
    }

    /// False where that isn't seen in the log in time.
    bool reload(const std::string& config, const std::string& says) {
        files.put("pgherald.toml", config);
        const auto before = daemon->log().size();
        daemon->signal(SIGHUP);
        return support::eventually(
            5s, [&] { return daemon->log().find(says, before) != std::string::npos; });
    }

    std::string answer_to(herald_client& client, const std::string& text) {
        const auto got = client.call(text);
        return got.type() == "error" ? got.at("code") : got.type();
    }

    support::database db;
    support::folder files;
    std::string path;
    std::optional<support::daemon> daemon;
};

std::string rule(const std::string& pattern, const std::string& who) {
    return "[[channel]]\npattern = \"" + pattern + "\"\nsubscribe = \"" + who + "\"\npublish = \"" +
           who + "\"\n";
}

TEST_F(Reload, RulesHoldForOpenSessionsFromThenOn) {
    start("");
    herald_client client(daemon->port());
    client.subscribe("a");
    client.subscribe("b");
    ASSERT_TRUE(reload(rule("b", "nobody"), "the new configuration is in use changed=channel"));
    EXPECT_EQ(client.next("unsubscribed").at("channel"), "b");
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"b"})"), "forbidden");
    db.exec("insert into queue.message (channel) values ('b'), ('a')");
    EXPECT_EQ(client.next("message").at("channel"), "a");
    ASSERT_TRUE(reload("", "the new configuration is in use"));
    client.subscribe("b");
}

TEST_F(Reload, ClaimsGoByTheNamesTheyHaveNow) {
    const std::string config = "[auth]\nmode = \"token\"\nsecret = \"" + first_secret + "\"\n";
    start(config);
    const auto token = support::hmac_token(
        first_secret, R"({"sub":"a","pgherald":{"subscribe":["a"]},"may":{"subscribe":["b"]}})");
    herald_client client(daemon->port(), {.headers = {{"Authorization", "Bearer " + token}}});
    client.subscribe("a");
    ASSERT_TRUE(reload(config + "claim = \"may\"\n", "changed=auth.claim"));
    EXPECT_EQ(client.next("unsubscribed").at("channel"), "a");
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"a"})"), "forbidden");
    client.subscribe("b");
    EXPECT_EQ(daemon->metric("pgherald_denied_total"), 1);
}

// Each change began it anew.
TEST_F(Reload, TheTimeForATokenGoesOn) {
    const std::string config = "[auth]\nmode = \"token\"\nauth_timeout = \"3s\"\nsecret = \"" +
                               first_secret + "\"\n" + rule("*", "token");
    start(config);
    herald_client silent(daemon->port());
    bool closed = false;
    for (int i = 0; i < 40 && !closed; ++i) {
        EXPECT_TRUE(reload(config, "the new configuration is in use"));
        closed = silent.socket.wait_closed(500ms);
    }
    EXPECT_TRUE(closed);
    EXPECT_EQ(silent.socket.close_code(), 4401);
}

TEST_F(Reload, AWrongConfigurationChangesNothing) {
    start(rule("closed", "nobody"));
    herald_client client(daemon->port());
    ASSERT_TRUE(reload("[server]\nthreds = 2\n[websocket]\nmax_frame = 5\n" + rule("x", "whoever"),
                       "pgherald.toml:2 server.threds"));
    EXPECT_TRUE(support::eventually(20s, [&] {
        return daemon->metric("pgherald_reload_failures_total") == 1;
    })) << daemon->log();
    for (const auto* problem : {"server.threds", "websocket.max_frame", "channel.subscribe"})
        EXPECT_TRUE(daemon->says(problem)) << "every one is told";
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"closed"})"), "forbidden");
    files.put("pgherald.toml", "");
    std::filesystem::remove(path);
    daemon->signal(SIGHUP);
    EXPECT_TRUE(support::eventually(
        5s, [&] { return daemon->metric("pgherald_reload_failures_total") == 2; }));
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"closed"})"), "forbidden");
    EXPECT_EQ(daemon->status_of("/healthz"), 200);
}

TEST_F(Reload, WhatOnlyAStartCanChangeIsNamed) {
    start("[log]\nlevel = \"debug\"\n", {{"LOG_LEVEL", "debug"}});
    EXPECT_TRUE(reload("[messages]\ntail = \"1MiB\"\n[limits]\nmax_subscriptions = 1\n",
                       "changed=limits.max_subscriptions need_restart=messages.tail"))
        << daemon->log();
    herald_client client(daemon->port());
    client.subscribe("a");
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"b"})"), "too_many_subscriptions");
}

TEST_F(Reload, TheAddressInUseDecidesWhetherTokensAreNeeded) {
    const std::string all_addresses = "[server]\nlisten = \"0.0.0.0:0\"\n";
    const std::string loopback = "[server]\nlisten = \"127.0.0.1:0\"\n";
    start(all_addresses + "[auth]\nmode = \"token\"\nsecret = \"" + first_secret + "\"\n", {},
          {"SERVER_LISTEN"});
    EXPECT_TRUE(reload(loopback, "the reload failed")) << daemon->log();
    EXPECT_TRUE(daemon->says("others can reach")) << daemon->log();
    herald_client client(daemon->port());
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"a"})"), "unauthorized");
    EXPECT_TRUE(reload(loopback + "[auth]\ninsecure = true\n", "the new configuration is in use"));
    client.subscribe("a");
}

TEST_F(Reload, ASecretThatChangedIsUsedAndShownNowhere) {
    const std::string config = "[auth]\nmode = \"token\"\nsecret_file = \"" +
                               files.put("secret", first_secret + "\n") + "\"\n" +
                               rule("*", "token");
    start(config);
    const std::string claims = R"({"sub":"a"})";
    const std::string by_first = support::hmac_token(first_secret, claims);
    const std::string by_second = support::hmac_token(second_secret, claims);
    herald_client old(daemon->port(), {.headers = {{"Authorization", "Bearer " + by_first}}});
    old.subscribe("a");
    files.put("secret", second_secret);
    ASSERT_TRUE(reload(config, "changed=auth.secret"));
    EXPECT_THROW(
        herald_client(daemon->port(), {.headers = {{"Authorization", "Bearer " + by_first}}}),
        support::handshake_refused);
    herald_client fresh(daemon->port(), {.headers = {{"Authorization", "Bearer " + by_second}}});
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(old.next("message").at("channel"), "a") << "who is in stays in";
    files.put("secret", "too short");
    ASSERT_TRUE(reload(config, "auth.secret_file"));
    for (const auto& secret : {first_secret, second_secret, std::string("too short\"")}) {
        EXPECT_EQ(daemon->log().find(secret), std::string::npos);
    }
    herald_client still(daemon->port(), {.headers = {{"Authorization", "Bearer " + by_second}}});
}

TEST_F(Reload, ANewDsnIsUsedForTheNextConnections) {
    db.exec("create role herald_before login superuser; create role herald_after login superuser");
    const auto dsn = [&](const std::string& user) { return db.conninfo() + " user=" + user; };
    const std::string config =
        "[postgres]\ndsn_file = \"" + files.put("dsn", dsn("herald_before")) + "\"\n";
    start(config, {{"POSTGRES_DSN", ""}});
    files.put("dsn", dsn("herald_after"));
    ASSERT_TRUE(reload(config, "changed=postgres.dsn")) << daemon->log();
    const auto connections_of = [&](const std::string& user) {
        return *db.value("select count(*) from pg_stat_activity where usename = $1", user);
    };
    // One may have been under way when the others were ended.
    EXPECT_TRUE(support::eventually(15s, [&] {
        db.exec("select pg_terminate_backend(pid) from pg_stat_activity "
                "where usename = 'herald_before'");
        return connections_of("herald_before") == "0" && connections_of("herald_after") != "0" &&
               daemon->status_of("/readyz") == 200;
    })) << daemon->log();
    daemon.reset();
    db.exec("drop role herald_before; drop role herald_after");
}

} // namespace
