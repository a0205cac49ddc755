// What a client may take, and what it is told beyond that. Frame size, bad frames and the JSON
// limits are in protocol_test, handshakes in conformance_handshake_test.
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/messages.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using support::herald_client;
using settings = std::map<std::string, std::string>;

double seconds_since(std::chrono::steady_clock::time_point begun) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

class Limits : public testing::Test {
protected:
    void start(settings more) {
        more.emplace("LIMITS_EXEMPT_ADDRESSES", "");
        daemon.emplace(support::daemon::options{.dsn = db.conninfo(), .settings = std::move(more)});
    }

    double met(const std::string& limit) const {
        return daemon->metric("pgherald_limited_total{limit=\"" + limit + "\"}");
    }

    /// The status that a handshake gets; 101 for a session, which stays.
    unsigned connect(const support::header_list& headers = {}) {
        try {
            clients.emplace_back(daemon->port(), support::ws_options{.headers = headers});
            return 101;
        } catch (const support::handshake_refused& refused) {
            return refused.status;
        }
    }

    support::database db;
    std::optional<support::daemon> daemon;
    std::list<herald_client> clients;
};

TEST_F(Limits, SessionsInAll) {
    start({{"SERVER_MAX_SESSIONS", "2"}});
    EXPECT_EQ(connect(), 101U);
    EXPECT_EQ(connect(), 101U);
    EXPECT_EQ(connect(), 503U);
    EXPECT_EQ(met("sessions"), 1);
    clients.pop_front();
    EXPECT_TRUE(support::eventually(20s, [&] { return connect() == 101; }));
}

TEST_F(Limits, SessionsOfAnAddress) {
    start({{"LIMITS_SESSIONS_PER_ADDRESS", "3"}});
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(connect(), 101U);
    }
    EXPECT_EQ(connect(), 429U);
    const auto answer =
        support::http_get("127.0.0.1", static_cast<std::uint16_t>(daemon->port()), "/ws",
                          {{"Upgrade", "websocket"},
                           {"Connection", "Upgrade"},
                           {"Sec-WebSocket-Version", "13"},
                           {"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}});
    EXPECT_EQ(answer.status, 429U);
    EXPECT_EQ(answer.field("retry-after"), "10");
    EXPECT_NE(answer.body.find("limits.sessions_per_address"), std::string::npos);
    EXPECT_EQ(met("address_sessions"), 2);
    EXPECT_TRUE(daemon->says("refusing an address"));
    clients.pop_front();
    EXPECT_TRUE(support::eventually(20s, [&] { return connect() == 101; }));
}

TEST_F(Limits, AnAddressBehindATrustedProxyIsItsOwn) {
    start({{"LIMITS_SESSIONS_PER_ADDRESS", "1"}, {"LIMITS_TRUSTED_PROXIES", "127.0.0.0/8"}});
    EXPECT_EQ(connect({{"X-Forwarded-For", "198.51.100.7, 203.0.113.1"}}), 101U);
    EXPECT_EQ(connect({{"X-Forwarded-For", "203.0.113.1"}}), 429U);
    EXPECT_EQ(connect({{"X-Forwarded-For", "198.51.100.7"}}), 101U);
    EXPECT_EQ(connect({{"Forwarded", "for=192.0.2.60;proto=http"}}), 101U);
    EXPECT_EQ(connect({{"Forwarded", "for=192.0.2.60"}}), 429U);
    EXPECT_TRUE(daemon->says("address=203.0.113.1"));
}

TEST_F(Limits, AStrangersForwardedHeaderIsNotBelieved) {
    start({{"LIMITS_SESSIONS_PER_ADDRESS", "1"}});
    EXPECT_EQ(connect({{"X-Forwarded-For", "203.0.113.1"}}), 101U);
    EXPECT_EQ(connect({{"X-Forwarded-For", "203.0.113.2"}}), 429U);
    EXPECT_EQ(daemon->log().find("203.0.113"), std::string::npos);
}

TEST_F(Limits, HandshakesOfAnAddressInASecond) {
    start({{"LIMITS_HANDSHAKES_PER_ADDRESS", "5"}});
    // Who connects too often, as this does, is cut without an answer.
    const auto answer_to = [](auto ask) -> decltype(ask()) {
        try {
            return ask();
        } catch (const std::runtime_error&) {
            return {};
        }
    };
    const auto status = [&] { return answer_to([&] { return connect(); }); };
    int taken = 0;
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(support::eventually(60s, [&] {
        const auto got = status();
        taken += got == 101 ? 1 : 0;
        return got == 429;
    }));
    const auto took = seconds_since(begun);
    EXPECT_GE(taken, 10) << "two seconds' worth at once";
    EXPECT_LE(taken, 10 + 5 * took + 1);
    EXPECT_TRUE(support::eventually(20s, [&] { return status() == 101; }));
    EXPECT_TRUE(support::eventually(
        20s, [&] { return answer_to([&] { return met("address_handshakes"); }) >= 1; }));
}

TEST_F(Limits, ConnectionsThatSayNothingAreCutBeyondTwiceTheSessions) {
    start({{"LIMITS_SESSIONS_PER_ADDRESS", "5"}, {"LIMITS_HANDSHAKES_PER_ADDRESS", "0"}});
    EXPECT_EQ(connect(), 101U);
    std::list<support::raw_client> silent;
    const auto port = static_cast<std::uint16_t>(daemon->port());
    for (int i = 0; i < 10; ++i) {
        silent.emplace_back("127.0.0.1", port);
    }
    support::raw_client beyond("127.0.0.1", port);
    EXPECT_EQ(beyond.read_to_end(), "");
    EXPECT_TRUE(beyond.closed());
    silent.clear();
    EXPECT_TRUE(support::eventually(20s, [&] { return met("address_connections") >= 1; }));
    EXPECT_EQ(connect(), 101U) << "as many as had gone may come";
}

TEST_F(Limits, ExemptAddressesHaveNoneOfTheirOwn) {
    start({{"LIMITS_SESSIONS_PER_ADDRESS", "1"},
           {"LIMITS_HANDSHAKES_PER_ADDRESS", "1"},
           {"LIMITS_EXEMPT_ADDRESSES", "10.0.0.0/8, 127.0.0.1"}});
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(connect(), 101U);
    }
}

TEST_F(Limits, AFirstFrameMustCome) {
    start({{"LIMITS_FIRST_FRAME_TIMEOUT", "5s"}});
    herald_client silent(daemon->port());
    herald_client talking(daemon->port());
    talking.call(R"({"type":"ping"})", "ok");
    EXPECT_TRUE(silent.socket.wait_closed(20s));
    EXPECT_EQ(silent.socket.close_code(), 1008);
    EXPECT_EQ(met("first_frame"), 1);
    talking.call(R"({"type":"ping"})", "ok");
}

TEST_F(Limits, FramesASecond) {
    start({{"LIMITS_FRAMES_PER_SECOND", "20"}});
    herald_client client(daemon->port());
    const int sent = 100;
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < sent; ++i) {
        client.socket.send(R"({"type":"ping","ref":)" + std::to_string(i) + "}");
    }
    int ok = 0;
    for (int i = 0; i < sent; ++i) {
        const auto got = client.next();
        EXPECT_EQ(got.at("ref"), std::to_string(i)) << "each has its one answer";
        ok += got.type() == "ok" ? 1 : 0;
        if (got.type() == "error") {
            EXPECT_EQ(got.at("code"), "rate_limited");
            EXPECT_EQ(got.at("retry"), "true");
        }
    }
    EXPECT_GE(ok, 40);
    EXPECT_LE(ok, 40 + 20 * seconds_since(begun) + 1);
    EXPECT_EQ(met("frames"), sent - ok);
    EXPECT_TRUE(
        support::eventually(20s, [&] { return client.call(R"({"type":"ping"})").type() == "ok"; }));
}

TEST_F(Limits, PublishesASecond) {
    start({{"LIMITS_PUBLISHES_PER_SECOND", "10"}});
    herald_client client(daemon->port());
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 60; ++i) {
        client.socket.send(R"({"type":"publish","channel":"a","data":1})");
    }
    client.socket.send(R"({"type":"ping","ref":"last"})");
    int stored = 0;
    int limited = 0;
    bool was_answered = false;
    while (stored + limited < 60 || !was_answered) {
        const auto got = client.next();
        if (got.at("ref") == "last") {
            EXPECT_EQ(got.type(), "ok") << "other frames are not limited by it";
            was_answered = true;
        } else if (got.type() == "ok") {
            ++stored;
        } else {
            EXPECT_EQ(got.at("code"), "rate_limited");
            ++limited;
        }
    }
    EXPECT_GE(stored, 20);
    EXPECT_LE(stored, 20 + 10 * seconds_since(begun) + 1);
    EXPECT_EQ(*db.value("select count(*) from queue.message"), std::to_string(stored));
    EXPECT_EQ(met("publishes"), limited);
}

TEST_F(Limits, TokensASecond) {
    start({{"AUTH_MODE", "token"}, {"AUTH_SECRET", support::token_secret}});
    herald_client client(daemon->port());
    const std::string token = support::hmac_token(support::token_secret, "{}");
    int ok = 0;
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 30; ++i) {
        const auto got = client.call(R"({"type":"auth","token":")" + token + "\"}");
        ok += got.type() == "ok" ? 1 : 0;
        EXPECT_EQ(got.type() == "error" ? got.at("code") : "rate_limited", "rate_limited");
    }
    EXPECT_GE(ok, 10) << "two seconds' worth at once";
    EXPECT_LE(ok, 10 + 5 * seconds_since(begun) + 1);
    EXPECT_EQ(met("tokens"), 30 - ok);
}

TEST_F(Limits, WhoDoesNotHeedARefusalIsCut) {
    start({{"LIMITS_FRAMES_PER_SECOND", "1"}});
    herald_client rude(daemon->port());
    for (int i = 0; i < 1'010; ++i) {
        rude.socket.send(R"({"type":"ping"})");
    }
    EXPECT_TRUE(rude.socket.wait_closed());
    EXPECT_EQ(rude.socket.close_code(), 4429);
}

TEST_F(Limits, SubscriptionsOfASession) {
    start({{"LIMITS_MAX_SUBSCRIPTIONS", "3"}});
    herald_client client(daemon->port());
    for (const auto* channel : {"a", "b", "c"}) {
        client.subscribe(channel);
    }
    const auto refused = client.call(R"({"type":"subscribe","channel":"d"})", "error");
    EXPECT_EQ(refused.at("code"), "too_many_subscriptions");
    EXPECT_EQ(met("subscriptions"), 1);
    client.call(R"({"type":"unsubscribe","channel":"a"})", "ok");
    client.subscribe("d");
}

TEST_F(Limits, PublishesInFlight) {
    start({{"LIMITS_MAX_PUBLISHES_IN_FLIGHT", "5"}});
    herald_client client(daemon->port());
    support::connection blocker(db.conninfo());
    blocker.exec("begin; lock table queue.message in exclusive mode");
    for (int i = 0; i < 8; ++i) {
        client.socket.send(R"({"type":"publish","channel":"a","data":1})");
    }
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(client.next("error").at("code"), "rate_limited");
    }
    blocker.exec("rollback");
    for (int i = 0; i < 5; ++i) {
        client.next("ok");
    }
    EXPECT_EQ(met("publishes_in_flight"), 3);
}

TEST_F(Limits, WhoAsksForMuchAndReadsNothingDoesNotGrowTheDaemon) {
    start({});
    db.exec("insert into queue.message (channel, data) "
            "select 'h', to_json(repeat('x', 20000)) from generate_series(1, 500)");
    herald_client other(daemon->port());
    support::ws_client greedy("127.0.0.1", static_cast<std::uint16_t>(daemon->port()), "/ws",
                              {.receive_buffer = 4096});
    const long before = daemon->resident_kib();
    try {
        for (int i = 0; i < 5'000; ++i) {
            greedy.send(R"({"type":"history","channel":"h","limit":1000})");
        }
    } catch (const std::runtime_error&) {
        // The daemon has stopped reading it, and the kernel's buffers are full.
    }
    EXPECT_TRUE(support::eventually(20s, [&] { return met("unread_replies") >= 1; }));
    EXPECT_LT(daemon->resident_kib() - before, 100 * 1024);
    EXPECT_EQ(other.call(R"({"type":"ping"})").type(), "ok");
}

// The answer to a ping is 15 bytes, and 30 times that in memory.
TEST_F(Limits, ManyShortRepliesThatNobodyReadsDoNotEither) {
    start({});
    herald_client other(daemon->port());
    std::string pings;
    for (int i = 0; i < 18'000; ++i) {
        pings += support::client_frame(1, R"({"type":"ping"})");
    }
    constexpr int clients = 10;
    std::list<support::raw_client> greedy;
    const long before = daemon->resident_kib();
    for (int i = 0; i < clients; ++i) {
        auto& client =
            greedy.emplace_back("127.0.0.1", static_cast<std::uint16_t>(daemon->port()), 4096);
        client.write(support::plain_handshake());
        EXPECT_NE(client.read_until("\r\n\r\n"), "");
        client.write(pings);
    }
    EXPECT_TRUE(support::eventually(20s, [&] { return met("unread_replies") >= clients; }));
    if (!support::sanitized) { // those keep what is freed
        EXPECT_LT((daemon->resident_kib() - before) / clients, 1'000);
    }
    EXPECT_EQ(other.call(R"({"type":"ping"})").type(), "ok");
}

} // namespace
