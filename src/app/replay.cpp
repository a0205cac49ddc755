#include "app/replay.hpp"

#include "app/message_frame.hpp"
#include "app/spawn.hpp"
#include "app/tell_fault.hpp"

#include <algorithm>
#include <iterator>

namespace app {

namespace {

base::failure away() {
    return {base::errc::unavailable, "the database is away; send it again"};
}

struct page_query {
    using answer = std::shared_ptr<const replay_page>;
    replay::request what;
    std::size_t max_delivery;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        auto page = co_await store.read_channel(what.channel, what.after, what.upto, what.limit,
                                                max_delivery);
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
};

struct channel_query {
    using answer = pg::channel_state;
    const std::string& channel;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        return store.channel_state(channel);
    }
};

struct consumer_query {
    using answer = std::optional<pg::opened_consumer>;
    std::string epoch;
    std::string channel;
    std::string name;
    std::optional<base::seq> start;

    asio::awaitable<pg::outcome<answer>> operator()(pg::message_store& store) const {
        return store.open_consumer(epoch, channel, name, start);
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

base::failure other_epoch() {
    return {base::errc::unavailable,
            "the log has another epoch, which this server has yet to take over; send it again"};
}

/// One connection and whether somebody uses it.
struct replay::lane {
    reopening_connection connection;
    bool busy = false;
};

/// Somebody who waits for a lane, in the order in which they came.
struct replay::waiter {
    signal woken;
    lane* given = nullptr;                   ///< busy for him from then on
    std::list<waiter*>::iterator place = {}; ///< until then
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
    co_return co_await run_on(context_, read_shared(std::move(what)));
}

asio::awaitable<replay::page_outcome> replay::history(request what) {
    co_return co_await run_on(context_, read_once(std::move(what)));
}

asio::awaitable<base::outcome<pg::channel_state>> replay::channel(std::string name) {
    co_return co_await run_on(context_, ask_channel(std::move(name)));
}

asio::awaitable<base::outcome<pg::opened_consumer>>
replay::open_consumer(std::string epoch, std::string channel, std::string name,
                      std::optional<base::seq> start) {
    consumer_query query{std::move(epoch), std::move(channel), std::move(name), start};
    const auto opened = co_await run_on(context_, ask(std::move(query), deadline_from_now()));
    if (!opened) {
        co_return opened.error();
    }
    if (!*opened) {
        co_return other_epoch();
    }
    co_return **opened;
}

asio::awaitable<base::outcome<bool>> replay::take_back(std::string channel, std::string name,
                                                       base::seq head) {
    take_back_query query{std::move(channel), std::move(name), head};
    co_return co_await run_on(context_, ask(std::move(query), deadline_from_now()));
}

asio::awaitable<base::outcome<pg::channel_state>> replay::ask_state(std::string name,
                                                                    time_point deadline) {
    channel_query query{name};
    co_return co_await ask(query, deadline);
}

/// Runs the query on a lane of its own, which it must have at `deadline`.
template <typename Query>
auto replay::ask(Query query, time_point deadline)
    -> asio::awaitable<base::outcome<typename Query::answer>> {
    lane* const used = co_await acquire(deadline);
    if (used == nullptr) {
        co_return away();
    }
    base::outcome<typename Query::answer> told = away();
    try {
        pg::message_store store(*used->connection);
        auto answer = co_await query(store);
        if (answer) {
            told = std::move(*answer);
        } else if (!stopping_) {
            failed(*used, answer.error());
        }
    } catch (...) {
        // The lane goes on without what may be left of this answer, and nobody waits for ever.
        tell_fault(observer_, std::current_exception());
        used->connection.close();
    }
    release(*used);
    co_return told;
}

void replay::failed(lane& used, const pg::error& why) {
    if (why.what == pg::error::kind::lost) {
        used.connection.lost(why);
    } else {
        observer_.observe(base::observed::postgres_unusable{"replay", why.message});
    }
}

asio::awaitable<replay::page_outcome> replay::read_once(request what) {
    ++reads_;
    page_query query{std::move(what), max_delivery_};
    co_return co_await ask(std::move(query), deadline_from_now());
}

/// A lane with an open connection, or null at `deadline`, whatever is still under way.
asio::awaitable<replay::lane*> replay::acquire(time_point deadline) {
    if (stopping_) {
        co_return nullptr;
    }
    lane* closed = nullptr;
    for (const auto& one : lanes_) {
        if (!one->busy && one->connection.is_open()) {
            one->busy = true;
            co_return one.get();
        }
        closed = one->busy ? closed : one.get();
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
        co_return nullptr;
    }
    waiter me{signal(context_)};
    me.place = queue_.insert(queue_.end(), &me);
    if (closed != nullptr) {
        closed->busy = true;
        spawn(context_, reopen(*closed));
    }
    co_await me.woken.wait_for(left);
    if (me.given == nullptr) {
        queue_.erase(me.place);
    }
    co_return me.given;
}

/// By itself, since it may wait for longer than who needs it does.
asio::awaitable<void> replay::reopen(lane& closed) {
    co_await closed.connection.open();
    if (stopping_) {
        closed.connection.close();
    }
    release(closed);
}

/// The lane goes to who has waited longest, from hand to hand: nobody can take it in between. A
/// closed one is opened for him first.
void replay::release(lane& lane) {
    lane.busy = !queue_.empty() && !stopping_;
    if (!lane.busy) {
        return;
    }
    if (!lane.connection.is_open()) {
        spawn(context_, reopen(lane));
        return;
    }
    waiter& first = *queue_.front();
    queue_.pop_front();
    first.given = &lane;
    first.woken.notify();
}

void replay::stop() {
    stopping_ = true;
    for (const auto& one : lanes_) {
        one->connection.close();
    }
    for (waiter* const one : queue_) {
        one->woken.notify();
    }
}

} // namespace app
