#include "app/spawn.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace app {

void spawn(asio::io_context& on, asio::awaitable<void> part) {
    asio::co_spawn(on, std::move(part), [](const std::exception_ptr& fault) {
        if (fault) {
            std::rethrow_exception(fault);
        }
    });
}

void spawn(asio::io_context& on, asio::awaitable<void> work,
           std::function<void(const std::exception_ptr&)> ended) {
    asio::co_spawn(on, std::move(work), std::move(ended));
}

asio::awaitable<void> run_on(asio::io_context& there, asio::awaitable<void> work) {
    co_await asio::co_spawn(there, std::move(work), asio::use_awaitable);
}

} // namespace app
