#pragma once

#include "ws/frame_reader.hpp"
#include "ws/outbox.hpp"
#include "ws/socket.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ws {

/// The inside of a socket behind its handshake: reads and answers the client's frames, sends
/// through the outbox, and has one timer that is the ping clock and later the closing deadline.
/// While nothing comes it holds no buffer.
/// Owner: the handle and the operations under way. Thread: the shard's. Lifetime: the last of them.
class socket::impl final : public std::enable_shared_from_this<impl> {
public:
    /// `already_read`: what the client sent behind its handshake.
    impl(std::shared_ptr<outbox_core> core, const socket_options& options,
         const std::optional<deflate_terms>& deflate, std::string_view already_read);
    ~impl();

    // Coroutines begin late, when they are awaited: `self` keeps the inside until then, too.
    using self_ptr = std::shared_ptr<impl>;

    /// Starts the ping clock.
    void begin();

    asio::awaitable<boost::system::result<incoming>> read(self_ptr self);
    asio::awaitable<error_code> room(self_ptr self);
    asio::awaitable<error_code> flushed(self_ptr self);
    asio::awaitable<void> close(self_ptr self, std::uint16_t code, std::string reason,
                                std::chrono::milliseconds flush_time);
    void send(base::frame_ptr frame);
    void abort();

    bool has_room(std::size_t bytes) const {
        const std::size_t queued = core_->queued_bytes();
        return queued < options_.outbox_bytes && bytes <= options_.outbox_bytes - queued;
    }
    std::size_t queued_bytes() const { return core_->queued_bytes(); }
    std::size_t held_bytes() const { return core_->held_bytes(); }
    const ws::ending& how_it_ended() const { return ending_; }

private:
    using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                             asio::wait_traits<std::chrono::steady_clock>,
                                             asio::io_context::executor_type>;

    asio::awaitable<boost::system::result<incoming>> next_message(self_ptr self, bool to_the_end);
    tls_step read_chunk();
    asio::awaitable<void> let_others();
    asio::awaitable<void> answer(frame_reader::event event);
    asio::awaitable<void> part(std::string close_frame);
    void start_timer(std::chrono::milliseconds delay);
    void timer_fired();
    void start_deadline(std::chrono::milliseconds delay);
    asio::awaitable<void> shorten_deadline(self_ptr self);
    void note_ending(std::uint16_t code, std::string_view reason);

    std::shared_ptr<outbox_core> core_;
    timer timer_;
    socket_options options_;
    ws::ending ending_;
    bool ended_ = false;

    frame_reader reader_;
    std::unique_ptr<char[]> chunk_; ///< what was read at once; none while waiting for more
    std::span<char> unread_;        ///< the part of it that the reader hasn't taken
    std::size_t worked_ = 0;        ///< bytes of messages since others had their turn

    bool is_reading_ = false; ///< only then can the peer's silence be blamed on the peer
    bool heard_ = false;      ///< since the last tick
    bool asked_ = false;      ///< the last tick found silence or sent a ping
    bool closing_ = false;    ///< close() was called
    bool deadline_ = false;   ///< the timer ends the socket
    bool over_ = false;
};

} // namespace ws
