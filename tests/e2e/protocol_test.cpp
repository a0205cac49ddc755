// Every verb and every error code of the protocol, and what bad input gets.
#include "tests/support/daemon.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using support::herald_client;

/// One daemon for all: these tests only talk.
struct service {
    support::database db;
    support::daemon daemon{{.dsn = db.conninfo(), .settings = {{"WEBSOCKET_MAX_FRAME", "8KiB"}}}};
};

class Protocol : public testing::Test {
protected:
    static void SetUpTestSuite() { shared = std::make_unique<service>(); }
    static void TearDownTestSuite() { shared.reset(); }

    static std::unique_ptr<service> shared;
    herald_client client{shared->daemon.port()};

    std::string code_of(const std::string& text) { return client.call(text, "error").at("code"); }
};

std::unique_ptr<service> Protocol::shared;

TEST_F(Protocol, WelcomeTellsWhoAndWhere) {
    const auto& welcome = client.welcome;
    EXPECT_EQ(welcome.at("session").size(), 36U);
    EXPECT_FALSE(welcome.at("epoch").empty());
    EXPECT_GE(welcome.number("head"), 0);
    EXPECT_EQ(welcome.at("auth"), "none");
    EXPECT_EQ(welcome.number("ping_interval"), 25);
    EXPECT_EQ(welcome.number("max_frame"), 8'192);
    EXPECT_EQ(welcome.at("server").find("pgherald/"), 0U);
}

TEST_F(Protocol, TheSubprotocolIsConfirmedWhenOfferedAndOthersAreIgnored) {
    herald_client offered(shared->daemon.port(), {.subprotocol = "other, pgherald.v1"});
    EXPECT_EQ(offered.socket.answer_field("Sec-WebSocket-Protocol"), "pgherald.v1");
    EXPECT_EQ(client.socket.answer_field("Sec-WebSocket-Protocol"), "");
}

TEST_F(Protocol, EachVerbIsAnsweredWithItsRef) {
    EXPECT_EQ(client.call(R"({"type":"ping","ref":10})", "ok").at("ref"), "10");
    EXPECT_EQ(client.call(R"({"type":"ping","ref":"a\u0062"})", "ok").at("ref"), "ab");
    EXPECT_EQ(client.call(R"({"type":"ping"})", "ok").object.find("ref"), nullptr);
    EXPECT_EQ(client.call(R"({"type":"auth","ref":1,"token":"x"})", "ok").at("ref"), "1");
    const auto ok = client.call(R"({"type":"subscribe","ref":2,"channel":"v"})", "ok");
    EXPECT_EQ(ok.at("channel"), "v");
    EXPECT_GE(ok.number("head"), 0);
    EXPECT_EQ(client.call(R"({"type":"unsubscribe","ref":9,"channel":"v"})", "ok").at("ref"), "9");
}

TEST_F(Protocol, HistoryPagesThroughTheTable) {
    shared->db.exec("insert into queue.message (channel, data) "
                    "select 'h', to_json(i) from generate_series(1, 5) i");
    auto page =
        client.call(R"({"type":"history","ref":8,"channel":"h","after":0,"limit":3})", "ok");
    EXPECT_EQ(page.at("more"), "true");
    const std::string messages = page.at("messages");
    EXPECT_NE(messages.find(R"("data":3)"), std::string::npos);
    EXPECT_EQ(messages.find(R"("data":4)"), std::string::npos);
    const auto third = shared->db.value("select seq from queue.message where channel='h' "
                                        "order by seq offset 2 limit 1");
    page = client.call(
        R"({"type":"history","ref":8,"channel":"h","limit":3,"after":)" + *third + "}", "ok");
    EXPECT_EQ(page.at("more"), "false");
    EXPECT_EQ(page.at("messages").find(R"("data":3)"), std::string::npos);
    EXPECT_NE(page.at("messages").find(R"("data":5)"), std::string::npos);
    EXPECT_EQ(client.call(R"({"type":"history","channel":"none"})", "ok").at("messages"), "[]");
}

/// Who asks for it and doesn't read costs no more than any other slow client.
TEST_F(Protocol, AHistoryAnswerIsNoLargerThanAnOutboxOrAMessage) {
    const auto insert = [](const std::string& channel, int bytes, int count) {
        shared->db.query(
            "insert into queue.message (channel, data) "
            "select $1, to_json(repeat('x', $2::int)) from generate_series(1, $3::int)",
            channel, bytes, count);
    };
    insert("large", 20'000, 7);
    insert("large", 200'000, 1);
    insert("large", 10, 2);
    std::string after = "0";
    std::vector<std::size_t> portions;
    for (std::string more = "true"; more == "true";) {
        const auto page =
            client.call(R"({"type":"history","channel":"large","after":)" + after + "}", "ok");
        more = page.at("more");
        const std::string messages = page.at("messages");
        portions.push_back(0);
        for (std::size_t at = 0; (at = messages.find(R"("seq":)", at)) != messages.npos; ++at) {
            ++portions.back();
            after = messages.substr(at + 6, messages.find(',', at) - at - 6);
        }
    }
    EXPECT_EQ(portions, (std::vector<std::size_t>{3, 3, 1, 1, 2}));
}

TEST_F(Protocol, UnsubscribedChannelsAreSilent) {
    client.subscribe("quiet");
    client.subscribe("loud");
    client.call(R"({"type":"unsubscribe","channel":"quiet"})", "ok");
    shared->db.exec("insert into queue.message (channel) values ('quiet'), ('loud')");
    EXPECT_EQ(client.next("message").at("channel"), "loud");
}

TEST_F(Protocol, ErrorCodesOfSubscriptions) {
    client.subscribe("twice");
    EXPECT_EQ(code_of(R"({"type":"subscribe","channel":"twice"})"), "already_subscribed");
    EXPECT_EQ(code_of(R"({"type":"unsubscribe","channel":"never"})"), "not_subscribed");
    EXPECT_EQ(code_of(R"({"type":"ack","channel":"never","seq":1})"), "not_subscribed");
    EXPECT_EQ(code_of(R"({"type":"subscribe","channel":""})"), "invalid_channel");
    EXPECT_EQ(code_of(R"({"type":"subscribe","channel":"a\u0000b"})"), "invalid_channel");
    EXPECT_EQ(code_of(R"({"type":"subscribe","channel":"a\nb"})"), "invalid_channel");
    EXPECT_EQ(code_of(R"({"type":"publish","data":1,"channel":")" + std::string(256, 'x') + "\"}"),
              "invalid_channel");
}

TEST_F(Protocol, MalformedFramesAreAnsweredAndTheSessionLives) {
    const std::vector<std::string> bad = {
        "",
        "{",
        "[]",
        R"({"ref":1})",
        R"({"type":5})",
        R"({"type":"subscribe","channel":5})",
        R"({"type":"subscribe","channel":"a","channel":"b"})",
    };
    for (const std::string& text : bad) {
        EXPECT_EQ(code_of(text), "malformed") << text;
    }
    EXPECT_EQ(code_of(R"({"type":"nonsense","ref":7})"), "unknown_type");
    EXPECT_EQ(client.call(R"({"type":"ping","ref":"alive"})", "ok").at("ref"), "alive");
}

TEST_F(Protocol, HostileJsonIsRefusedOrPassedThroughButNeverHarms) {
    EXPECT_EQ(code_of(std::string(5'000, '[')), "malformed");
    EXPECT_EQ(code_of(R"({"type":"publish","channel":"x","data":)" + std::string(3'000, '[') +
                      std::string(3'000, ']') + "}"),
              "malformed");
    EXPECT_EQ(code_of(R"({"type":"subscribe","channel":"x","after":1e400})"), "malformed");
    EXPECT_EQ(code_of(R"({"type":"subscribe","channel":"x","after":99999999999999999999})"),
              "malformed");
    EXPECT_EQ(code_of(R"({"type":"publish","channel":"x","data":"\ud800"})"), "malformed");
    const auto ok =
        client.call(R"({"type":"publish","channel":"x","data":[0.00000000001e-2147483639]})", "ok");
    EXPECT_EQ(shared->db.value("select data::text from queue.message where id = $1", ok.at("id")),
              "[0.00000000001e-2147483639]");
}

TEST_F(Protocol, BinaryFramesAreAnswered) {
    client.socket.send_binary("\x01\x02");
    EXPECT_EQ(client.next("error").at("code"), "malformed");
    client.call(R"({"type":"ping"})", "ok");
}

TEST_F(Protocol, TheTenthBadFrameInAMinuteEndsTheSession) {
    for (int i = 0; i < 10; ++i) {
        client.socket.send("bad");
    }
    EXPECT_TRUE(client.socket.wait_closed());
    EXPECT_EQ(client.socket.close_code(), 4400);
}

TEST_F(Protocol, AFrameAboveMaxFrameEndsTheSession) {
    client.socket.send(R"({"type":"ping","ref":")" + std::string(9'000, 'x') + "\"}");
    EXPECT_TRUE(client.socket.wait_closed());
    EXPECT_EQ(client.socket.close_code(), 1009);
}

TEST_F(Protocol, InvalidUtf8EndsTheSession) {
    client.socket.send("{\"type\":\"ping\",\"ref\":\"\xc3\x28\"}");
    EXPECT_TRUE(client.socket.wait_closed());
    EXPECT_EQ(client.socket.close_code(), 1007);
}

TEST(ProtocolLimits, TooManySubscriptions) {
    support::database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    for (int i = 0; i < 10'000; ++i) {
        client.socket.send(R"({"type":"subscribe","channel":"c)" + std::to_string(i) + "\"}");
        if (i % 500 == 499) {
            for (int answers = 0; answers < 500; ++answers) {
                client.next("ok");
            }
        }
    }
    EXPECT_EQ(client.call(R"({"type":"subscribe","channel":"more"})", "error").at("code"),
              "too_many_subscriptions");
}

} // namespace
