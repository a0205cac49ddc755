#pragma once

#include "base/frame.hpp"
#include "ws/net.hpp"
#include "ws/send_queue.hpp"
#include "ws/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace ws {

class flush_turn;

/// A socket and what has yet to go out on it: shared data frames, and control frames of its own.
///
/// Writes are non-blocking system calls at the end of a turn; only a full kernel buffer costs an
/// asynchronous wait. So a frame is let go of as soon as the kernel has it, or TLS the last of it.
/// Owner: its socket; shared with the turn and the wait under way. Thread: the shard's. Lifetime:
/// until the last of these lets go.
class outbox_core : public std::enable_shared_from_this<outbox_core> {
public:
    outbox_core(transport over, flush_turn& turn);

    tcp_socket& tcp() { return transport_.tcp(); }
    transport& over() { return transport_; }

    /// Queues a data frame; nothing once sealed or over.
    void append(base::frame_ptr frame);

    /// Queues a control frame, in front of the data that has not begun to leave. One at a time:
    /// wait for control_left() first.
    void put_control(std::string frame);

    /// The same for a close frame, which leaves behind the data: nothing else is taken any more.
    /// Nothing where one was queued before.
    void put_close(std::string frame);

    /// Returns once no control frame is on its way: the kernel has it, or never will. A flood of
    /// pings that waits for each pong needs no memory.
    asio::awaitable<void> control_left();

    /// Says goodbye to TCP as RFC 6455 7.1.1 asks: no more sending, then read until the peer has
    /// closed as well. Has no deadline of its own; cut() ends it.
    asio::awaitable<void> tear_down();

    /// Returns once the connection is cut.
    asio::awaitable<void> ended();

    /// Closes the TCP connection. Whoever waits for something here is told.
    void cut();

    /// Writes what the kernel takes. For flush_turn.
    void pump();

    /// What reading has left TLS to write, e.g. the answer to a new key.
    void flush_owed();

    /// Whether the kernel's buffer is full.
    bool is_stuck() const { return waiting_; }
    std::size_t queued_bytes() const {
        return over_ ? 0 : queue_.queued_bytes() + transport_.owed();
    }
    std::size_t held_bytes() const { return over_ ? 0 : queue_.held_bytes() + transport_.owed(); }

    /// Whether a full kernel buffer took more since the last call: the peer is slow, but alive.
    bool take_progress();

    /// Returns once at most `bytes` are held, or the outbox is sealed or over (an error then).
    asio::awaitable<error_code> shrunk_to(std::size_t bytes);

    /// Returns once what is queued now is in the kernel, or never will be (an error then).
    asio::awaitable<error_code> flushed();

private:
    struct waiter;

    /// What a waiter waits for.
    enum class until { room, sent, control, end };

    bool has_control() const { return queue_.has_control() || owes_control_; }
    bool has_more() const { return !queue_.is_empty() || transport_.owed() > 0; }
    void mark();
    void write_plain();
    void write_secure();
    void wait_until(tcp_socket::wait_type ready);
    void wake();
    bool is_met(until what, std::uint64_t bytes) const;
    asio::awaitable<void> wait(until what, std::uint64_t bytes = 0);
    error_code discard();

    transport transport_;
    flush_turn& turn_;
    send_queue queue_;
    waiter* waiters_ = nullptr; ///< they live in the coroutines that wait
    bool marked_ = false;
    bool waiting_ = false;      ///< for the kernel to take more
    bool owes_control_ = false; ///< the control frame is among what the transport owes
    bool progress_ = false;
    bool sealed_ = false;
    bool over_ = false;
};

} // namespace ws
