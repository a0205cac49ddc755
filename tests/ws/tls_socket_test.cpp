// What only holds over TLS. All other tests of sockets and doors run over TLS as well.
#include "tests/ws/ws_server.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace ws_test;

ws::door_options secure() {
    ws::door_options options;
    options.tls = tls_context_of(test_certificate());
    return options;
}

ws::door_options hasty(std::chrono::milliseconds timeout) {
    auto options = secure();
    options.request_timeout = timeout;
    return options;
}

std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    std::minstd_rand random(1);
    for (auto& byte : bytes)
        byte = static_cast<char>('a' + random() % 26);
    return bytes;
}

TEST(WsTls, CarriesAMegabyteBothWaysAtOnce) {
    const std::string large = noise(1'000'000);
    ws::socket_options options;
    options.max_frame = 2'000'000;
    server talking(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            for (int round = 0; round < 5; ++round) {
                socket.send(text(large));
                const auto message = co_await socket.read();
                EXPECT_TRUE(message && message->bytes == large);
            }
            EXPECT_FALSE(co_await socket.flushed());
            co_await socket.close(1000, "");
        },
        options, secure());
    auto client = talking.client();
    for (int round = 0; round < 5; ++round) {
        client.send(large);
        ASSERT_TRUE(client.read() == large) << round;
    }
    EXPECT_TRUE(client.wait_closed());
    EXPECT_EQ(client.close_code(), 1000);
}

TEST(WsTls, PutsSmallFramesTogetherIntoOneRecord) {
    server bursting(
        [](ws::socket& socket) -> ws::asio::awaitable<void> {
            while (co_await socket.read())
                for (int i = 0; i < 1000; ++i)
                    socket.send(text("frame " + std::to_string(i)));
        },
        {}, secure());
    auto client = bursting.client();
    const auto before = bursting.writes();
    client.send("go");
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(client.read(), "frame " + std::to_string(i));
    EXPECT_EQ(bursting.writes() - before, 16u); // 64 frames each
}

TEST(WsTls, ShowsTheWholeChain) {
    const auto root = support::make_certificate("root");
    auto leaf = support::make_certificate("leaf", &root);
    const std::string own = leaf.pem;
    leaf.pem += root.pem;
    ws::door_options options;
    options.tls = tls_context_of(leaf);
    server echoing(echo, {}, options);
    const auto client = echoing.client({.tls = support::tls_client{.trusted = root.pem}});
    EXPECT_EQ(client.tls().certificate, own);
    EXPECT_EQ(client.tls().chain, 2u);
    EXPECT_EQ(client.tls().protocol, "http/1.1");
    EXPECT_EQ(client.tls().version, "TLSv1.3");
}

TEST(WsTls, SpeaksTheOlderVersionUnlessForbidden) {
    const support::ws_options older{.tls = support::tls_client{.max_version = "1.2"}};
    server echoing(echo, {}, secure());
    auto client = echoing.client(older);
    EXPECT_EQ(client.tls().version, "TLSv1.2");
    client.send("hello");
    EXPECT_EQ(client.read(), "hello");
    EXPECT_TRUE(client.close());

    ws::door_options options;
    options.tls = tls_context_of(test_certificate(), ws::tls_version::v1_3);
    server strict(echo, {}, options);
    EXPECT_THROW(strict.client(older), support::tls_refused);
    EXPECT_TRUE(strict.becomes_empty());
    EXPECT_EQ(strict.tls_failures(), std::vector<std::string>{"unsupported protocol"});
    EXPECT_EQ(strict.client().tls().version, "TLSv1.3");
}

TEST(WsTls, TellsAClientWhyItIsRefused) {
    server echoing(echo, {}, secure());
    const auto answer_to = [&](const support::tls_client& with) -> std::string {
        try {
            echoing.client({.tls = with});
        } catch (const support::tls_refused& refused) {
            return refused.what();
        }
        return "";
    };
    EXPECT_NE(
        answer_to({.min_version = "1.1", .max_version = "1.1"}).find("alert protocol version"),
        std::string::npos);
    EXPECT_NE(answer_to({.protocols = {"h2"}}).find("alert no application protocol"),
              std::string::npos);
    EXPECT_EQ(answer_to({.protocols = {}}), "");
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.tls_failures(),
              (std::vector<std::string>{"unsupported protocol", "no application protocol"}));
}

TEST(WsTls, ClosesOnWhoSpeaksPlainHttp) {
    server echoing(echo, {}, secure());
    for (int i = 0; i < 3; ++i) {
        support::raw_client plain("127.0.0.1", echoing.port());
        plain.write(support::plain_handshake());
        EXPECT_EQ(plain.read_to_end().find("HTTP"), std::string::npos);
        EXPECT_TRUE(plain.closed());
    }
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.tls_failures(), std::vector<std::string>(3, "http request"));
    EXPECT_EQ(echoing.client().tls().version, "TLSv1.3");
}

TEST(WsTls, EndsSlowHandshakesHoweverTheyTrickle) {
    server echoing(echo, {}, hasty(300ms));
    support::raw_client silent("127.0.0.1", echoing.port());
    EXPECT_EQ(silent.read_to_end(), "");
    EXPECT_TRUE(silent.closed());

    support::raw_client trickling("127.0.0.1", echoing.port());
    const std::string start("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11);
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < 500 && !trickling.closed(); ++i) {
        trickling.write(i < start.size() ? start.substr(i, 1) : std::string("x"));
        trickling.read_to_end(20ms);
    }
    EXPECT_TRUE(trickling.closed());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.tls_failures(), std::vector<std::string>(2, "Connection timed out"));
}

TEST(WsTls, AHandshakeLeavesLessTimeForTheRequest) {
    server echoing(echo, {}, hasty(1s));
    auto client = echoing.raw();
    client.write("GET / HTT");
    EXPECT_NE(client.read_to_end().find("408"), std::string::npos);
    EXPECT_TRUE(client.closed_politely());
    EXPECT_TRUE(echoing.tls_failures().empty());
}

TEST(WsTls, DoesNotCountWhoGoesAwayWithoutAWord) {
    server echoing(echo, {}, secure());
    for (const bool with_a_reset : {false, true}) {
        support::raw_client probe("127.0.0.1", echoing.port());
        if (with_a_reset)
            probe.abort();
        else
            probe.end();
        probe.read_to_end();
    }
    EXPECT_TRUE(support::eventually(20s, [&] { return echoing.refusals().size() == 2; }))
        << "both have come, and gone";
    EXPECT_TRUE(echoing.tls_failures().empty());
}

TEST(WsTls, SaysThatItEnds) {
    server echoing(echo, {}, secure());
    auto socket = echoing.raw_socket();
    socket.write(support::client_frame(8, "\x03\xe8"));
    EXPECT_EQ(socket.read_to_end(), "\x88\x02\x03\xe8");
    EXPECT_TRUE(socket.closed());
    EXPECT_TRUE(socket.closed_politely());
    auto request = echoing.raw();
    request.write("GET / HTTP/1.0\r\n\r\n");
    EXPECT_NE(request.read_to_end().find("200"), std::string::npos);
    EXPECT_TRUE(request.closed_politely());
}

TEST(WsTls, EndsWithThePeerPolitelyOrNot) {
    server echoing(echo, {}, secure());
    auto polite = echoing.raw_socket();
    polite.write(support::client_frame(1, "a"));
    EXPECT_EQ(polite.read_exactly(3), "\x81\x01"
                                      "a");
    polite.end();
    EXPECT_TRUE(echoing.becomes_empty());
    auto silent = echoing.raw_socket();
    silent.end_tcp();
    EXPECT_TRUE(echoing.becomes_empty());
    auto rude = echoing.raw_socket();
    rude.abort();
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.last_ending().code, 1006);
}

// The peer has ended its half, and what is queued for it waits in a full kernel buffer.
TEST(WsTls, EndsWithAHalfOpenPeerThatDoesNotRead) {
    server pouring(
        [](ws::socket& socket) -> ws::asio::awaitable<void> {
            co_await socket.read();
            const std::string large(8'000'000, 'x');
            socket.send(text(large));
            EXPECT_TRUE(co_await eventually([&] { return socket.queued_bytes() < large.size(); }));
            EXPECT_FALSE(co_await socket.read());
            EXPECT_TRUE(co_await socket.flushed());
            EXPECT_EQ(socket.queued_bytes(), 0u);
        },
        {}, secure());
    auto client = pouring.raw_socket(16 * 1024);
    client.write(support::client_frame(1, "go"));
    client.end_tcp();
    EXPECT_TRUE(pouring.becomes_empty());
}

TEST(WsTls, AnotherCertificateIsForNewConnections) {
    server echoing(echo, {}, secure());
    auto old = echoing.client();
    const auto next = support::make_certificate("next");
    echoing.set_tls(tls_context_of(next));
    auto fresh = echoing.client({.tls = support::tls_client{.trusted = next.pem}});
    EXPECT_EQ(old.tls().certificate, test_certificate().pem);
    EXPECT_EQ(fresh.tls().certificate, next.pem);
    for (auto* each : {&old, &fresh}) {
        each->send("hello");
        EXPECT_EQ(each->read(), "hello");
    }
}

} // namespace
