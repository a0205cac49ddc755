#pragma once

#include "ws/net.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>

namespace ws {

/// Ends what a TCP socket is doing after a while, and remembers that it did: an operation that
/// begins later would not notice.
/// Owner: who owns the socket. Thread: the socket's. Lifetime: the owner's; a late timer finds
/// nothing.
class deadline {
public:
    enum class action {
        cancel, ///< the socket stays open, for an answer
        close,
    };

    explicit deadline(tcp_socket& socket);
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;
    ~deadline();

    void start(std::chrono::milliseconds delay, action then);
    void stop();
    bool passed() const { return state_->passed; }

private:
    struct state {
        state(tcp_socket& s) : socket(&s), timer(s.get_executor()) {}
        tcp_socket* socket; ///< null: the owner is gone
        asio::steady_timer timer;
        action then = action::cancel;
        bool passed = false;
    };

    std::shared_ptr<state> state_;
};

} // namespace ws
