#pragma once

#include "ws/outbox.hpp"
#include "ws/outbox_layer.hpp"
#include "ws/socket.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace ws {

/// The inside of a socket: Beast's stream for reading, control frames and the closing handshake,
/// the outbox for data, and one timer that is the ping clock and later the closing deadline.
/// Owner: the handle and the operations under way. Thread: the shard's. Lifetime: the last of them.
class socket::impl final : public std::enable_shared_from_this<impl>, private outbox_owner {
public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;

    impl(std::shared_ptr<outbox_core> core, const socket_options& options);
    ~impl();

    // Coroutines begin late, when they are awaited: `self` keeps the inside until then, too.
    using self_ptr = std::shared_ptr<impl>;

    /// Answers the handshake, which must be valid, with 101.
    asio::awaitable<error_code> accept(self_ptr self, const request& handshake,
                                       const std::string& subprotocol,
                                       const std::string& server_name);

    asio::awaitable<boost::system::result<incoming>> read(self_ptr self);
    asio::awaitable<error_code> room(self_ptr self);
    asio::awaitable<error_code> flushed(self_ptr self);
    asio::awaitable<void> close(self_ptr self, std::uint16_t code, std::string reason,
                                bool at_once);
    void send(base::frame_ptr frame);
    void abort();

    bool has_room() const { return core_->queued_bytes() < options_.outbox_bytes; }
    std::size_t queued_bytes() const { return core_->queued_bytes(); }
    const ws::ending& how_it_ended() const { return ending_; }

private:
    using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                             asio::wait_traits<std::chrono::steady_clock>,
                                             asio::io_context::executor_type>;

    void sealed(std::uint16_t code, std::string_view reason) override;
    void set_options(const std::string& subprotocol, const std::string& server_name);
    asio::awaitable<void> refuse_payload();
    void heard_control(boost::beast::websocket::frame_type kind);
    void start_timer(std::chrono::milliseconds delay);
    void timer_fired();
    void start_deadline();
    void note_ending(std::uint16_t code, std::string_view reason);

    /// Where the next message goes and how much room is left there.
    asio::mutable_buffer space_for_more(std::size_t have);

    std::shared_ptr<outbox_core> core_;
    boost::beast::websocket::stream<outbox_layer, true> stream_;
    timer timer_;
    socket_options options_;
    ws::ending ending_;
    bool ended_ = false;

    std::array<char, 128> small_; ///< most messages fit, and an idle socket waits with this alone
    std::unique_ptr<char[]> big_; ///< a larger message, until the next read
    std::size_t big_size_ = 0;
    std::size_t last_size_ = 0; ///< of the last message

    bool inflates_ = false;   ///< compression was agreed on
    bool is_reading_ = false; ///< only then can the peer's silence be blamed on the peer
    bool heard_ = false;      ///< since the last tick
    bool asked_ = false;      ///< the last tick found silence or sent a ping
    bool closing_ = false;    ///< close() was called
    bool deadline_ = false;   ///< the timer ends the socket
    bool over_ = false;
};

} // namespace ws
