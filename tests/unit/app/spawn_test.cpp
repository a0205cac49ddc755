#include "app/spawn.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

namespace asio = app::asio;

asio::awaitable<void> work() {
    co_return;
}

asio::awaitable<void> fail() {
    throw std::runtime_error("out of order");
    co_return;
}

std::string message_of(const std::exception_ptr& fault) {
    try {
        std::rethrow_exception(fault);
    } catch (const std::exception& error) {
        return error.what();
    }
}

/// A context that another thread runs.
class elsewhere {
public:
    ~elsewhere() {
        work_.reset();
        thread_.join();
    }
    asio::io_context context;
    std::thread::id id() const { return thread_.get_id(); }

private:
    asio::executor_work_guard<asio::io_context::executor_type> work_{context.get_executor()};
    std::thread thread_{[this] { context.run(); }};
};

asio::awaitable<std::thread::id> this_thread() {
    co_return std::this_thread::get_id();
}

TEST(Spawn, APartsExceptionLeavesTheContext) {
    asio::io_context context;
    app::spawn(context, fail());
    EXPECT_THROW(context.run(), std::runtime_error);
}

TEST(Spawn, APartThatEndsIsNothingSpecial) {
    asio::io_context context;
    app::spawn(context, work());
    EXPECT_NO_THROW(context.run());
}

TEST(Spawn, TheEndOfAClientsWorkSaysWhatEndedIt) {
    asio::io_context context;
    std::exception_ptr good = std::make_exception_ptr(0);
    std::exception_ptr bad;
    app::spawn(context, work(), [&](const auto& fault) { good = fault; });
    app::spawn(context, fail(), [&](const auto& fault) { bad = fault; });
    EXPECT_NO_THROW(context.run());
    EXPECT_FALSE(good);
    ASSERT_TRUE(bad);
    EXPECT_EQ(message_of(bad), "out of order");
}

TEST(Spawn, WhatIsRunElsewhereComesBack) {
    elsewhere there;
    asio::io_context here;
    std::optional<std::thread::id> worked_on;
    std::optional<std::thread::id> back_on;
    const auto ask = [&]() -> asio::awaitable<void> {
        worked_on = co_await app::run_on(there.context, this_thread());
        back_on = std::this_thread::get_id();
    };
    app::spawn(here, ask());
    here.run();
    EXPECT_EQ(worked_on, there.id());
    EXPECT_EQ(back_on, std::this_thread::get_id());
}

TEST(Spawn, AnExceptionElsewhereGoesToWhoAsked) {
    elsewhere there;
    asio::io_context here;
    std::exception_ptr met;
    app::spawn(here, app::run_on(there.context, fail()), [&](const auto& fault) { met = fault; });
    here.run();
    ASSERT_TRUE(met);
    EXPECT_EQ(message_of(met), "out of order");
}

} // namespace
