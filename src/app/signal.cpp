#include "app/signal.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace app {

void signal::notify() {
    notified_ = true;
    timer_.cancel();
}

asio::awaitable<void> signal::wait() {
    while (!notified_) {
        timer_.expires_at(asio::steady_timer::time_point::max());
        co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    notified_ = false;
}

asio::awaitable<bool> signal::wait_for(std::chrono::milliseconds timeout) {
    if (!notified_) {
        timer_.expires_after(timeout);
        co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return std::exchange(notified_, false);
}

asio::awaitable<void> pause(std::chrono::milliseconds how_long) {
    asio::steady_timer timer(co_await asio::this_coro::executor, how_long);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

} // namespace app
