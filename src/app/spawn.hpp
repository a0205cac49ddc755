#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <utility>

namespace app {

namespace asio = boost::asio;

/// Starts a part of the daemon that it can't be without. An exception in it is a defect: it leaves
/// the context's run(), as one of any handler does, and so ends the daemon, which says why.
void spawn(asio::io_context& on, asio::awaitable<void> part);

/// Starts what is done for one client. `ended` gets the exception that ended it, or null, on the
/// context's thread.
void spawn(asio::io_context& on, asio::awaitable<void> work,
           std::function<void(const std::exception_ptr&)> ended);

/// Runs it on the context's thread, and returns on the caller's. An exception goes to the caller.
asio::awaitable<void> run_on(asio::io_context& there, asio::awaitable<void> work);

template <typename T>
asio::awaitable<T> run_on(asio::io_context& there, asio::awaitable<T> work) {
    std::optional<T> value;
    const auto keep = [&value](asio::awaitable<T> from) -> asio::awaitable<void> {
        value.emplace(co_await std::move(from));
    };
    co_await run_on(there, keep(std::move(work)));
    co_return std::move(*value);
}

} // namespace app
