#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>

/// The event loop of a test, turned by hand: an operation is started, the test does to the server
/// what it wants to, and then waits for the outcome.
namespace loop {

namespace asio = boost::asio;

/// What an operation that was started came to. Empty while it is under way.
template <typename T>
class pending {
public:
    bool done() const { return state_->value || state_->failure; }
    T take() {
        if (state_->failure)
            std::rethrow_exception(state_->failure);
        return std::move(state_->value.value());
    }

    struct state {
        std::optional<T> value;
        std::exception_ptr failure;
    };
    explicit pending(std::shared_ptr<state> inside) : state_(std::move(inside)) {}

private:
    std::shared_ptr<state> state_;
};

template <typename T>
asio::awaitable<void> keep(asio::awaitable<T> what,
                           std::shared_ptr<typename pending<T>::state> state) {
    try {
        state->value.emplace(co_await std::move(what));
    } catch (...) {
        state->failure = std::current_exception();
    }
}

template <typename T>
pending<T> start(asio::io_context& context, asio::awaitable<T> what) {
    auto state = std::make_shared<typename pending<T>::state>();
    asio::co_spawn(context, keep<T>(std::move(what), state), asio::detached);
    context.restart();
    context.poll();
    return pending<T>(state);
}

template <typename T>
T finish(asio::io_context& context, pending<T> of,
         std::chrono::seconds patience = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!of.done()) {
        context.restart();
        if (context.run_one_until(deadline) == 0)
            throw std::runtime_error("it never ended");
    }
    return of.take();
}

template <typename T>
T run(asio::io_context& context, asio::awaitable<T> what) {
    return finish(context, start(context, std::move(what)));
}

} // namespace loop
