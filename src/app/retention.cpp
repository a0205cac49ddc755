#include "app/retention.hpp"

#include "pg/message_store.hpp"

#include <algorithm>

namespace app {

namespace {

using namespace std::chrono_literals;

constexpr int rows_per_transaction = 1'000;
/// A sweep may have to walk over much that consumers still need: it takes at most this part of the
/// time.
constexpr int rest_factor = 10;
/// A sweep may also have taken long because this process or the server stood still.
constexpr std::chrono::milliseconds longest_rest = 10min;

/// Messages live at most a tenth longer than they should, or a minute.
std::chrono::milliseconds interval_of(std::chrono::seconds keep) {
    return std::clamp<std::chrono::milliseconds>(keep / 10, 200ms, 60s);
}

} // namespace

retention::retention(asio::io_context& context, const database_options& options, rules rules,
                     base::observer& observer)
    : rules_(rules),
      observer_(observer),
      connection_(context, options.dsn, "retention", observer),
      wake_(context) {}

asio::awaitable<void> retention::run() {
    while (!stopping_) {
        const auto begun = std::chrono::steady_clock::now();
        bool open = connection_.is_open();
        if (!open) {
            open = co_await connection_.open();
        }
        if (!open) {
            continue;
        }
        const bool swept = co_await sweep();
        if (!swept && !connection_.is_open()) {
            continue;
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begun);
        co_await wake_.wait_for(
            std::clamp(took * rest_factor, interval_of(rules_.keep), longest_rest));
    }
}

/// From the oldest row to the first page without an old one. False when it could not be done.
asio::awaitable<bool> retention::sweep() {
    base::seq after = 0;
    std::int64_t rows = 0;
    bool done = true;
    while (!stopping_) {
        const auto begun = std::chrono::steady_clock::now();
        pg::message_store store(*connection_);
        const auto removed = co_await store.remove_old(rules_.keep, rules_.consumer_grace, after,
                                                       rows_per_transaction);
        if (!removed) {
            if (removed.error().what == pg::error::kind::lost) {
                if (!stopping_) {
                    connection_.lost(removed.error());
                }
            } else {
                observer_.observe(base::observed::postgres_unusable{
                    "retention", "old messages could not be removed: " + removed.error().message});
            }
            done = false;
            break;
        }
        rows += removed->rows;
        if (removed->busy || !removed->found_old || !removed->looked_upto) {
            break;
        }
        after = *removed->looked_upto;
        // As long as it took, so that a long sweep leaves at least half of the server to others.
        co_await wake_.wait_for(
            std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun));
    }
    if (rows > 0) {
        observer_.observe(base::observed::messages_removed{static_cast<std::size_t>(rows)});
    }
    co_return done;
}

void retention::stop() {
    stopping_ = true;
    connection_.close();
    wake_.notify();
}

} // namespace app
