#pragma once

#include "base/frame.hpp"
#include "ws/net.hpp"
#include "ws/once.hpp"
#include "ws/send_queue.hpp"
#include "ws/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ws {

class flush_turn;

/// Who hears that a close frame goes out. From then on the outbox takes no more data.
class outbox_owner {
public:
    virtual void sealed(std::uint16_t code, std::string_view reason) = 0;

protected:
    ~outbox_owner() = default;
};

/// A socket and what has yet to go out on it. Data frames are ours; control frames are Beast's,
/// which never has two writes under way.
///
/// Writes are non-blocking system calls at the end of a turn; only a full kernel buffer costs an
/// asynchronous wait. So a frame is let go of as soon as the kernel has it, or TLS the last of it.
/// Owner: its socket; shared with the turn and the wait under way. Thread: the shard's. Lifetime:
/// until the last of these lets go.
class outbox_core : public std::enable_shared_from_this<outbox_core> {
public:
    using written_handler = once<error_code, std::size_t>;
    using torn_down_handler = once<error_code>;

    /// `already_read`: what the client sent behind its handshake.
    outbox_core(transport over, flush_turn& turn, std::string already_read);

    tcp_socket& tcp() { return transport_.tcp(); }
    transport& over() { return transport_; }
    void set_owner(outbox_owner* owner) { owner_ = owner; }

    /// Queues a data frame; nothing once sealed or over.
    void append(base::frame_ptr frame);

    /// Queues bytes of Beast's: a control frame, or the answer to the handshake. `handler` runs
    /// when the kernel has them, which keeps a flood of pings waiting for its pongs.
    void control(std::string bytes, written_handler handler);

    /// Whether the next close frame waits for the data in front of it. Otherwise unsent data goes.
    void close_behind_data(bool behind) { close_behind_ = behind; }

    /// Up to `size` bytes of what was already read; 0: there is none.
    std::size_t take_already_read(void* to, std::size_t size);

    /// Says goodbye to TCP as RFC 6455 7.1.1 asks: no more sending, then read until the peer has
    /// closed as well. Has no deadline of its own; cut() ends it.
    void tear_down(torn_down_handler handler);

    /// Closes the TCP connection. Whoever waits for something here is told.
    void cut(error_code why);

    /// The loop is gone: lets go of handlers that would otherwise keep their coroutines.
    void abandon();

    /// Writes what the kernel takes. For flush_turn.
    void pump();

    bool is_sealed() const { return sealed_; }
    bool is_idle() const { return queue_.is_empty(); }
    std::size_t queued_bytes() const {
        return over_ ? 0 : queue_.queued_bytes() + transport_.owed();
    }

    /// Whether a full kernel buffer took more since the last call: the peer is slow, but alive.
    bool take_progress();

    /// Returns once at most `bytes` are queued, or the outbox is sealed or over (an error then).
    asio::awaitable<error_code> shrunk_to(std::size_t bytes);

    /// Returns once what is queued now is in the kernel, or never will be (an error then).
    asio::awaitable<error_code> flushed();

private:
    struct waiter;
    struct ready_wait;

    void seal(std::string_view close_frame, bool behind);
    bool has_more() const { return !queue_.is_empty() || transport_.owed() > 0; }
    void mark();
    void write_plain();
    void write_secure();
    void advance(std::size_t bytes);
    void wait_until(tcp_socket::wait_type ready);
    void finish_control(error_code result);
    void wake();
    bool is_satisfied(const waiter& one) const;
    void drain(torn_down_handler handler);

    transport transport_;
    flush_turn& turn_;
    outbox_owner* owner_ = nullptr;
    send_queue queue_;
    written_handler control_handler_;
    std::size_t control_size_ = 0;
    std::string already_read_;
    waiter* waiters_ = nullptr; ///< they live in the coroutines that wait
    bool marked_ = false;
    bool waiting_ = false;      ///< for the kernel to take more
    bool owes_control_ = false; ///< the control frame is among what the transport owes
    bool progress_ = false;
    bool close_behind_ = false;
    bool sealed_ = false;
    bool over_ = false;
};

} // namespace ws
