#pragma once

#include "base/frame.hpp"
#include "ws/net.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ws {

struct socket_options {
    std::size_t max_frame = 64 * 1024;    ///< of what the client sends, after inflating
    std::size_t outbox_bytes = 64 * 1024; ///< from here on has_room() is false
    std::chrono::milliseconds ping_interval{25'000};
    std::chrono::milliseconds close_timeout{5'000}; ///< for the peer to answer a close
    /// Accept permessage-deflate from the client. What it inflates to is held to max_frame. A
    /// session that has used it waits with about 40 KiB more, most of it the window of 32 KiB.
    bool compression = false;
};

/// One frame from the client.
struct incoming {
    bool binary;
    std::string_view bytes; ///< valid until the next read() or close()
};

/// How a socket ended: the close code received or sent (1006 when there was none) and its reason.
struct ending {
    std::uint16_t code = 1006;
    std::string reason;
    bool by_peer = false; ///< it was the peer that closed
};

/// One WebSocket behind its handshake.
/// Pulled: read() and room() are awaited, nothing calls back.
/// Owner: app's session. Thread: the shard's. Lifetime: operations under way keep the inside alive,
/// so the handle may go at any time (the TCP connection is then closed at once).
class socket {
public:
    class impl;

    explicit socket(std::shared_ptr<impl> inside);
    socket(socket&&) noexcept;
    socket& operator=(socket&&) noexcept;
    ~socket();

    /// False once moved from; then nothing else may be called.
    explicit operator bool() const { return impl_ != nullptr; }

    /// The next whole text or binary message. One at a time. Pings are answered, silence beyond two
    /// ping intervals ends it. Errors: the socket is over; ending() says how. An oversized message
    /// closes with 1009, invalid UTF-8 with 1007.
    asio::awaitable<boost::system::result<incoming>> read();

    /// Appends a frame, or joined ones, to the outbox whatever its size; it leaves at the end of
    /// this turn. After close() or an error it does nothing.
    void send(base::frame_ptr frame);

    /// Whether the outbox holds less than its limit, and would with `bytes` more not exceed it.
    bool has_room(std::size_t bytes = 0) const;
    std::size_t queued_bytes() const;
    /// The memory for what is queued, but for what others share.
    std::size_t held_bytes() const;

    /// Returns once no more is held than half the outbox's limit, or the socket is over (then with
    /// an error).
    asio::awaitable<error_code> room();

    /// Returns once everything appended so far is in the kernel, or never will be (then with an
    /// error).
    asio::awaitable<error_code> flushed();

    /// Close frame behind what is queued, which has `flush_time` to leave (close_timeout if that is
    /// longer); then waits for the peer's answer up to close_timeout, then the TCP connection is
    /// gone. read() ends as well. Returns at once where the socket is closing or over already.
    asio::awaitable<void> close(std::uint16_t code, std::string reason,
                                std::chrono::milliseconds flush_time = {});

    /// Cuts the TCP connection now.
    void abort();

    ws::ending ending() const;

private:
    std::shared_ptr<impl> impl_;
};

} // namespace ws
