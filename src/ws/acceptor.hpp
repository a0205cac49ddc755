#pragma once

#include "ws/net.hpp"

#include <boost/system/system_error.hpp>

#include <memory>
#include <string>

namespace ws {

/// Why an address can't be listened on, with a message that names it.
class cannot_listen : public boost::system::system_error {
public:
    using system_error::system_error;
    /// By itself: another program has the address, or this machine hasn't got it yet.
    bool may_pass() const;
};

/// Accepts TCP connections onto the io_context of the caller's choice.
/// Owner: app::server. Thread: that of the io_context it was made with. Lifetime: the server's.
class acceptor {
public:
    /// Listens at once. `address` is "host:port", "[v6]:port" or ":port"; port 0 takes a free one.
    /// Throws cannot_listen (start-up).
    acceptor(asio::io_context& context, const std::string& address);
    ~acceptor();

    /// "127.0.0.1:8080", with the real port.
    std::string local_address() const;

    /// The next connection, made on `target` (TCP_NODELAY set). Errors: operation_aborted after
    /// close(); no_descriptors, no_memory and the like: wait before trying again.
    asio::awaitable<boost::system::result<tcp_socket>> accept(asio::io_context& target);

    void close();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace ws
