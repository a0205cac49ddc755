#include "ws/transport.hpp"

namespace ws {
namespace {

const tls_step closed{tls_step::outcome::failed, 0, asio::error::operation_aborted};

} // namespace

transport::transport(tcp_socket socket, const tls_context::pointer& context)
    : tcp_(std::move(socket)) {
    if (!context)
        return;
    error_code ignored; // a socket that can't be set up fails at its first read or write
    tcp_.non_blocking(true, ignored);
    tls_ = std::make_unique<tls_stream>(*context, tcp_.native_handle());
}

// A descriptor that was closed may belong to another connection by now: is_open() comes first.

tls_step transport::handshake() {
    return tcp_.is_open() ? tls_->handshake() : closed;
}

tls_step transport::read_some(asio::mutable_buffer to) {
    if (!tcp_.is_open())
        return closed;
    if (is_secure())
        return tls_->read_some(to.data(), to.size());
    tls_step came;
    came.bytes = tcp_.read_some(to, came.why);
    if (came.why == asio::error::would_block)
        return {tls_step::outcome::wants_read};
    if (came.why)
        came.how = tls_step::outcome::failed;
    return came;
}

tls_step transport::flush() {
    return tcp_.is_open() ? tls_->flush() : closed;
}

asio::mutable_buffer transport::room() {
    static thread_local char bytes[tls_stream::most_at_once];
    return asio::buffer(bytes);
}

void transport::shutdown_send() {
    if (tls_ && tcp_.is_open())
        tls_->say_goodbye();
    error_code ignored;
    tcp_.shutdown(tcp_socket::shutdown_send, ignored);
}

} // namespace ws
