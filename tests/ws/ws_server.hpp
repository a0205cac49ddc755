#pragma once

#include "tests/support/certificate.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/ws_client.hpp"
#include "ws/acceptor.hpp"
#include "ws/flush_turn.hpp"
#include "ws/http_door.hpp"
#include "ws/socket.hpp"
#include "ws/text_frame.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// The ws room alone behind a real port: what a test's `session` does with each socket.
namespace ws_test {

using namespace std::chrono_literals;

inline base::frame_ptr text(std::string_view payload) {
    auto buffer = ws::start_frame(payload.size());
    buffer += payload;
    return ws::seal_frame(std::move(buffer));
}

/// Lets time pass on the server's thread.
inline ws::asio::awaitable<void> pause(std::chrono::milliseconds time) {
    ws::asio::steady_timer timer(co_await ws::asio::this_coro::executor, time);
    co_await timer.async_wait(ws::asio::use_awaitable);
}

/// support::eventually for the server's thread.
template <typename Predicate>
ws::asio::awaitable<bool> eventually(Predicate predicate) {
    const auto deadline = std::chrono::steady_clock::now() + support::patience;
    while (!predicate() && std::chrono::steady_clock::now() < deadline)
        co_await pause(1ms);
    co_return predicate();
}

inline ws::asio::awaitable<void> echo(ws::socket& socket) {
    while (auto message = co_await socket.read())
        socket.send(text(message->binary ? "binary " + std::to_string(message->bytes.size())
                                         : std::string(message->bytes)));
}

/// One for the whole program: making it takes a while.
inline const support::certificate& test_certificate() {
    static const auto one = support::make_certificate("pgherald test");
    return one;
}

inline ws::tls_context::pointer tls_context_of(const support::certificate& from,
                                               ws::tls_version least = ws::tls_version::v1_2) {
    ws::tls_options options;
    options.certificate = from.pem;
    options.key = from.key;
    options.min_version = least;
    return ws::tls_context::make(options).value();
}

/// Tests of the room that hold over TLS as well: servers that such a test makes speak it.
class over_both : public testing::TestWithParam<bool> {
protected:
    over_both() { secure = GetParam(); }
    ~over_both() override { secure = false; }

public:
    static inline bool secure = false;
    static std::string name(const testing::TestParamInfo<bool>& of) {
        return of.param ? "tls" : "plain";
    }
};

class server {
public:
    using session = std::function<ws::asio::awaitable<void>(ws::socket&)>;

    explicit server(session what = echo, ws::socket_options sockets = {},
                    ws::door_options doors = {})
        : session_(std::move(what)),
          sockets_(sockets),
          doors_(doors),
          turn_(context_),
          acceptor_(context_, "127.0.0.1:0") {
        if (over_both::secure && !doors_.tls)
            doors_.tls = tls_context_of(test_certificate());
        ws::asio::co_spawn(context_, accept(), ws::asio::detached);
        thread_ = std::thread([this] { context_.run(); });
    }

    /// Stops the loop at once, whatever is still going on: nothing may leak then, either.
    ~server() {
        context_.stop();
        thread_.join();
    }

    std::uint16_t port() const {
        const auto address = acceptor_.local_address();
        return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    }

    support::ws_client client(support::ws_options options = {}) const {
        if (doors_.tls && !options.tls)
            options.tls = trusting();
        return {"127.0.0.1", port(), "/ws", options};
    }
    support::raw_client raw(int receive_buffer = 0) const {
        return {"127.0.0.1", port(), receive_buffer, trusting()};
    }
    std::optional<support::tls_client> trusting() const {
        if (!doors_.tls)
            return std::nullopt;
        return support::tls_client{.trusted = test_certificate().pem};
    }
    /// A WebSocket that only does what the test writes to it.
    support::raw_client raw_socket(int receive_buffer = 0) const {
        auto made = raw(receive_buffer);
        made.write(support::plain_handshake());
        made.read_until("\r\n\r\n");
        return made;
    }

    /// Runs `task` on the server's thread.
    template <typename Task>
    auto ask(Task task) {
        return ws::asio::post(context_, std::packaged_task<decltype(task())()>(std::move(task)))
            .get();
    }

    std::uint64_t writes() {
        return ask([this] { return turn_.writes(); });
    }
    ws::ending last_ending() {
        return ask([this] { return ending_; });
    }

    /// Whether all connections have ended within the time.
    bool becomes_empty(std::chrono::milliseconds wait = support::patience) {
        return support::eventually(wait, [this] { return ask([this] { return open_; }) == 0; });
    }
    std::chrono::steady_clock::duration last_lifetime() {
        return ask([this] { return lifetime_; });
    }

    /// Why TLS handshakes failed so far.
    std::vector<std::string> tls_failures() {
        return ask([this] { return tls_failures_; });
    }
    /// What doors answered by themselves so far; 0 where one only ended.
    std::vector<unsigned> refusals() {
        return ask([this] { return refusals_; });
    }
    /// For connections from now on.
    void set_tls(ws::tls_context::pointer next) {
        ask([this, next] { doors_.tls = next; });
    }

private:
    ws::asio::awaitable<void> accept() {
        while (auto socket = co_await acceptor_.accept(context_)) {
            ++open_;
            ws::asio::co_spawn(context_, serve(std::move(*socket)), ws::asio::detached);
        }
    }

    ws::asio::awaitable<void> serve(ws::tcp_socket tcp) {
        ws::http_door door(std::move(tcp), turn_, doors_);
        co_await serve_requests(door);
        --open_;
    }

    ws::asio::awaitable<void> serve_requests(ws::http_door& door) {
        while (auto request = co_await door.read()) {
            if (!request->wants_upgrade || !request->upgrade_problem.empty()) {
                ws::http_response answer;
                answer.status = request->wants_upgrade ? request->upgrade_status : 200;
                answer.body = request->wants_upgrade ? request->upgrade_problem : request->path;
                co_await door.respond(std::move(answer));
                continue;
            }
            std::string subprotocol; // GCC 12 miscompiles ?: inside a co_await expression
            if (!request->subprotocols.empty())
                subprotocol = request->subprotocols.front();
            auto socket = co_await door.upgrade(sockets_, subprotocol, "test/1");
            if (!socket)
                co_return;
            const auto begin = std::chrono::steady_clock::now();
            co_await session_(*socket);
            lifetime_ = std::chrono::steady_clock::now() - begin;
            if (*socket)
                ending_ = socket->ending();
            co_return;
        }
        refusals_.push_back(door.refused());
        if (const auto why = door.tls_failure())
            tls_failures_.push_back(why.message());
    }

    session session_;
    ws::socket_options sockets_;
    ws::door_options doors_;
    int open_ = 0;
    ws::ending ending_;
    std::chrono::steady_clock::duration lifetime_{};
    std::vector<std::string> tls_failures_;
    std::vector<unsigned> refusals_;
    ws::asio::io_context context_;
    ws::flush_turn turn_;
    ws::acceptor acceptor_;
    std::thread thread_;
};

} // namespace ws_test
