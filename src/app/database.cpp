#include "app/database.hpp"

#include <random>

namespace app {

namespace {

std::uint32_t draw() {
    thread_local std::minstd_rand generator{std::random_device{}()};
    // minstd gives 31 bits; the doubling makes them span the whole range backoff expects.
    return static_cast<std::uint32_t>(generator()) * 2U;
}

} // namespace

reopening_connection::reopening_connection(asio::io_context& context, shared_dsn dsn,
                                           std::string purpose, base::observer& observer,
                                           std::chrono::milliseconds query_timeout)
    : context_(context),
      dsn_(std::move(dsn)),
      purpose_(std::move(purpose)),
      observer_(observer),
      query_timeout_(query_timeout),
      backoff_(std::chrono::milliseconds(100), std::chrono::milliseconds(5'000)),
      closed_(context) {}

asio::awaitable<bool> reopening_connection::open() {
    connection_.reset();
    closed_.clear();
    pg::connect_options options;
    options.conninfo = *dsn_;
    options.application_name = "pgherald/" + purpose_;
    options.query_timeout = query_timeout_;
    auto opened = co_await pg::connection::open(context_, std::move(options));
    if (closed_.is_notified()) {
        co_return false;
    }
    if (opened) {
        connection_.emplace(std::move(*opened));
        backoff_.succeeded();
        observer_.observe(base::observed::postgres_connected{purpose_});
        co_return true;
    }
    // The first wait is zero, made for a connection that was just lost; a server that refuses at
    // once must not be asked in a tight loop.
    const auto wait = std::max(backoff_.next(draw()), std::chrono::milliseconds(50));
    observer_.observe(base::observed::postgres_unreachable{purpose_, opened.error().message, wait});
    co_await closed_.wait_for(wait);
    co_return false;
}

void reopening_connection::lost(const pg::error& why) {
    connection_.reset();
    observer_.observe(base::observed::postgres_lost{purpose_, why.message});
}

void reopening_connection::close() {
    if (connection_) {
        connection_->close();
    }
    closed_.notify();
}

} // namespace app
