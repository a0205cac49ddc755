#include "app/replay.hpp"

#include "app/message_frame.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>

namespace app {

namespace {

/// A session that waits longer is told, and asks again.
constexpr std::chrono::seconds patience{5};

base::failure away() {
    return {base::errc::unavailable, "the database is away; send it again"};
}

std::string key_of(const replay::request& what) {
    return std::to_string(what.after) + ' ' + std::to_string(what.upto) + ' ' +
           std::to_string(what.limit) + ' ' + what.channel;
}

} // namespace

/// One connection and whether somebody uses it.
struct replay::lane {
    reopening_connection connection;
    bool busy = false;
};

/// One page read with all who wait for it.
struct replay::pending {
    std::vector<std::shared_ptr<signal>> waiting;
    std::optional<page_outcome> answer;
};

replay::replay(asio::io_context& context, const database_options& options, base::observer& observer)
    : context_(context),
      max_delivery_(options.max_delivery) {
    for (unsigned i = 0; i < std::max(options.replay_connections, 1U); ++i) {
        lanes_.push_back(std::make_unique<lane>(
            lane{reopening_connection(context, options.dsn, "replay", observer)}));
    }
}

replay::~replay() = default;

asio::awaitable<replay::page_outcome> replay::read(request what) {
    co_return co_await asio::co_spawn(context_, read_shared(std::move(what)), asio::use_awaitable);
}

asio::awaitable<base::outcome<log_position>> replay::position() {
    co_return co_await asio::co_spawn(context_, read_position(), asio::use_awaitable);
}

asio::awaitable<replay::page_outcome> replay::read_shared(request what) {
    const std::string key = key_of(what);
    if (const auto found = under_way_.find(key); found != under_way_.end()) {
        const auto shared = found->second;
        const auto woken = std::make_shared<signal>(context_);
        shared->waiting.push_back(woken);
        while (!shared->answer) {
            co_await woken->wait();
        }
        co_return *shared->answer;
    }
    const auto shared = std::make_shared<pending>();
    under_way_.emplace(key, shared);
    shared->answer = co_await read_once(std::move(what));
    under_way_.erase(key);
    for (const auto& woken : shared->waiting) {
        woken->notify();
    }
    co_return *shared->answer;
}

asio::awaitable<replay::page_outcome> replay::read_once(request what) {
    lane* const used = co_await acquire();
    if (used == nullptr) {
        co_return away();
    }
    pg::message_store store(*used->connection);
    const auto page =
        co_await store.read_channel(what.channel, what.after, what.upto, what.limit, max_delivery_);
    if (!page) {
        if (page.error().what == pg::error::kind::lost && !stopping_) {
            used->connection.lost(page.error());
        }
        release(*used);
        co_return away();
    }
    release(*used);
    auto made = std::make_shared<replay_page>();
    made->more = page->more;
    made->frames.reserve(page->messages.size());
    std::ranges::transform(page->messages, std::back_inserter(made->frames), frame_of);
    co_return std::shared_ptr<const replay_page>(std::move(made));
}

asio::awaitable<base::outcome<log_position>> replay::read_position() {
    lane* const used = co_await acquire();
    if (used == nullptr) {
        co_return away();
    }
    pg::message_store store(*used->connection);
    const auto log = co_await store.log_state();
    if (!log) {
        if (log.error().what == pg::error::kind::lost && !stopping_) {
            used->connection.lost(log.error());
        }
        release(*used);
        co_return away();
    }
    release(*used);
    co_return log_position{log->epoch, log->head};
}

/// A lane with an open connection, or null after `patience`.
asio::awaitable<replay::lane*> replay::acquire() {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const auto woken = std::make_shared<signal>(context_);
    while (!stopping_) {
        const auto free = std::ranges::find_if(lanes_, [](const auto& one) { return !one->busy; });
        if (free != lanes_.end()) {
            lane& taken = **free;
            taken.busy = true;
            bool open = taken.connection.is_open();
            if (!open) {
                open = co_await taken.connection.open();
            }
            if (open) {
                co_return &taken;
            }
            release(taken);
        } else {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            queue_.push_back(woken);
            co_await woken->wait_for(std::max(left, std::chrono::milliseconds(1)));
            std::erase(queue_, woken);
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            co_return nullptr;
        }
    }
    co_return nullptr;
}

void replay::release(lane& lane) {
    lane.busy = false;
    if (!queue_.empty()) {
        queue_.front()->notify();
    }
}

void replay::stop() {
    stopping_ = true;
    for (const auto& one : lanes_) {
        one->connection.close();
    }
    for (const auto& woken : queue_) {
        woken->notify();
    }
}

} // namespace app
