// The HTTP side of the port, and the command line around it.
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace {

using support::herald_client;

class Http : public testing::Test {
protected:
    support::database db;
    support::daemon daemon{{.dsn = db.conninfo()}};

    support::http_answer get(const std::string& path, const support::header_list& headers = {}) {
        return support::http_get("127.0.0.1", static_cast<std::uint16_t>(daemon.port()), path,
                                 headers);
    }
};

TEST_F(Http, EndpointsSayWhatTheyAreFor) {
    EXPECT_EQ(get("/healthz").status, 200U);
    EXPECT_EQ(get("/readyz").status, 200U);
    EXPECT_EQ(get("/nothing").status, 404U);
    EXPECT_EQ(get("/ws").status, 426U);
    const auto page = get("/");
    EXPECT_EQ(page.status, 200U);
    EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
    EXPECT_NE(page.field("content-security-policy").find("default-src 'none'"), std::string::npos);
    EXPECT_EQ(page.field("x-content-type-options"), "nosniff");
    EXPECT_NE(page.body.find("pgherald"), std::string::npos);
    EXPECT_EQ(get("/console.js").status, 200U);
    EXPECT_EQ(get("/console.css").status, 200U);
    EXPECT_EQ(get("/?query=1").status, 200U);
}

TEST_F(Http, MetricsCountWhatHappened) {
    herald_client client(daemon.port());
    client.subscribe("m");
    client.call(R"({"type":"publish","channel":"m","data":1})");
    client.next();
    client.call("bad", "error");
    const auto answer = get("/metrics");
    EXPECT_EQ(answer.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(daemon.metric("pgherald_sessions"), 1);
    EXPECT_EQ(daemon.metric("pgherald_subscriptions"), 1);
    EXPECT_EQ(daemon.metric("pgherald_deliveries_total"), 1);
    EXPECT_EQ(daemon.metric("pgherald_published_total"), 1);
    EXPECT_EQ(daemon.metric("pgherald_client_frames_total"), 3);
    EXPECT_EQ(daemon.metric("pgherald_client_errors_total"), 1);
    EXPECT_EQ(daemon.metric("pgherald_publish_latency_seconds_count"), 1);
    EXPECT_EQ(daemon.metric("pgherald_listening"), 1);
    EXPECT_LT(daemon.metric("pgherald_lag_seconds"), 2);
}

TEST_F(Http, OtherMethodsAreRefused) {
    support::raw_client raw("127.0.0.1", static_cast<std::uint16_t>(daemon.port()));
    raw.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    EXPECT_NE(raw.read_until("\r\n\r\n").find("405"), std::string::npos);
}

TEST_F(Http, WhatIsRefusedIsCounted) {
    for (const auto* more : {"Transfer-Encoding: chunked\r\n", "Content-Length: 9999999\r\n"}) {
        support::raw_client raw("127.0.0.1", static_cast<std::uint16_t>(daemon.port()));
        raw.write(support::plain_handshake("/ws", more));
        raw.read_to_end();
    }
    EXPECT_EQ(get("/ws").status, 426U);
    for (const auto* status : {"501", "413", "426"})
        EXPECT_TRUE(support::eventually(std::chrono::seconds(20), [&] {
            return daemon.metric("pgherald_sessions_refused_total{status=\"" + std::string(status) +
                                 "\"}") == 1;
        })) << status;
}

TEST_F(Http, TheImagesHealthCheckAsksIt) {
    const auto healthy = [&] {
        const std::string command =
            "PGHERALD_SERVER_LISTEN=0.0.0.0:" + std::to_string(daemon.port()) +
            " bash " PGHERALD_SOURCE_DIR "/deploy/healthcheck.sh 2>/dev/null";
        return std::system(command.c_str()) == 0;
    };
    EXPECT_TRUE(healthy());
    daemon.signal(SIGKILL);
    daemon.wait();
    EXPECT_FALSE(healthy());
}

TEST_F(Http, APageOfAnotherOriginIsRefused) {
    const auto port = static_cast<std::uint16_t>(daemon.port());
    support::ws_client other("127.0.0.1", port, "/ws", {.origin = "http://evil.example"});
    EXPECT_TRUE(other.wait_closed());
    EXPECT_EQ(other.close_code(), 4403);
    herald_client same(daemon.port(), {.origin = "http://127.0.0.1:" + std::to_string(port)});
    EXPECT_EQ(same.call(R"({"type":"ping"})").type(), "ok");
}

// A page of evil.example whose name was made to point here: its origin is that of its request.
TEST_F(Http, ANameThatPointsHereIsNoPageOfOurs) {
    const auto handshake = [this](const std::string& host) {
        support::raw_client raw("127.0.0.1", static_cast<std::uint16_t>(daemon.port()));
        raw.write(
            "GET /ws HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host +
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
        raw.read_until("\r\n\r\n");
        const std::string first = raw.read_exactly(1);
        return first == "\x88" ? "closed" : "welcomed";
    };
    EXPECT_EQ(handshake("evil.example:8080"), "closed");
    EXPECT_TRUE(daemon.says("websocket.allowed_origins"));
    EXPECT_EQ(handshake("localhost:8080"), "welcomed");
}

TEST(HttpOrigins, ListedOriginsAreAllowed) {
    support::database db;
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = {{"WEBSOCKET_ALLOWED_ORIGINS", "https://app.example"}}});
    herald_client listed(daemon.port(), {.origin = "https://app.example"});
    EXPECT_EQ(listed.call(R"({"type":"ping"})").type(), "ok");
}

TEST(HttpSessions, NoMoreThanMaxSessions) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo(), .settings = {{"SERVER_MAX_SESSIONS", "2"}}});
    herald_client one(daemon.port());
    {
        herald_client two(daemon.port());
        EXPECT_THROW(herald_client three(daemon.port()), support::handshake_refused);
    }
    EXPECT_TRUE(support::eventually(std::chrono::seconds(10), [&] {
        try {
            herald_client again(daemon.port());
            return true;
        } catch (const support::handshake_refused&) {
            return false;
        }
    }));
}

TEST(Process, DrainsOnSigterm) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.subscribe("d");
    for (int i = 0; i < 500; ++i) {
        client.socket.send(R"({"type":"publish","channel":"d","data":1,"ref":)" +
                           std::to_string(i) + "}");
    }
    client.next();
    daemon.signal(SIGTERM);
    int receipts = 0;
    int refused = 0;
    while (auto text = client.socket.read()) {
        const support::frame frame(std::move(*text));
        receipts += frame.type() == "ok" && !frame.at("id").empty() ? 1 : 0;
        refused += frame.type() == "error" ? 1 : 0;
    }
    EXPECT_EQ(client.socket.close_code(), 1012);
    EXPECT_EQ(daemon.wait(), 0);
    EXPECT_GE(std::stoi(*db.value("select count(*) from queue.message")), receipts);
    EXPECT_GT(receipts, 0);
}

TEST(Process, AnIdleConnectionDoesNotHoldUpTheEnd) {
    for (const char* const exempt : {"127.0.0.1", "192.0.2.1"}) {
        support::database db;
        support::daemon daemon({.dsn = db.conninfo(),
                                .settings = {{"LIMITS_EXEMPT_ADDRESSES", exempt},
                                             {"LIMITS_HANDSHAKE_TIMEOUT", "10m"}}});
        support::raw_client idle("127.0.0.1", static_cast<std::uint16_t>(daemon.port()));
        idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_NE(idle.read_until("\r\n\r\n"), "");
        daemon.signal(SIGTERM);
        EXPECT_EQ(daemon.wait(), 0) << "exempt: " << exempt;
    }
}

// A client that doesn't read holds up the drain for as long as drain_timeout lets it.
TEST(Process, ASecondSignalEndsItAtOnce) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo(), .settings = {{"SERVER_DRAIN_TIMEOUT", "10m"}}});
    herald_client client(daemon.port());
    client.subscribe("d");
    db.exec("insert into queue.message(channel, data) "
            "select 'd', to_json(repeat('x', 1000000)) from generate_series(1, 40)");
    // Until the socket takes no more: nothing is sent for half a second.
    double sent = 0;
    auto since = std::chrono::steady_clock::now();
    ASSERT_TRUE(support::eventually(std::chrono::seconds(30), [&] {
        const double now = daemon.metric("pgherald_server_bytes_total");
        if (now != std::exchange(sent, now)) {
            since = std::chrono::steady_clock::now();
        }
        return sent > 1'000'000 &&
               std::chrono::steady_clock::now() - since > std::chrono::milliseconds(500);
    }));
    daemon.signal(SIGTERM);
    ASSERT_TRUE(daemon.says("draining"));
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(), 128 + SIGTERM);
    EXPECT_TRUE(daemon.says("stopped by a second signal")) << daemon.log();
}

TEST(Process, SighupIsNoticedAndNothingElseHappens) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    daemon.signal(SIGHUP);
    EXPECT_TRUE(support::eventually(std::chrono::seconds(20), [&] {
        return daemon.metric("pgherald_reload_asked_total") == 1;
    }));
    EXPECT_EQ(client.call(R"({"type":"ping"})").type(), "ok");
}

TEST(Process, JsonLogsAreOneObjectALine) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo(), .settings = {{"LOG_FORMAT", "json"}}});
    herald_client client(daemon.port(),
                         {.origin = "http://127.0.0.1:" + std::to_string(daemon.port())});
    const std::string hostile = "http://x\x1b[2J\"}{\"level\":\"fatal\"";
    support::raw_client raw("127.0.0.1", static_cast<std::uint16_t>(daemon.port()));
    raw.write(support::plain_handshake("/ws", "Origin: " + hostile + "\r\n"));
    raw.read_to_end(std::chrono::seconds(8));
    std::istringstream lines(daemon.log());
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const auto object = json::parse_object(line);
        ASSERT_TRUE(object) << line;
        EXPECT_NE(object->find("event"), nullptr) << line;
        EXPECT_NE(object->find("level")->text, "fatal");
    }
    EXPECT_GT(count, 3);
}

} // namespace
