#pragma once

#include "ws/net.hpp"
#include "ws/tls_stream.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <utility>

namespace ws {

/// A TCP socket, and TLS on it where there is a context for it.
/// Owner: the door, then the outbox. Thread: the shard's. Lifetime: the connection's; what is under
/// way when it goes is never called back.
class transport {
public:
    using executor_type = tcp_socket::executor_type;

    /// `context` null: plain TCP.
    transport(tcp_socket socket, const tls_context::pointer& context);

    tcp_socket& tcp() { return tcp_; }
    executor_type get_executor() noexcept { return tcp_.get_executor(); }
    bool is_secure() const { return tls_ != nullptr; }

    // Steps that never wait (the socket is non-blocking); failed once it is closed. All but
    // read_some() are TLS's, is_secure() only.

    tls_step handshake();
    tls_step read_some(asio::mutable_buffer to);

    /// As tls_stream's, of a sequence of buffers: what leaves together shares a record.
    template <typename Buffers>
    tls_step write_some(const Buffers& from);
    std::size_t owed() const { return tls_ ? tls_->owed() : 0; }
    tls_step flush();

    /// Nothing more will be sent.
    void shutdown_send();

    template <typename Token>
    auto async_handshake(Token&& token) {
        return begin([](transport& on) { return on.handshake(); }, std::forward<Token>(token));
    }

    template <typename Buffers, typename Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, const Buffers& to) {
                if (!is_secure())
                    return tcp_.async_read_some(to, std::move(handler));
                const asio::mutable_buffer first = *asio::buffer_sequence_begin(to);
                perform([first](transport& on) { return on.read_some(first); }, std::move(handler));
            },
            token, buffers);
    }

    /// Completes when the kernel has the bytes.
    template <typename Buffers, typename Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, const Buffers& from) {
                if (!is_secure())
                    return tcp_.async_write_some(from, std::move(handler));
                auto write = [from, taken = std::size_t{0}](transport& on) mutable {
                    auto step = on.flush();
                    if (step.how == tls_step::outcome::done && taken == 0) {
                        step = on.write_some(from);
                        taken = step.bytes;
                    }
                    step.bytes = taken;
                    return step;
                };
                perform(std::move(write), std::move(handler));
            },
            token, buffers);
    }

private:
    template <typename Step, typename Handler>
    class operation;

    template <typename Step, typename Handler>
    void perform(Step step, Handler handler) {
        operation<Step, Handler>(*this, std::move(step), std::move(handler)).begin();
    }

    template <typename Step, typename Token>
    auto begin(Step step, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, Step first) {
                this->perform(std::move(first), std::move(handler));
            },
            token, std::move(step));
    }

    /// Room to put small buffers together, one for each thread.
    static asio::mutable_buffer room();

    tcp_socket tcp_;
    std::unique_ptr<tls_stream> tls_;
};

/// A step, taken again whenever the socket is ready for it. Never completes inside of the call that
/// began it.
template <typename Step, typename Handler>
class transport::operation {
public:
    operation(transport& on, Step step, Handler handler)
        : on_(on),
          step_(std::move(step)),
          handler_(std::move(handler)) {}

    void begin() {
        const tls_step came = step_(on_);
        if (wants_more(came))
            return wait(came);
        auto& tcp = on_.tcp();
        asio::post(tcp.get_executor(),
                   [self = std::move(*this), came]() mutable { self.complete(came); });
    }

    /// The socket is ready, or will never be.
    void operator()(error_code error) {
        const tls_step came = error ? tls_step{tls_step::outcome::failed, 0, error} : step_(on_);
        if (wants_more(came))
            return wait(came);
        complete(came);
    }

private:
    static bool wants_more(const tls_step& came) {
        return came.how == tls_step::outcome::wants_read ||
               came.how == tls_step::outcome::wants_write;
    }

    void wait(const tls_step& came) {
        auto& tcp = on_.tcp();
        const auto readiness = came.how == tls_step::outcome::wants_read ? tcp_socket::wait_read
                                                                         : tcp_socket::wait_write;
        tcp.async_wait(readiness, std::move(*this));
    }

    void complete(const tls_step& came) {
        error_code error = came.why;
        if (came.how == tls_step::outcome::ended)
            error = asio::error::eof;
        auto handler = std::move(handler_);
        std::move(handler)(error, error ? 0 : came.bytes);
    }

    transport& on_;
    Step step_;
    Handler handler_;
};

template <typename Buffers>
tls_step transport::write_some(const Buffers& from) {
    assert(is_secure());
    if (!tcp_.is_open())
        return {tls_step::outcome::failed, 0, asio::error::operation_aborted};
    // Small buffers are put together, a large or a single one goes as it is.
    const asio::const_buffer first = *asio::buffer_sequence_begin(from);
    if (first.size() >= std::min(tls_stream::most_at_once, asio::buffer_size(from)))
        return tls_->write_some(first.data(), first.size());
    const asio::mutable_buffer together = room();
    return tls_->write_some(together.data(), asio::buffer_copy(together, from));
}

/// Found by Beast, which would end a handshake with it if its own clock were running.
inline void beast_close_socket(transport& on) {
    error_code ignored;
    on.tcp().close(ignored);
}

} // namespace ws
