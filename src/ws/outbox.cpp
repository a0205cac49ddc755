#include "ws/outbox.hpp"

#include "ws/flush_turn.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cassert>
#include <tuple>
#include <utility>

namespace ws {
namespace {

/// What one outbox may write before others get their turn.
constexpr std::size_t turn_budget = 1024 * 1024;

/// How much unsent data the kernel takes. The rest stays in our queue, where it is counted, and
/// where a slow peer's progress can be seen.
constexpr int kernel_unsent = 128 * 1024;

constexpr std::size_t discard_at_once = 16 * 1024;

} // namespace

/// A coroutine that waits. In a list, so that several may.
struct outbox_core::waiter {
    waiter(outbox_core& core, until what, std::uint64_t bytes)
        : outbox(core),
          what(what),
          bytes(bytes),
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
    until what;
    std::uint64_t bytes; ///< bytes that may remain, for room; that must have left, for sent
    asio::steady_timer alarm;
    waiter* next;
};

outbox_core::outbox_core(transport over, flush_turn& turn)
    : transport_(std::move(over)),
      turn_(turn) {
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

void outbox_core::put_control(std::string frame) {
    if (sealed_ || over_)
        return;
    assert(!has_control());
    queue_.put_control(std::move(frame), false);
    mark();
}

void outbox_core::put_close(std::string frame) {
    if (sealed_ || over_)
        return;
    assert(!has_control());
    sealed_ = true;
    queue_.put_control(std::move(frame), true);
    wake();
    mark();
}

void outbox_core::mark() {
    if (marked_ || waiting_ || over_)
        return;
    marked_ = true;
    turn_.mark(shared_from_this());
}

void outbox_core::flush_owed() {
    if (transport_.owed() > 0)
        mark();
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
            return cut();
        taken = error ? 0 : taken;
        queue_.advance(taken);
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
            return cut();
        else
            owes_control_ = false;
        if (owing)
            wake(); // more may be owed soon, and hide that this has left
    }
}

void outbox_core::wait_until(tcp_socket::wait_type ready) {
    waiting_ = true;
    tcp().async_wait(ready, [self = shared_from_this()](error_code error) {
        self->waiting_ = false;
        if (error)
            return self->cut();
        self->progress_ = true;
        self->pump();
    });
}

error_code outbox_core::discard() {
    char discarded[discard_at_once];
    error_code error;
    tcp().read_some(asio::buffer(discarded), error);
    return error == asio::error::would_block ? error_code() : error;
}

asio::awaitable<void> outbox_core::tear_down() {
    const auto self = shared_from_this();
    transport_.shutdown_send();
    error_code error;
    while (!error) {
        std::tie(error) = co_await tcp().async_wait(tcp_socket::wait_read, as_result);
        if (!error)
            error = discard();
    }
    cut();
}

void outbox_core::cut() {
    if (over_)
        return;
    over_ = true;
    error_code ignored;
    tcp().close(ignored);
    queue_.clear();
    owes_control_ = false;
    wake();
}

bool outbox_core::take_progress() {
    return std::exchange(progress_, false);
}

bool outbox_core::is_met(until what, std::uint64_t bytes) const {
    if (over_)
        return true;
    switch (what) {
    case until::room:
        return sealed_ || held_bytes() <= bytes;
    case until::sent: {
        const bool left = queue_.sent() >= bytes && transport_.owed() == 0;
        return left || queue_.appended() < bytes; // or dropped
    }
    case until::control:
        return !has_control();
    case until::end:
        break;
    }
    return false;
}

void outbox_core::wake() {
    for (waiter* one = waiters_; one; one = one->next)
        if (is_met(one->what, one->bytes))
            one->alarm.cancel();
}

asio::awaitable<void> outbox_core::wait(until what, std::uint64_t bytes) {
    const auto self = shared_from_this();
    if (is_met(what, bytes))
        co_return;
    waiter one(*this, what, bytes);
    co_await one.alarm.async_wait(as_result);
}

asio::awaitable<void> outbox_core::control_left() {
    return wait(until::control);
}

asio::awaitable<void> outbox_core::ended() {
    return wait(until::end);
}

asio::awaitable<error_code> outbox_core::shrunk_to(std::size_t bytes) {
    const auto self = shared_from_this();
    co_await wait(until::room, bytes);
    co_return sealed_ || over_ ? error_code(asio::error::operation_aborted) : error_code();
}

asio::awaitable<error_code> outbox_core::flushed() {
    const auto self = shared_from_this();
    const std::uint64_t mine = queue_.appended();
    const bool was_over = over_;
    co_await wait(until::sent, mine);
    const bool lost = was_over || queue_.sent() < mine || (over_ && transport_.owed() > 0);
    co_return lost ? error_code(asio::error::operation_aborted) : error_code();
}

} // namespace ws
