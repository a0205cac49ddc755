#include "tests/ws/ws_server.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <string>

namespace {

using namespace ws_test;

using WsClose = over_both;
INSTANTIATE_TEST_SUITE_P(over, WsClose, testing::Bool(), over_both::name);

/// Generous towards a busy machine.
constexpr auto soon = 20s;

ws::socket_options impatient() {
    ws::socket_options options;
    options.close_timeout = 300ms;
    return options;
}

TEST_P(WsClose, AnswersTheClientsClose) {
    server echoing;
    auto client = echoing.client();
    EXPECT_TRUE(client.close(4001, "bye"));
    EXPECT_TRUE(echoing.becomes_empty());
    EXPECT_EQ(echoing.last_ending().code, 4001);
    EXPECT_EQ(echoing.last_ending().reason, "bye");
    EXPECT_TRUE(echoing.last_ending().by_peer);
}

TEST_P(WsClose, DoesNotRepeatACodeThatIsNobodys) {
    server echoing;
    const auto answer_to = [&](const std::string& code) {
        auto client = echoing.raw_socket();
        client.write(support::client_frame(8, code));
        return client.read_exactly(4);
    };
    EXPECT_EQ(answer_to("\x13\x87"), "\x88\x02\x13\x87"); // 4999
    EXPECT_EQ(answer_to("\x13\x88"), "\x88\x02\x03\xea"); // 5000: 1002
    EXPECT_EQ(answer_to("\xff\xff"), "\x88\x02\x03\xea");
    EXPECT_TRUE(echoing.becomes_empty());
}

TEST_P(WsClose, ClosesBehindWhatIsQueued) {
    server closing([](ws::socket& socket) -> ws::asio::awaitable<void> {
        for (int i = 0; i < 500; ++i)
            socket.send(text(std::string(1000, 'x')));
        co_await socket.close(1012, "restart");
        socket.send(text("too late"));
        EXPECT_TRUE(co_await socket.room());
        EXPECT_FALSE(co_await socket.read());
    });
    auto client = closing.client();
    for (int i = 0; i < 500; ++i)
        ASSERT_TRUE(client.read());
    EXPECT_EQ(client.read(), std::nullopt);
    EXPECT_EQ(client.close_code(), 1012);
    EXPECT_EQ(client.close_reason(), "restart");
    EXPECT_TRUE(closing.becomes_empty());
    EXPECT_EQ(closing.last_ending().code, 1012);
    EXPECT_FALSE(closing.last_ending().by_peer);
}

// Longer than the peer is waited for otherwise.
TEST_P(WsClose, GivesWhatIsQueuedTheTimeItIsTold) {
    const std::string large(8'000'000, 'x');
    std::promise<void> is_closing;
    server closing(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            socket.send(text(large));
            const auto all = socket.queued_bytes();
            EXPECT_TRUE(co_await eventually([&] { return socket.queued_bytes() < all; }));
            // Runs when close() has begun to wait; until then nobody takes the rest of the frame.
            ws::asio::post(co_await ws::asio::this_coro::executor, [&] { is_closing.set_value(); });
            co_await socket.close(1012, "", 60s);
        },
        impatient());
    auto client = closing.client();
    ASSERT_EQ(is_closing.get_future().wait_for(soon), std::future_status::ready);
    EXPECT_FALSE(closing.becomes_empty(1s)) << "three times the usual wait";
    EXPECT_TRUE(client.read() == large);
    EXPECT_EQ(client.read(), std::nullopt);
    EXPECT_EQ(client.close_code(), 1012);
}

TEST_P(WsClose, CutsAPeerThatHasItAllAndDoesNotAnswer) {
    server closing(
        [](ws::socket& socket) -> ws::asio::awaitable<void> {
            socket.send(text("all"));
            co_await socket.close(1012, "", 600s);
        },
        impatient());
    auto silent = closing.raw_socket();
    EXPECT_NE(silent.read_until("all"), "");
    EXPECT_TRUE(closing.becomes_empty(soon));
}

TEST_P(WsClose, ShortensAReasonThatIsTooLong) {
    server closing([](ws::socket& socket) -> ws::asio::awaitable<void> {
        std::string reason = "x";
        for (int i = 0; i < 100; ++i)
            reason += "\xc3\xa4";
        co_await socket.close(1001, reason);
    });
    auto client = closing.client();
    EXPECT_TRUE(client.wait_closed());
    EXPECT_EQ(client.close_code(), 1001);
    EXPECT_EQ(client.close_reason().size(), 123u);
}

TEST_P(WsClose, CutsAPeerThatNeverAnswersOurClose) {
    server closing(
        [](ws::socket& socket) -> ws::asio::awaitable<void> {
            co_await socket.close(1001, "");
            EXPECT_FALSE(co_await socket.read());
        },
        impatient());
    auto deaf = closing.raw_socket();
    EXPECT_EQ(deaf.read_to_end(soon), "\x88\x02\x03\xe9");
    EXPECT_TRUE(deaf.closed());
    EXPECT_TRUE(closing.becomes_empty(soon));
    EXPECT_GE(closing.last_lifetime(), 300ms);
}

TEST_P(WsClose, EndsTheReadUnderWayAsWell) {
    std::atomic<bool> read_ended = false;
    server closing(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            const auto reader = [&]() -> ws::asio::awaitable<void> {
                EXPECT_FALSE(co_await socket.read());
                read_ended = true;
            };
            ws::asio::co_spawn(co_await ws::asio::this_coro::executor, reader(),
                               ws::asio::detached);
            co_await socket.close(1001, "");
            EXPECT_TRUE(co_await eventually([&] { return read_ended.load(); }));
        },
        impatient());
    auto deaf = closing.raw_socket();
    EXPECT_TRUE(closing.becomes_empty(soon));
    EXPECT_TRUE(read_ended);
}

TEST_P(WsClose, CutsAPeerThatClosesAndKeepsItsEndOpen) {
    server echoing(echo, impatient());
    auto lingering = echoing.raw_socket();
    lingering.write(support::client_frame(8, "\x03\xe8"));
    EXPECT_EQ(lingering.read_exactly(4), "\x88\x02\x03\xe8");
    EXPECT_TRUE(echoing.becomes_empty(soon));
    EXPECT_EQ(echoing.last_ending().code, 1000);
}

TEST_P(WsClose, CutsAPeerThatKeepsSendingAfterTheEnd) {
    server echoing(echo, impatient());
    auto chatty = echoing.raw_socket();
    chatty.write(support::client_frame(8, "\x03\xe8"));
    const std::string noise(100'000, 'x');
    while (chatty.write(noise, 2s))
        continue;
    EXPECT_TRUE(echoing.becomes_empty(soon));
}

TEST_P(WsClose, CutsAPeerThatBreaksTheProtocol) {
    server echoing(echo, impatient());
    for (const std::string& bytes :
         {std::string("\x81\x01x"),                // not masked
          std::string("\x83\x80\x01\x02\x03\x04"), // opcode 3
          std::string("\xc1\x80\x01\x02\x03\x04"), // RSV1 without an extension
          std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10)}) { // 2^64 - 1 bytes
        auto client = echoing.raw_socket();
        client.write(bytes + std::string(4, 'x'));
        EXPECT_EQ(client.read_exactly(1), "\x88");
        client.read_to_end(soon);
        EXPECT_TRUE(client.closed());
    }
    EXPECT_TRUE(echoing.becomes_empty(soon));
}

TEST_P(WsClose, FindsASilentPeerWithinTwoPingIntervals) {
    ws::socket_options options;
    options.ping_interval = 200ms;
    server echoing(echo, options);
    auto silent = echoing.raw_socket();
    EXPECT_EQ(silent.read_to_end(soon), std::string("\x89\x00", 2));
    EXPECT_TRUE(silent.closed());
    EXPECT_TRUE(echoing.becomes_empty(soon));
    EXPECT_EQ(echoing.last_ending().code, 1006);
    EXPECT_GE(echoing.last_lifetime(), 390ms);
    EXPECT_LT(echoing.last_lifetime(), 10s); // 400 ms on a machine with nothing else to do
}

TEST_P(WsClose, KeepsAPeerThatAnswersPings) {
    ws::socket_options options;
    options.ping_interval = 1s;
    server echoing(echo, options);
    auto client = echoing.client();
    EXPECT_EQ(client.read(3500ms), std::nullopt);
    EXPECT_FALSE(client.closed());
    client.send("still here");
    EXPECT_EQ(client.read(), "still here");
}

/// Sends whenever the ping's time has come, just before it has.
ws::asio::awaitable<void> feed(ws::socket& socket, std::chrono::milliseconds ping_interval) {
    const auto here = co_await ws::asio::this_coro::executor;
    for (int i = 0; i < 5; ++i) {
        // Busy until the timer is due, and nobody has looked yet.
        const auto due = std::chrono::steady_clock::now() + ping_interval;
        while (std::chrono::steady_clock::now() < due)
            continue;
        co_await ws::asio::post(here, ws::asio::use_awaitable);
        socket.send(text("news"));
        co_await pause(10ms); // for the answer
    }
    socket.send(text("end"));
}

TEST_P(WsClose, AlsoAsksAPeerThatIsBeingSentTo) {
    ws::socket_options options;
    options.ping_interval = 500ms;
    server feeding(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            ws::asio::co_spawn(co_await ws::asio::this_coro::executor,
                               feed(socket, options.ping_interval), ws::asio::detached);
            while (co_await socket.read())
                continue;
        },
        options);
    auto client = feeding.client();
    std::optional<std::string> last;
    do {
        last = client.read();
    } while (last == "news");
    EXPECT_EQ(last, "end") << "cut with " << client.close_code();
}

TEST_P(WsClose, DoesNotBlameAPeerNobodyReadsFrom) {
    ws::socket_options options;
    options.ping_interval = 50ms;
    server busy(
        [](ws::socket& socket) -> ws::asio::awaitable<void> {
            co_await pause(400ms);
            const auto message = co_await socket.read();
            EXPECT_TRUE(message);
            socket.send(text("late"));
            co_await socket.flushed();
        },
        options);
    auto client = busy.raw_socket();
    client.write(support::client_frame(1, "hello"));
    EXPECT_NE(client.read_until("late"), "");
    EXPECT_FALSE(client.closed());
}

// As a session does that waits for its replies to leave.
TEST_P(WsClose, EndsAPeerThatTakesNothingWhileNobodyReads) {
    ws::socket_options options;
    options.ping_interval = 200ms;
    server pouring(
        [](ws::socket& socket) -> ws::asio::awaitable<void> {
            socket.send(text(std::string(16'000'000, 'x')));
            EXPECT_TRUE(co_await socket.room());
        },
        options);
    auto deaf = pouring.raw_socket(4096);
    EXPECT_TRUE(pouring.becomes_empty(soon));
}

TEST_P(WsClose, KeepsAPeerThatIsOnlySlow) {
    ws::socket_options options;
    options.ping_interval = 1s;
    const std::string large(9'000'000, 'x');
    server pouring(
        [&](ws::socket& socket) -> ws::asio::awaitable<void> {
            socket.send(text(large));
            while (co_await socket.read())
                continue;
        },
        options);
    auto slow = pouring.raw_socket(16 * 1024); // has no time to answer pings
    std::size_t read = slow.read_exactly(10).size();
    while (read < large.size() && !slow.closed()) {
        read += slow.read_exactly(std::min<std::size_t>(100'000, large.size() + 10 - read)).size();
        support::eventually(40ms, [] { return false; });
    }
    EXPECT_EQ(read, large.size() + 10);
}

// Nobody was reading when it was closed, and the peer reads only once it has sent everything.
TEST_P(WsClose, ReadsFromAPeerThatSendsBeforeItTakesWhatIsFlushed) {
    const std::string large(16'000'000, 'x');
    server closing([&](ws::socket& socket) -> ws::asio::awaitable<void> {
        socket.send(text(large));
        co_await socket.close(1012, "restart", 1min);
    });
    auto client = closing.client();
    for (int i = 0; i < 400; ++i)
        client.send(std::string(50'000, 'y'));
    EXPECT_EQ(client.read(), large);
    EXPECT_EQ(client.read(), std::nullopt);
    EXPECT_EQ(client.close_code(), 1012);
}

TEST_P(WsClose, AbortCutsInTheMiddleOfAWrite) {
    server aborting([](ws::socket& socket) -> ws::asio::awaitable<void> {
        socket.send(text(std::string(8'000'000, 'x')));
        const auto all = socket.queued_bytes();
        EXPECT_TRUE(co_await eventually([&] { return socket.queued_bytes() < all; }));
        EXPECT_GT(socket.queued_bytes(), 0u);
        socket.abort();
        EXPECT_TRUE(co_await socket.flushed());
        EXPECT_FALSE(co_await socket.read());
        EXPECT_EQ(socket.queued_bytes(), 0u);
    });
    auto client = aborting.raw_socket();
    client.read_to_end(soon);
    EXPECT_TRUE(client.closed());
    EXPECT_TRUE(aborting.becomes_empty(soon));
}

TEST_P(WsClose, AHandleMayGoWhileItIsReadWaitedForAndClosed) {
    std::atomic<int> ended = 0;
    server leaving([&](ws::socket& given) -> ws::asio::awaitable<void> {
        std::optional<ws::socket> handle(std::move(given));
        const auto executor = co_await ws::asio::this_coro::executor;
        handle->send(text(std::string(8'000'000, 'x')));
        const auto count = [&](auto&&...) { ++ended; };
        ws::asio::co_spawn(executor, handle->read(), count);
        ws::asio::co_spawn(executor, handle->room(), count);
        ws::asio::co_spawn(executor, handle->flushed(), count);
        ws::asio::co_spawn(executor, handle->close(1001, ""), count);
        // room() ends with the close frame; the others wait.
        EXPECT_TRUE(co_await eventually([&] { return ended == 1; }));
        handle.reset();
        EXPECT_TRUE(co_await eventually([&] { return ended == 4; }));
    });
    auto client = leaving.raw_socket();
    client.read_to_end(soon);
    EXPECT_TRUE(client.closed());
    EXPECT_TRUE(support::eventually(soon, [&] { return ended == 4; }));
}

TEST_P(WsClose, EndsWithTheClientsReset) {
    server echoing;
    auto client = echoing.client();
    client.abort();
    EXPECT_TRUE(echoing.becomes_empty(soon));
    EXPECT_EQ(echoing.last_ending().code, 1006);
}

} // namespace
