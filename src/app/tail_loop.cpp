#include "app/tail_loop.hpp"

#include "app/message_frame.hpp"
#include "app/migrations.hpp"
#include "core/uuid.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>

namespace app {

namespace {

constexpr int exit_configuration = 78;
constexpr int exit_unreachable = 69;

/// A ring may be lost (a full notification queue, a pooler): it costs this much time, never data.
constexpr std::chrono::milliseconds poll_interval{5'000};
constexpr std::chrono::milliseconds canary_timeout{5'000};
constexpr std::string_view doorbell = "queue_message";

} // namespace

/// One life of the listening connection.
struct tail_loop::listening {
    std::optional<pg::error> broken;
    std::string canary; ///< the last token that came back
};

tail_loop::tail_loop(asio::io_context& context, const database_options& options,
                     base::observer& observer, std::function<void(batch_ptr)> hand_on,
                     std::function<void(fatal)> give_up)
    : context_(context),
      options_(options),
      observer_(observer),
      hand_on_(std::move(hand_on)),
      give_up_(std::move(give_up)),
      listener_(context, options.listen_dsn.empty() ? options.dsn : options.listen_dsn, "listen",
                observer),
      reader_(context, options.dsn, "tail", observer),
      wake_(context),
      canary_channel_("pgherald_" + core::make_uuid()) {}

void tail_loop::stop() {
    stopping_ = true;
    close();
}

base::tail_state tail_loop::state() const {
    base::tail_state now = state_;
    if (!now.caught_up || !tailer_.caught_up()) {
        now.lag_seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - caught_up_at_).count();
    }
    return now;
}

void tail_loop::close() {
    listener_.close();
    reader_.close();
    wake_.notify();
}

asio::awaitable<void> tail_loop::run() {
    while (!stopping_) {
        const bool opened = co_await open();
        if (opened) {
            co_await follow();
        }
        state_.listening = false;
        state_.caught_up = false;
        const bool was_listening = round_ != nullptr;
        close();
        // The listening coroutine refers to this round's connection: it must be gone first.
        while (round_ && !round_->broken) {
            co_await wake_.wait();
        }
        if (was_listening && !stopping_) {
            listener_.lost(*round_->broken);
        }
        round_.reset();
    }
}

/// Everything a round needs before the first page: connections, checks, LISTEN.
asio::awaitable<bool> tail_loop::open() {
    const bool reachable = co_await reader_.open();
    if (!reachable) {
        if (!met_ && options_.start_timeout.count() > 0 &&
            std::chrono::steady_clock::now() - started_ > options_.start_timeout) {
            give_up_({exit_unreachable,
                      "Postgres could not be reached within postgres.start_timeout; "
                      "check postgres.dsn and that the server runs"});
        }
        co_return false;
    }
    pg::message_store store(*reader_);
    const bool fits = co_await check(store);
    if (!fits || stopping_) {
        co_return false;
    }
    const bool connected = co_await listener_.open();
    if (!connected) {
        co_return false;
    }
    const bool listening = co_await start_listening(store);
    if (!listening) {
        co_return false;
    }
    co_return co_await refresh_log_state();
}

/// Finds what would make the daemon wrong or useless later: told at start, while that is cheap.
asio::awaitable<bool> tail_loop::check(pg::message_store& store) {
    const auto server = co_await store.check_server();
    if (!server) {
        co_await unusable(server.error().message);
        co_return false;
    }
    if (server->encoding != "UTF8") {
        co_await unusable("the database's encoding is " + server->encoding +
                          ", pgherald needs UTF8: create the database with ENCODING 'UTF8'");
        co_return false;
    }
    if (options_.migrate && !met_) {
        const auto migrated = co_await pg::migrate(*reader_, migrations());
        if (!migrated) {
            co_await unusable("the schema could not be brought up to date: " +
                              migrated.error().message);
            co_return false;
        }
        if (migrated->from != migrated->to) {
            observer_.observe(base::observed::schema_migrated{migrated->from, migrated->to});
        }
    }
    const auto version = co_await store.schema_version();
    if (!version) {
        co_await unusable("the schema's version could not be read: " + version.error().message +
                          "; grant the daemon's role what docs/database.md lists");
        co_return false;
    }
    if (const auto wrong = describe_schema(*version)) {
        co_await unusable(*wrong);
        co_return false;
    }
    co_return true;
}

asio::awaitable<void> tail_loop::unusable(const std::string& what) {
    observer_.observe(base::observed::postgres_unusable{"tail", what});
    if (!met_ && reader_.is_open()) {
        give_up_({exit_configuration, what});
    }
    co_await pause(std::chrono::milliseconds(1'000));
}

asio::awaitable<bool> tail_loop::start_listening(pg::message_store& reader) {
    pg::message_store store(*listener_);
    const auto listens = co_await store.listen(canary_channel_);
    if (!listens) {
        co_await unusable("LISTEN failed: " + listens.error().message);
        co_return false;
    }
    round_ = std::make_shared<tail_loop::listening>();
    asio::co_spawn(context_, listen(round_), asio::detached);

    // Behind a transaction pooler LISTEN answers well and nothing ever arrives.
    const std::string token = core::make_uuid();
    const auto rung = co_await reader.ring_canary(canary_channel_, token);
    if (!rung) {
        co_await unusable("NOTIFY failed: " + rung.error().message);
        co_return false;
    }
    const auto deadline = std::chrono::steady_clock::now() + canary_timeout;
    while (round_->canary != token) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (round_->broken || stopping_) {
            co_return false;
        }
        if (left.count() <= 0) {
            co_await unusable("a notification sent to ourselves did not come back: the connection "
                              "that listens goes through a transaction pooler, or to another "
                              "database; set postgres.listen_dsn to Postgres itself");
            co_return false;
        }
        co_await wake_.wait_for(left);
    }
    co_return true;
}

/// Runs beside follow(): the listening socket is always read, whatever the reader does.
asio::awaitable<void> tail_loop::listen(std::shared_ptr<listening> round) {
    while (true) {
        auto rings = co_await listener_->wait_rings(std::chrono::milliseconds(60'000));
        if (!rings) {
            round->broken = rings.error();
            break;
        }
        for (pg::connection::ring& ring : *rings) {
            if (ring.channel == doorbell) {
                tailer_.ring();
            } else if (ring.channel == canary_channel_) {
                round->canary = std::move(ring.payload);
            }
        }
        if (!rings->empty()) {
            wake_.notify();
        }
    }
    wake_.notify();
}

/// Pages after the position until the connection breaks. LISTEN stands already, so a row that
/// commits during the first pages rings.
asio::awaitable<void> tail_loop::follow() {
    tailer_.ring();
    state_.listening = true;
    auto next_refresh = std::chrono::steady_clock::now() + poll_interval;
    while (!stopping_ && !round_->broken) {
        const bool read = co_await read_page();
        if (!read) {
            co_return;
        }
        if (!tailer_.caught_up()) {
            continue;
        }
        state_.caught_up = true;
        caught_up_at_ = std::chrono::steady_clock::now();
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            next_refresh - std::chrono::steady_clock::now());
        if (left.count() > 0) {
            co_await wake_.wait_for(left);
            continue;
        }
        const bool refreshed = co_await refresh_log_state();
        if (!refreshed) {
            co_return;
        }
        tailer_.ring();
        next_refresh = std::chrono::steady_clock::now() + poll_interval;
    }
}

asio::awaitable<bool> tail_loop::read_page() {
    if (const auto rest = tailer_.rest(); rest.count() > 0) {
        co_await pause(rest);
    }
    const int limit = tailer_.begin_read();
    if (limit == 0) {
        co_return true;
    }
    const auto begun = std::chrono::steady_clock::now();
    pg::message_store store(*reader_);
    const auto page = co_await store.read_after(tailer_.position(), limit, options_.max_delivery);
    if (!page) {
        tailer_.fail_read();
        if (!stopping_) {
            reader_.lost(page.error());
        }
        co_return false;
    }
    const base::seq last = page->messages.empty() ? 0 : page->messages.back().seq;
    tailer_.end_read(page->messages.size(), last, page->more);
    state_.position = tailer_.position();
    state_.head = std::max(state_.head, state_.position);
    if (!page->messages.empty()) {
        auto out = std::make_shared<batch>();
        out->epoch = epoch_;
        out->position = tailer_.position();
        out->frames.reserve(page->messages.size());
        std::ranges::transform(page->messages, std::back_inserter(out->frames), frame_of);
        hand_on_(std::move(out));
        observer_.observe(base::observed::page_read{
            page->messages.size(), std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - begun)});
    }
    co_return true;
}

/// Whose log it is and where it ends; at the first contact, and every few seconds after.
asio::awaitable<bool> tail_loop::refresh_log_state() {
    pg::message_store store(*reader_);
    const auto log = co_await store.log_state();
    if (!log) {
        if (log.error().what == pg::error::kind::lost) {
            reader_.lost(log.error());
        } else {
            co_await unusable("the log's state could not be read: " + log.error().message);
        }
        co_return false;
    }
    const auto usage = co_await store.queue_usage();
    if (usage) {
        state_.queue_usage = *usage;
    }
    state_.head = log->head;
    const bool replaced = met_ && log->epoch != epoch_;
    const bool shrunk = met_ && log->head < tailer_.position();
    if (replaced) {
        observer_.observe(base::observed::epoch_changed{epoch_, log->epoch});
    }
    if (!met_ || replaced || shrunk) {
        epoch_ = log->epoch;
        if (!met_ || shrunk) {
            tailer_.start_at(log->head);
        }
        auto out = std::make_shared<batch>();
        out->epoch = epoch_;
        out->position = tailer_.position();
        out->restart = !met_ || shrunk;
        hand_on_(std::move(out));
        if (!met_) {
            met_ = true;
            observer_.observe(base::observed::ready{epoch_, log->head});
        }
    }
    state_.position = tailer_.position();
    co_return true;
}

} // namespace app
