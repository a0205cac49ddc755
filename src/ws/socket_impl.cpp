#include "ws/socket_impl.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace ws {
namespace {

/// Without a coroutine frame of its own: an idle socket waits in a read.
constexpr auto as_small_result = asio::as_tuple(asio::deferred);

constexpr std::size_t read_at_once = 16 * 1024;

/// Bytes of messages until others get their turn. Compressed, that much may be in a part of a
/// chunk.
constexpr std::size_t work_at_once = 128 * 1024;

/// RFC 6455 5.5: a control frame's payload is at most 125 bytes, two of a close are the code.
constexpr std::size_t max_reason = 123;

constexpr char ping_start = '\x89';
constexpr char pong_start = '\x8a';
constexpr char close_start = '\x88';

constexpr std::uint16_t normal_closure = 1000;

std::string control_frame(char start, std::string_view payload) {
    std::string frame{start, static_cast<char>(payload.size())};
    frame += payload;
    return frame;
}

std::string close_frame(std::uint16_t code, std::string_view reason) {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    payload += reason;
    return control_frame(close_start, payload);
}

/// An empty ping. It leaves behind data that is queued, unlike an answer to the peer.
base::frame_ptr make_ping() {
    return std::make_shared<const base::frame>(control_frame(ping_start, {}), 0);
}

std::string shortened(std::string reason) {
    if (reason.size() <= max_reason)
        return reason;
    std::size_t end = max_reason;
    while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80)
        --end;
    reason.resize(end);
    return reason;
}

} // namespace

socket::impl::impl(std::shared_ptr<outbox_core> core, const socket_options& options,
                   const std::optional<deflate_terms>& deflate, std::string_view already_read)
    : core_(std::move(core)),
      timer_(core_->tcp().get_executor()),
      options_(options),
      reader_(options.max_frame, deflate) {
    if (already_read.empty())
        return;
    chunk_ = std::make_unique_for_overwrite<char[]>(already_read.size());
    std::ranges::copy(already_read, chunk_.get());
    unread_ = {chunk_.get(), already_read.size()};
}

socket::impl::~impl() {
    core_->cut();
}

void socket::impl::begin() {
    start_timer(options_.ping_interval);
}

asio::awaitable<boost::system::result<incoming>> socket::impl::read(self_ptr self) {
    return next_message(std::move(self), false);
}

/// Answers control frames on the way. Once closing, it takes what comes for nothing but the peer's
/// close frame, and reads on to the end. (One coroutine, because every idle socket waits in it.)
asio::awaitable<boost::system::result<incoming>> socket::impl::next_message(self_ptr,
                                                                            bool to_the_end) {
    if (over_ || (closing_ && !to_the_end))
        co_return error_code(asio::error::operation_aborted);
    is_reading_ = true;
    heard_ = true; // what the peer may have said meanwhile is only read now
    bool may_have_more = core_->over().is_secure(); // decrypted already, which no wait would see
    while (!over_) {
        while (!unread_.empty() && !over_) {
            if (worked_ > work_at_once)
                co_await let_others();
            const auto event = reader_.take(unread_);
            worked_ += reader_.payload().size();
            if (event == frame_reader::event::message && !closing_) {
                is_reading_ = false;
                co_return incoming{reader_.is_binary(), reader_.payload()};
            }
            if (event != frame_reader::event::none)
                co_await answer(event);
        }
        if (over_)
            break;
        chunk_.reset();
        reader_.release();
        if (may_have_more) {
            co_await let_others();
        } else {
            const auto [error] =
                co_await core_->tcp().async_wait(tcp_socket::wait_read, as_small_result);
            worked_ = 0;
            if (error)
                break;
        }
        const tls_step came = read_chunk();
        may_have_more = core_->over().is_secure() && came.how == tls_step::outcome::done;
        if (came.how != tls_step::outcome::done && came.how != tls_step::outcome::wants_read)
            break;
    }
    is_reading_ = false;
    abort();
    co_return error_code(asio::error::eof);
}

tls_step socket::impl::read_chunk() {
    chunk_ = std::make_unique_for_overwrite<char[]>(read_at_once);
    const tls_step came = core_->over().read_some(asio::buffer(chunk_.get(), read_at_once));
    if (came.how == tls_step::outcome::done) {
        unread_ = {chunk_.get(), came.bytes};
        heard_ = true;
    }
    core_->flush_owed();
    return came;
}

/// One that always has more to say doesn't keep the shard to itself.
asio::awaitable<void> socket::impl::let_others() {
    worked_ = 0;
    co_await asio::post(core_->tcp().get_executor(), asio::use_awaitable);
}

/// What isn't a message. Returns when the answer is on its way, or the socket is over.
asio::awaitable<void> socket::impl::answer(frame_reader::event event) {
    const auto payload = reader_.payload();
    if (event == frame_reader::event::ping && !closing_) {
        core_->put_control(control_frame(pong_start, payload));
        co_await core_->control_left();
    } else if (event == frame_reader::event::close) {
        const auto code = reader_.code();
        if (!ended_)
            ending_.by_peer = true;
        note_ending(code, payload.substr(std::min<std::size_t>(2, payload.size())));
        auto same =
            payload.empty() ? close_frame(normal_closure, {}) : control_frame(close_start, payload);
        co_await part(std::move(same));
    } else if (event == frame_reader::event::violation) {
        note_ending(reader_.code(), {});
        co_await part(close_frame(reader_.code(), {}));
    }
}

/// The end: our close frame behind what was sent before, unless close() has sent one, then TCP's.
/// Who doesn't read is cut by the deadline.
asio::awaitable<void> socket::impl::part(std::string close_frame) {
    closing_ = true;
    start_deadline(options_.close_timeout);
    // No pong can be on its way here: who reads has waited for it.
    core_->put_close(std::move(close_frame));
    co_await core_->control_left();
    co_await core_->tear_down();
    abort();
}

void socket::impl::send(base::frame_ptr frame) {
    if (!closing_ && !over_)
        core_->append(std::move(frame));
}

asio::awaitable<error_code> socket::impl::room(self_ptr) {
    co_return co_await core_->shrunk_to(options_.outbox_bytes / 2);
}

asio::awaitable<error_code> socket::impl::flushed(self_ptr) {
    co_return co_await core_->flushed();
}

asio::awaitable<void> socket::impl::close(self_ptr self, std::uint16_t code, std::string reason,
                                          std::chrono::milliseconds flush_time) {
    if (over_ || closing_)
        co_return;
    closing_ = true;
    reason = shortened(std::move(reason));
    note_ending(code, reason);
    start_deadline(std::max(flush_time, options_.close_timeout));
    co_await core_->control_left(); // a pong, perhaps; with `closing_` no other follows
    core_->put_close(close_frame(code, reason));
    if (flush_time > options_.close_timeout)
        asio::co_spawn(core_->tcp().get_executor(), shorten_deadline(self), asio::detached);
    // Also while it is flushed: a peer may take nothing before it has sent all it has.
    if (is_reading_)
        co_await core_->ended();
    else
        co_await next_message(std::move(self), true);
}

/// Once the close frame has left, its answer is all that is waited for.
asio::awaitable<void> socket::impl::shorten_deadline(self_ptr) {
    co_await core_->control_left();
    if (!over_)
        start_timer(options_.close_timeout);
}

void socket::impl::abort() {
    if (over_)
        return;
    over_ = true;
    timer_.cancel();
    core_->cut();
}

void socket::impl::note_ending(std::uint16_t code, std::string_view reason) {
    if (ended_)
        return;
    ended_ = true;
    ending_.code = code;
    ending_.reason = reason;
}

void socket::impl::start_deadline(std::chrono::milliseconds delay) {
    if (deadline_)
        return;
    deadline_ = true;
    start_timer(delay);
}

void socket::impl::start_timer(std::chrono::milliseconds delay) {
    timer_.expires_after(delay);
    timer_.async_wait([weak = weak_from_this()](error_code error) {
        if (error)
            return;
        if (const auto self = weak.lock())
            self->timer_fired();
    });
}

void socket::impl::timer_fired() {
    // Set anew while this call was already under way: another one comes.
    if (over_ || timer_.expiry() > std::chrono::steady_clock::now())
        return;
    if (deadline_)
        return abort();
    // A peer that takes bytes out of a full kernel buffer is slow, and a ping would wait behind
    // those bytes; of any other one only its answer tells that it is there. A peer whose frames
    // nobody reads at the moment can't make itself heard, but if it takes nothing either it is
    // gone.
    const bool excused = !is_reading_ && !core_->is_stuck();
    const bool alive = heard_ || core_->take_progress() || excused;
    if (!alive && asked_) {
        note_ending(1006, "no answer to a ping");
        return abort();
    }
    asked_ = true;
    heard_ = false;
    if (!core_->is_stuck())
        core_->append(make_ping());
    start_timer(options_.ping_interval);
}

} // namespace ws
