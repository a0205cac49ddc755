#include "tests/ws/ws_server.hpp"

#include <gtest/gtest.h>

#include <boost/beast/zlib/deflate_stream.hpp>

#include <optional>
#include <random>

namespace {

using namespace ws_test;

using WsSocket = over_both;
INSTANTIATE_TEST_SUITE_P(over, WsSocket, testing::Bool(), over_both::name);

/// Gives every other handler that is ready its turn.
ws::asio::awaitable<void> next_turn() {
    co_await ws::asio::post(co_await ws::asio::this_coro::executor, ws::asio::use_awaitable);
}

TEST_P(WsSocket, EchoesText) {
    server echoing;
    auto client = echoing.client();
    for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 128u, 129u, 4096u, 65535u, 65536u}) {
        const std::string sent(size, 'x');
        client.send(sent);
        ASSERT_EQ(client.read(), sent) << size;
    }
}

TEST_P(WsSocket, TellsBinaryFromText) {
    server echoing;
    auto client = echoing.client();
    client.send_binary(std::string("\0\xff", 2));
    EXPECT_EQ(client.read(), "binary 2");
    client.send("\xc3\xa4");
    EXPECT_EQ(client.read(), "\xc3\xa4");
}

TEST_P(WsSocket, JoinsFragmentsAroundAPing) {
    server echoing;
    auto client = echoing.raw_socket();
    client.write(support::client_frame(1, "one ", false) + support::client_frame(0, "", false) +
                 support::client_frame(9, "hi") + support::client_frame(0, "two"));
    EXPECT_EQ(client.read_exactly(4), "\x8a\x02hi");
    EXPECT_EQ(client.read_exactly(9), "\x81\x07one two");
}

TEST_P(WsSocket, KeepsAThousandFramesInOrderBetweenPingsAndClose) {
    server pouring([](ws::socket& socket) -> ws::asio::awaitable<void> {
        co_await socket.read();
        for (int i = 0; i < 1000; ++i) {
            socket.send(text(std::to_string(i) + std::string(300, '.')));
            if (i % 7 == 0)
                co_await next_turn();
        }
        co_await socket.close(1001, "done");
    });
    auto client = pouring.client();
    client.send("go");
    for (int i = 0; i < 1000; ++i) {
        if (i < 900 && i % 50 == 0)
            client.ping(std::string(125, 'p'));
        ASSERT_EQ(client.read(), std::to_string(i) + std::string(300, '.'));
    }
    EXPECT_TRUE(client.wait_closed());
    EXPECT_EQ(client.close_code(), 1001);
    EXPECT_EQ(client.close_reason(), "done");
    EXPECT_TRUE(pouring.becomes_empty());
}

TEST_P(WsSocket, AnswersPingsBetweenDataFrames) {
    server pouring([](ws::socket& socket) -> ws::asio::awaitable<void> {
        while (co_await socket.read())
            for (int i = 0; i < 200; ++i)
                socket.send(text(std::string(1000, '.')));
    });
    auto client = pouring.raw_socket();
    for (int round = 0; round < 5; ++round) {
        client.write(support::client_frame(1, "go") + support::client_frame(9, "hi"));
        int frames = 0;
        int pongs = 0;
        while (frames < 200 || pongs < 1) {
            const auto start = client.read_exactly(2);
            ASSERT_EQ(start.size(), 2u);
            if (start == "\x8a\x02") {
                ASSERT_EQ(client.read_exactly(2), "hi");
                ++pongs;
            } else {
                ASSERT_EQ(start, "\x81\x7e");
                ASSERT_EQ(client.read_exactly(1002).size(), 1002u);
                ++frames;
            }
        }
    }
}

TEST_P(WsSocket, SendsWhatATurnAppendedInOneWrite) {
    server bursting([](ws::socket& socket) -> ws::asio::awaitable<void> {
        while (co_await socket.read())
            for (int i = 0; i < 64; ++i)
                socket.send(text("frame " + std::to_string(i)));
    });
    auto client = bursting.client();
    const auto before = bursting.writes();
    client.send("go");
    for (int i = 0; i < 64; ++i)
        ASSERT_EQ(client.read(), "frame " + std::to_string(i));
    EXPECT_EQ(bursting.writes() - before, 1u);
}

TEST_P(WsSocket, WaitsForRoomWhileAClientDoesNotRead) {
    constexpr int total = 2000;
    const std::string filling(4096, '.');
    std::atomic<int> poured = 0;
    std::atomic<std::size_t> most = 0;
    ws::socket_options options;
    options.outbox_bytes = 64 * 1024;
    server pouring(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            while (poured < total) {
                while (poured < total && socket.has_room())
                    socket.send(text(std::to_string(poured++) + filling));
                most = std::max(most.load(), socket.queued_bytes());
                if (co_await socket.room())
                    co_return;
                EXPECT_LE(socket.queued_bytes(), 32u * 1024);
            }
            EXPECT_FALSE(co_await socket.flushed());
            EXPECT_EQ(socket.queued_bytes(), 0u);
            co_await socket.read();
        },
        options);
    support::ws_options small;
    small.receive_buffer = 16 * 1024;
    auto client = pouring.client(small);
    ASSERT_TRUE(support::eventually(support::patience, [&] { return most > 60u * 1024; }));
    EXPECT_LT(poured, total);
    for (int i = 0; i < total; ++i)
        ASSERT_EQ(client.read(), std::to_string(i) + filling);
    EXPECT_LE(most, 64u * 1024 + 5000);
}

TEST_P(WsSocket, CarriesSixteenMegabytesBetweenNeighbours) {
    std::string large(16 * 1024 * 1024, '\0');
    std::minstd_rand random(1);
    for (auto& byte : large)
        byte = static_cast<char>('a' + random() % 26);
    server pouring([&](ws::socket& socket) -> ws::asio::awaitable<void> {
        co_await socket.read();
        socket.send(text("before"));
        socket.send(text(large));
        socket.send(text("after"));
        co_await socket.read();
    });
    auto client = pouring.client();
    client.send("go");
    EXPECT_EQ(client.read(), "before");
    EXPECT_TRUE(client.read(60s) == large); // EXPECT_EQ would print both
    EXPECT_EQ(client.read(), "after");
}

TEST_P(WsSocket, RefusesMessagesAboveTheLimit) {
    ws::socket_options options;
    options.max_frame = 1000;
    server echoing(echo, options);
    auto client = echoing.client();
    client.send(std::string(1000, 'x'));
    EXPECT_TRUE(client.read());
    client.send(std::string(1001, 'x'));
    EXPECT_TRUE(client.wait_closed());
    EXPECT_EQ(client.close_code(), 1009);
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.last_ending().code, 1009);

    auto slicing = echoing.raw_socket();
    slicing.write(support::client_frame(1, std::string(600, 'x'), false) +
                  support::client_frame(0, std::string(600, 'x')));
    EXPECT_EQ(slicing.read_to_end().substr(0, 4), "\x88\x02\x03\xf1"); // 1009
}

TEST_P(WsSocket, RefusesInvalidUtf8HoweverItIsSliced) {
    server echoing;
    const std::string bad_payload = "\x88\x02\x03\xef"; // close, 1007
    const auto answer_to = [&](const std::string& bytes) {
        auto client = echoing.raw_socket();
        client.write(bytes);
        return client.read_exactly(4);
    };
    using support::client_frame;
    EXPECT_EQ(answer_to(client_frame(1, "\xff")), bad_payload);
    EXPECT_EQ(answer_to(client_frame(1, "caf\xc3")), bad_payload);
    EXPECT_EQ(answer_to(client_frame(1, "\xed\xa0\x80")), bad_payload);
    EXPECT_EQ(answer_to(client_frame(1, "caf\xc3", false) + client_frame(0, "\x28")), bad_payload);
    for (const std::string cut : {"\xc3", "\xe2", "\xe2\x82", "\xf0", "\xf0\x9f", "\xf0\x9f\x98"})
        EXPECT_EQ(answer_to(client_frame(1, "ok" + cut, false) + client_frame(0, "")), bad_payload)
            << cut.size();
    EXPECT_EQ(answer_to(client_frame(1, "\xe2\x82", false) + client_frame(0, "\xac", false) +
                        client_frame(0, "")),
              "\x81\x03\xe2\x82");
    EXPECT_EQ(answer_to(client_frame(2, "\xc3", false) + client_frame(0, "")), "\x81\x08"
                                                                               "bi");
}

TEST_P(WsSocket, InflatesWithinTheLimitOnly) {
    ws::socket_options options;
    options.compression = true;
    server echoing(echo, options);
    support::ws_options compressing;
    compressing.compression = true;
    auto client = echoing.client(compressing);
    EXPECT_NE(client.answer_field("Sec-WebSocket-Extensions").find("server_no_context_takeover"),
              std::string::npos);
    for (const std::size_t size : {1u, 100u, 5000u, 40000u, 65535u, 65536u}) {
        const std::string sent(size, 'a');
        client.send(sent);
        ASSERT_TRUE(client.read() == sent) << size;
    }
    client.send(std::string(1'000'000, 'a')); // a kilobyte on the wire
    EXPECT_TRUE(client.wait_closed());
    EXPECT_EQ(client.close_code(), 1009);
}

TEST_P(WsSocket, SaysThatBytesDoNotInflate) {
    ws::socket_options options;
    options.compression = true;
    options.close_timeout = 300ms;
    server echoing(echo, options);
    const auto offering = [&] {
        auto made = echoing.raw();
        made.write(
            support::plain_handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
        made.read_until("\r\n\r\n");
        return made;
    };
    const auto noise = support::client_frame(0x41, std::string(20, '\xff'));
    auto polite = offering();
    polite.write(noise + support::client_frame(1, "more"));
    EXPECT_EQ(polite.read_exactly(4), "\x88\x02\x03\xef"); // 1007
    polite.end_tcp();
    EXPECT_EQ(polite.read_to_end(), "");
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.last_ending().code, 1007);
    auto stubborn = offering();
    stubborn.write(noise);
    EXPECT_EQ(stubborn.read_exactly(4), "\x88\x02\x03\xef");
    EXPECT_TRUE(echoing.becomes_empty()) << "who doesn't close is cut";
    auto gone = offering();
    gone.write(noise);
    gone.abort();
    EXPECT_TRUE(echoing.becomes_empty());
}

// A few bytes can be a lot of work.
TEST_P(WsSocket, WhatInflatesToMuchLeavesOthersTheirTurn) {
    ws::socket_options options;
    options.compression = true;
    constexpr int sent = 20;
    int handled = 0;
    std::atomic<int> at_their_turn = 0;
    server counting(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            const auto executor = co_await ws::asio::this_coro::executor;
            while (handled < sent) {
                const auto message = co_await socket.read();
                if (!message)
                    break;
                if (handled++ == 0)
                    ws::asio::post(executor, [&] { at_their_turn = handled; });
            }
            socket.send(text("done"));
            co_await socket.read();
        },
        options);
    std::string zeros;
    {
        boost::beast::zlib::deflate_stream stream;
        const std::string text(60'000, 'a');
        std::string out(1000, '\0');
        boost::beast::zlib::z_params params;
        params.next_in = text.data();
        params.avail_in = text.size();
        params.next_out = out.data();
        params.avail_out = out.size();
        boost::beast::error_code error;
        stream.write(params, boost::beast::zlib::Flush::sync, error);
        zeros = out.substr(0, params.total_out - 4);
    }
    auto client = counting.raw();
    client.write(
        support::plain_handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    client.read_until("\r\n\r\n");
    std::string frames;
    for (int i = 0; i < sent; ++i)
        frames += support::client_frame(0x41, zeros);
    ASSERT_LT(frames.size(), 16'000U);
    client.write(frames);
    EXPECT_EQ(client.read_exactly(6), "\x81\x04"
                                      "done");
    EXPECT_GT(at_their_turn, 0);
    EXPECT_LT(at_their_turn, 10);
}

TEST_P(WsSocket, OffersNoCompressionUnlessAskedTo) {
    server echoing;
    support::ws_options compressing;
    compressing.compression = true;
    auto client = echoing.client(compressing);
    EXPECT_EQ(client.answer_field("Sec-WebSocket-Extensions"), "");
    client.send("plain");
    EXPECT_EQ(client.read(), "plain");
}

TEST_P(WsSocket, SurvivesAStopInTheMiddleOfEverything) {
    std::atomic<int> begun = 0;
    std::optional<server> pouring;
    pouring.emplace([&](ws::socket& socket) -> ws::asio::awaitable<void> {
        socket.send(text(std::string(8'000'000, 'x')));
        const auto wait_for_room = [&]() -> ws::asio::awaitable<void> { co_await socket.room(); };
        const auto executor = co_await ws::asio::this_coro::executor;
        ws::asio::co_spawn(executor, wait_for_room(), ws::asio::detached);
        ++begun;
        co_await socket.read();
    });
    std::optional<server> reading;
    reading.emplace();
    auto idle = reading->client();
    const auto full = pouring->client();
    auto pinging = pouring->raw_socket();
    pinging.write(support::client_frame(9, "a pong is owed"));
    ASSERT_TRUE(support::eventually(support::patience, [&] { return begun == 2; }));
    for (int i = 0; i < 100; ++i) // turns in which the ping is read
        pouring->ask([] {});
    reading.reset();
    pouring.reset();
    EXPECT_TRUE(idle.wait_closed()); // and that memory has gone as well, a sanitizer checks
    pinging.read_to_end();
    EXPECT_TRUE(pinging.closed());
}

} // namespace
