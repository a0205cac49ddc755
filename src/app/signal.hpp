#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>

namespace app {

namespace asio = boost::asio;

/// Wakes one waiting coroutine; a notify() with nobody waiting is remembered once.
/// Owner: the component that waits. Thread: the io_context's. Lifetime: longer than its waits.
class signal {
public:
    explicit signal(asio::io_context& context) : timer_(context) {}

    void notify();
    /// Whether there was a notify() that nobody has waited for.
    bool is_notified() const { return notified_; }
    /// Forgets it.
    void clear() { notified_ = false; }
    asio::awaitable<void> wait();
    /// False when `timeout` passed first.
    asio::awaitable<bool> wait_for(std::chrono::milliseconds timeout);

private:
    asio::steady_timer timer_;
    bool notified_ = false;
};

/// Waits on the timer of the running coroutine's executor.
asio::awaitable<void> pause(std::chrono::milliseconds how_long);

} // namespace app
