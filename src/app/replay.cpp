#include "app/replay.hpp"

#include "app/message_frame.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>

namespace app {

namespace {

/// A session that waits longer is told, and asks again.
constexpr std::chrono::seconds patience{5};

/// A page stays for those who ask for it a little later, while there aren't too many. Whatever
/// happens to the table meanwhile, it was true after the seq it was asked for.
constexpr std::chrono::milliseconds keep_time{1'000};
constexpr std::size_t most_kept_bytes = 16 << 20;

base::failure away() {
    return {base::errc::unavailable, "the database is away; send it again"};
}

std::string key_of(const replay::request& what) {
    return std::to_string(what.after) + ' ' + std::to_string(what.limit) + ' ' +
           std::to_string(reinterpret_cast<std::uintptr_t>(what.log.get())) + ' ' + what.channel;
}

struct page_query {
    using answer = pg::page;
    const replay::request& what;
    std::size_t max_delivery;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        return store.read_channel(what.channel, what.after, what.upto, what.limit, max_delivery);
    }
};

struct channel_query {
    using answer = pg::channel_state;
    const std::string& channel;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        return store.channel_state(channel);
    }
};

struct consumer_query {
    using answer = pg::opened_consumer;
    std::string channel;
    std::string name;
    std::optional<base::seq> start;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        return store.open_consumer(channel, name, start);
    }
};

struct take_back_query {
    using answer = bool;
    std::string channel;
    std::string name;
    base::seq head;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        return store.take_back(channel, name, head);
    }
};

} // namespace

/// One connection and whether somebody uses it.
struct replay::lane {
    reopening_connection connection;
    bool busy = false;
};

/// One query with all who wait for its answer.
template <typename Answer>
struct replay::round {
    std::vector<std::shared_ptr<signal>> waiting;
    std::optional<Answer> answer;

    asio::awaitable<void> wait(asio::io_context& context) {
        const auto woken = std::make_shared<signal>(context);
        waiting.push_back(woken);
        while (!answer) {
            co_await woken->wait();
        }
    }
    void finish(Answer with) {
        answer = std::move(with);
        for (const auto& woken : waiting) {
            woken->notify();
        }
    }
};

/// A channel somebody asks about: whoever comes while a query is under way is answered by the next
/// one, since that one's snapshot may be older than what he has seen.
struct replay::asking {
    explicit asking(asio::io_context& context) : free(context) {}

    std::shared_ptr<round<base::outcome<pg::channel_state>>> next; ///< not sent yet
    signal free;
    bool busy = false;
};

replay::replay(asio::io_context& context, const database_options& options, base::observer& observer)
    : context_(context),
      observer_(observer),
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

asio::awaitable<replay::page_outcome> replay::history(request what) {
    co_return co_await asio::co_spawn(context_, read_once(std::move(what)), asio::use_awaitable);
}

asio::awaitable<base::outcome<pg::channel_state>> replay::channel(std::string name) {
    co_return co_await asio::co_spawn(context_, ask_channel(std::move(name)), asio::use_awaitable);
}

asio::awaitable<base::outcome<pg::opened_consumer>>
replay::open_consumer(std::string channel, std::string name, std::optional<base::seq> start) {
    consumer_query query{std::move(channel), std::move(name), start};
    co_return co_await asio::co_spawn(context_, ask(std::move(query)), asio::use_awaitable);
}

asio::awaitable<base::outcome<bool>> replay::take_back(std::string channel, std::string name,
                                                       base::seq head) {
    take_back_query query{std::move(channel), std::move(name), head};
    co_return co_await asio::co_spawn(context_, ask(std::move(query)), asio::use_awaitable);
}

/// Runs the query on a lane of its own.
template <typename Query>
auto replay::ask(Query query) -> asio::awaitable<base::outcome<typename Query::answer>> {
    lane* const used = co_await acquire();
    if (used == nullptr) {
        co_return away();
    }
    pg::message_store store(*used->connection);
    auto answer = co_await query(store);
    if (!answer && !stopping_) {
        if (answer.error().what == pg::error::kind::lost) {
            used->connection.lost(answer.error());
        } else {
            observer_.observe(base::observed::postgres_unusable{"replay", answer.error().message});
        }
    }
    release(*used);
    if (!answer) {
        co_return away();
    }
    co_return std::move(*answer);
}

asio::awaitable<replay::page_outcome> replay::read_shared(request what) {
    const std::string key = key_of(what);
    if (const auto found = pages_.find(key); found != pages_.end()) {
        const auto shared = found->second;
        if (!shared->answer) {
            co_await shared->wait(context_);
        }
        co_return *shared->answer;
    }
    const auto mine = std::make_shared<round<page_outcome>>();
    pages_.emplace(key, mine);
    const auto log = what.log; // part of the key by its address, so it must stay
    auto answer = co_await read_once(std::move(what));
    std::size_t bytes = 0;
    if (answer) {
        for (const base::frame_ptr& frame : (*answer)->frames) {
            bytes += frame->bytes().size();
        }
    }
    if (answer && kept_bytes_ + bytes <= most_kept_bytes) {
        asio::co_spawn(context_, keep(key, log, bytes), asio::detached);
    } else {
        pages_.erase(key);
    }
    mine->finish(std::move(answer));
    co_return *mine->answer;
}

asio::awaitable<void> replay::keep(std::string key, std::shared_ptr<const core::log_epoch>,
                                   std::size_t bytes) {
    kept_bytes_ += bytes;
    co_await pause(keep_time);
    kept_bytes_ -= bytes;
    pages_.erase(key);
}

asio::awaitable<replay::page_outcome> replay::read_once(request what) {
    ++reads_;
    page_query query{what, max_delivery_};
    auto page = co_await ask(query);
    if (!page) {
        co_return page.error();
    }
    auto made = std::make_shared<replay_page>();
    made->epoch = std::move(page->epoch);
    made->removed = page->removals.empty() ? 0 : page->removals.front().upto;
    made->emptied = page->emptied_at;
    made->upto = what.upto;
    made->more = page->more;
    made->frames.reserve(page->messages.size());
    std::ranges::transform(page->messages, std::back_inserter(made->frames), frame_of);
    co_return std::shared_ptr<const replay_page>(std::move(made));
}

asio::awaitable<base::outcome<pg::channel_state>> replay::ask_channel(std::string name) {
    auto& entry = asked_[name];
    if (!entry) {
        entry = std::make_shared<asking>(context_);
    }
    const auto here = entry;
    if (here->next) {
        const auto shared = here->next;
        co_await shared->wait(context_);
        co_return *shared->answer;
    }
    const auto mine = std::make_shared<round<base::outcome<pg::channel_state>>>();
    here->next = mine;
    while (here->busy) {
        co_await here->free.wait();
    }
    here->busy = true;
    here->next.reset();
    channel_query query{name};
    auto answer = co_await ask(query);
    here->busy = false;
    if (here->next) {
        here->free.notify();
    } else {
        asked_.erase(name);
    }
    mine->finish(std::move(answer));
    co_return *mine->answer;
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
