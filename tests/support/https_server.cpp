#include "tests/support/https_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <thread>
#include <utility>

namespace support {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
} // namespace

class https_server::impl {
public:
    impl(const certificate& shown, answers answer) : answer_(std::move(answer)) {
        tls_.use_certificate(asio::buffer(shown.pem), asio::ssl::context::pem);
        tls_.use_private_key(asio::buffer(shown.key), asio::ssl::context::pem);
        asio::co_spawn(context_, accept(), asio::detached);
        thread_ = std::thread([this] { context_.run(); });
    }
    ~impl() {
        context_.stop();
        thread_.join();
    }

    std::uint16_t port() const { return port_; }
    int requests() const { return requests_; }

private:
    using stream = asio::ssl::stream<tcp::socket>;

    asio::awaitable<void> accept() {
        for (;;) {
            auto [error, socket] = co_await acceptor_.async_accept(as_result);
            if (!error) {
                asio::co_spawn(context_, serve(stream(std::move(socket), tls_)), asio::detached);
            }
        }
    }

    asio::awaitable<void> serve(stream client) {
        const auto [refused] =
            co_await client.async_handshake(asio::ssl::stream_base::server, as_result);
        if (refused) {
            co_return;
        }
        std::string request;
        const auto [broken, size] = co_await asio::async_read_until(
            client, asio::dynamic_buffer(request), "\r\n\r\n", as_result);
        if (broken) {
            co_return;
        }
        const std::string answer = answer_(request);
        ++requests_;
        if (!answer.empty()) {
            const auto [unsent, sent] =
                co_await asio::async_write(client, asio::buffer(answer), as_result);
            if (!unsent) {
                co_await client.async_shutdown(as_result);
            }
        } else {
            // Until the client has had enough.
            co_await asio::async_read(client, asio::dynamic_buffer(request), as_result);
        }
    }

    answers answer_;
    std::atomic<int> requests_ = 0;
    asio::ssl::context tls_{asio::ssl::context::tls_server};
    asio::io_context context_;
    tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    const std::uint16_t port_ = acceptor_.local_endpoint().port();
    std::thread thread_;
};

https_server::https_server(const certificate& shown, answers answer)
    : impl_(std::make_unique<impl>(shown, std::move(answer))) {}
https_server::~https_server() = default;

std::uint16_t https_server::port() const {
    return impl_->port();
}

std::string https_server::url(const std::string& path, const std::string& host) const {
    return "https://" + host + ':' + std::to_string(port()) + path;
}

int https_server::requests() const {
    return impl_->requests();
}

std::string http_answer_text(const std::string& body, const std::string& status,
                             const std::string& more_header) {
    return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n" + more_header +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

} // namespace support
