#include "ws/outbox.hpp"

#include "ws/flush_turn.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace ws {
namespace {

/// What one outbox may write before others get their turn.
constexpr std::size_t turn_budget = 1024 * 1024;

/// A final close frame without reserved bits. (The H of an HTTP answer ends in the same four bits.)
constexpr char close_frame_start = '\x88';

/// How much unsent data the kernel takes. The rest stays in our queue, where it is counted, and
/// where a slow peer's progress can be seen.
constexpr int kernel_unsent = 128 * 1024;

constexpr std::size_t discard_at_once = 16 * 1024;

/// 1005 where the frame has none.
std::uint16_t code_in(std::string_view close_frame) {
    if (close_frame.size() < 4)
        return 1005;
    const auto high = static_cast<unsigned char>(close_frame[2]);
    const auto low = static_cast<unsigned char>(close_frame[3]);
    return static_cast<std::uint16_t>(high << 8 | low);
}

/// Beast repeats the peer's code also where RFC 6455 7.4.2 leaves it to nobody: that peer has
/// broken the protocol.
void correct_code(std::string& close_frame) {
    if (code_in(close_frame) >= 5000)
        close_frame.replace(2, 2, "\x03\xea"); // 1002
}

} // namespace

/// A coroutine that waits for the queue to shrink. In a list, so that several may wait.
struct outbox_core::waiter {
    waiter(outbox_core& core, bool room, std::uint64_t bytes)
        : outbox(core),
          for_room(room),
          mark(bytes),
          alarm(core.tcp().get_executor(), asio::steady_timer::time_point::max()),
          next(std::exchange(core.waiters_, this)) {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() { // woken, or its coroutine is destroyed with the loop
        waiter** at = &outbox.waiters_;
        while (*at && *at != this)
            at = &(*at)->next;
        if (*at)
            *at = next;
    }

    outbox_core& outbox;
    bool for_room;
    std::uint64_t mark; ///< bytes that may remain; or, not for_room: bytes that must have left
    asio::steady_timer alarm;
    waiter* next;
};

/// Keeps the outbox while the kernel is full. Destroyed without a call when the loop goes.
struct outbox_core::ready_wait {
    explicit ready_wait(std::shared_ptr<outbox_core> outbox) : core(std::move(outbox)) {}
    ready_wait(ready_wait&&) = default;
    ~ready_wait() {
        if (core)
            core->abandon();
    }

    void operator()(error_code error) {
        const auto outbox = std::move(core);
        outbox->waiting_ = false;
        if (error)
            return outbox->cut(error);
        outbox->progress_ = true;
        outbox->pump();
    }

    std::shared_ptr<outbox_core> core;
};

outbox_core::outbox_core(transport over, flush_turn& turn, std::string already_read)
    : transport_(std::move(over)),
      turn_(turn),
      already_read_(std::move(already_read)) {
    error_code ignored; // a socket that can't be set up fails at its first read or write
    tcp().non_blocking(true, ignored);
    ::setsockopt(tcp().native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kernel_unsent,
                 sizeof kernel_unsent);
}

void outbox_core::append(base::frame_ptr frame) {
    if (sealed_ || over_)
        return;
    queue_.append(std::move(frame));
    mark();
}

void outbox_core::control(std::string bytes, written_handler handler) {
    assert(!queue_.has_control());
    control_handler_ = std::move(handler);
    control_size_ = bytes.size();
    if (over_)
        return finish_control(asio::error::operation_aborted);
    const bool is_close = bytes.front() == close_frame_start;
    if (is_close) {
        correct_code(bytes);
        seal(bytes, close_behind_);
    }
    queue_.put_control(std::move(bytes), is_close && close_behind_);
    mark();
}

void outbox_core::seal(std::string_view close_frame, bool behind) {
    sealed_ = true;
    if (!behind)
        queue_.drop_unsent();
    wake();
    if (!owner_)
        return;
    const bool has_reason = close_frame.size() > 4;
    owner_->sealed(code_in(close_frame), has_reason ? close_frame.substr(4) : std::string_view());
}

void outbox_core::mark() {
    if (marked_ || waiting_ || over_)
        return;
    marked_ = true;
    turn_.mark(shared_from_this());
}

void outbox_core::pump() {
    marked_ = false;
    if (waiting_ || over_)
        return;
    if (transport_.is_secure())
        write_secure();
    else
        write_plain();
    wake();
    if (has_more())
        mark();
}

void outbox_core::write_plain() {
    for (std::size_t written = 0; !queue_.is_empty() && written < turn_budget && !waiting_;) {
        const batch out = queue_.gather();
        error_code error;
        // send() for one buffer costs less than sendmsg() for a list of one.
        std::size_t taken =
            out.count == 1 ? tcp().write_some(*out.begin(), error) : tcp().write_some(out, error);
        ++turn_.writes_;
        if (error == asio::error::interrupted)
            continue;
        if (error && error != asio::error::would_block)
            return cut(error);
        taken = error ? 0 : taken;
        if (queue_.advance(taken))
            finish_control({});
        written += taken;
        if (taken < out.size) // full: asking again now would only cost a call
            wait_until(tcp_socket::wait_write);
    }
}

/// As above, one record a step. What TLS owes is out of the queue, and not in the kernel yet.
void outbox_core::write_secure() {
    for (std::size_t written = 0; has_more() && written < turn_budget && !waiting_;) {
        const bool owing = transport_.owed() > 0;
        const tls_step came = owing ? transport_.flush() : transport_.write_some(queue_.gather());
        ++turn_.writes_;
        if (queue_.advance(came.bytes))
            owes_control_ = true;
        written += came.bytes;
        if (came.how == tls_step::outcome::wants_write)
            wait_until(tcp_socket::wait_write);
        else if (came.how == tls_step::outcome::wants_read)
            wait_until(tcp_socket::wait_read);
        else if (came.how != tls_step::outcome::done)
            return cut(came.why ? came.why : error_code(asio::error::eof));
        else if (std::exchange(owes_control_, false))
            finish_control({});
        if (owing)
            wake(); // more may be owed soon, and hide that this has left
    }
}

void outbox_core::finish_control(error_code result) {
    const std::size_t size = result ? 0 : control_size_;
    auto call = [handler = std::move(control_handler_), result, size]() mutable {
        handler(result, size);
    };
    asio::post(tcp().get_executor(), std::move(call));
}

void outbox_core::wait_until(tcp_socket::wait_type ready) {
    waiting_ = true;
    tcp().async_wait(ready, ready_wait(shared_from_this()));
}

std::size_t outbox_core::take_already_read(void* to, std::size_t size) {
    const std::size_t taken = std::min(size, already_read_.size());
    if (taken > 0)
        std::memcpy(to, already_read_.data(), taken);
    already_read_.erase(0, taken);
    if (already_read_.empty())
        already_read_.shrink_to_fit();
    return taken;
}

void outbox_core::tear_down(torn_down_handler handler) {
    transport_.shutdown_send();
    drain(std::move(handler));
}

void outbox_core::drain(torn_down_handler handler) {
    auto readable = [self = shared_from_this(),
                     handler = std::move(handler)](error_code error) mutable {
        if (!error) {
            char discarded[discard_at_once];
            self->tcp().read_some(asio::buffer(discarded), error);
            if (error == asio::error::would_block)
                error = {};
        }
        if (!error)
            return self->drain(std::move(handler));
        self->cut(asio::error::eof);
        handler(error_code());
    };
    tcp().async_wait(tcp_socket::wait_read, std::move(readable));
}

void outbox_core::cut(error_code why) {
    if (over_)
        return;
    over_ = true;
    error_code ignored;
    tcp().close(ignored);
    const bool unfinished = queue_.has_control() || owes_control_;
    queue_.clear();
    if (unfinished)
        finish_control(why);
    wake();
}

void outbox_core::abandon() {
    over_ = true;
    queue_.clear();
    const auto handler = std::move(control_handler_); // its end may end this outbox
}

bool outbox_core::take_progress() {
    return std::exchange(progress_, false);
}

bool outbox_core::is_satisfied(const waiter& one) const {
    if (one.for_room)
        return sealed_ || queued_bytes() <= one.mark;
    const bool left = queue_.sent() >= one.mark && transport_.owed() == 0;
    return left || queue_.appended() < one.mark; // or dropped
}

void outbox_core::wake() {
    for (waiter* one = waiters_; one; one = one->next)
        if (over_ || is_satisfied(*one))
            one->alarm.cancel();
}

asio::awaitable<error_code> outbox_core::shrunk_to(std::size_t bytes) {
    const auto self = shared_from_this();
    if (!sealed_ && !over_ && queued_bytes() > bytes) {
        waiter until(*this, true, bytes);
        co_await until.alarm.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return sealed_ || over_ ? error_code(asio::error::operation_aborted) : error_code();
}

asio::awaitable<error_code> outbox_core::flushed() {
    const auto self = shared_from_this();
    if (over_)
        co_return error_code(asio::error::operation_aborted);
    const std::uint64_t mine = queue_.appended();
    if (queue_.sent() < mine || transport_.owed() > 0) {
        waiter until(*this, false, mine);
        co_await until.alarm.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    const bool lost = queue_.sent() < mine || (over_ && transport_.owed() > 0);
    co_return lost ? error_code(asio::error::operation_aborted) : error_code();
}

} // namespace ws
