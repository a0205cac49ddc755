#include "app/tail_loop.hpp"

#include "app/migrations.hpp"
#include "app/spawn.hpp"
#include "base/exit_code.hpp"
#include "core/uuid.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace app {

namespace {

constexpr std::chrono::milliseconds first_canary_timeout{5'000};

} // namespace

/// Everything a round needs before the first page: connections, checks, LISTEN.
asio::awaitable<bool> tail_loop::open() {
    const bool reachable = co_await reader_.open();
    if (!reachable) {
        give_up_late();
        co_return false;
    }
    pg::message_store store(*reader_);
    const bool fits = co_await check(store);
    if (!fits || stopping_) {
        co_return false;
    }
    const bool connected = co_await listener_.open();
    if (!connected) {
        give_up_late();
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
        co_await unusable(server.error().message, server.error().is_transient());
        co_return false;
    }
    if (server->encoding != "UTF8") {
        co_await unusable("the database's encoding is " + server->encoding +
                          ", pgherald needs UTF8: create the database with ENCODING 'UTF8'");
        co_return false;
    }
    if (!log_ && server->isolation != "read committed") {
        co_await unusable("transactions of the daemon's role are " + server->isolation +
                          ", and would be refused beside others: alter role ... set "
                          "default_transaction_isolation to 'read committed'");
        co_return false;
    }
    if (options_.migrate && !log_) {
        const bool migrated = co_await migrate();
        if (!migrated) {
            co_return false;
        }
    }
    const auto version = co_await store.schema_version();
    if (!version) {
        co_await unusable("the schema's version could not be read: " + version.error().message +
                              "; grant the daemon's role what docs/database.md lists",
                          version.error().is_transient());
        co_return false;
    }
    if (const auto wrong = describe_schema(*version)) {
        co_await unusable(*wrong);
        co_return false;
    }
    // Later, subscribers shouldn't lose what goes on without a right that somebody took away.
    if (!log_) {
        const auto grants = co_await store.missing_grants();
        if (!grants) {
            co_await unusable("the rights of the daemon's role could not be read: " +
                                  grants.error().message,
                              grants.error().is_transient());
            co_return false;
        }
        if (!grants->empty()) {
            co_await unusable("the daemon's role lacks rights, run as the schema's owner: " +
                              *grants);
            co_return false;
        }
    }
    co_return true;
}

asio::awaitable<bool> tail_loop::migrate() {
    if (stopping_) {
        co_return false;
    }
    const bool opened = co_await migrator_.open();
    if (!opened) {
        give_up_late();
        co_return false;
    }
    const auto migrated = co_await pg::migrate(*migrator_, migrations());
    migrator_.close();
    if (!migrated) {
        co_await unusable("the schema could not be brought up to date: " +
                              migrated.error().with_hint(),
                          migrated.error().is_transient());
        co_return false;
    }
    if (migrated->from != migrated->to) {
        observer_.observe(base::observed::schema_migrated{migrated->from, migrated->to});
    }
    co_return true;
}

/// Told, and tried again after a while. At start that is the end, unless it `may_pass` by itself.
asio::awaitable<void> tail_loop::unusable(std::string what, bool may_pass) {
    observer_.observe(base::observed::postgres_unusable{"tail", what});
    if (may_pass) {
        give_up_late();
    } else if (!log_ && reader_.is_open()) {
        give_up_({base::exit_code::configuration, std::move(what)});
    }
    co_await pause(std::chrono::milliseconds(1'000));
}

void tail_loop::give_up_late() {
    if (!log_ && options_.start_timeout.count() > 0 &&
        std::chrono::steady_clock::now() - started_ > options_.start_timeout) {
        give_up_({base::exit_code::unreachable,
                  "Postgres could not be reached, or not be worked with, within "
                  "postgres.start_timeout; check postgres.dsn and that the "
                  "server runs"});
    }
}

asio::awaitable<bool> tail_loop::start_listening(pg::message_store& reader) {
    pg::message_store store(*listener_);
    const auto listens = co_await store.listen(canary_channel_);
    if (!listens) {
        co_await unusable("LISTEN failed: " + listens.error().message,
                          listens.error().is_transient());
        co_return false;
    }
    round_ = std::make_shared<tail_loop::listening>();
    spawn(context_, listen(round_));

    // Behind a transaction pooler LISTEN answers well and nothing ever arrives.
    round_->rung = core::make_uuid();
    round_->rung_at = std::chrono::steady_clock::now();
    const auto rung = co_await reader.ring_canary(canary_channel_, round_->rung);
    if (!rung) {
        co_await unusable("NOTIFY failed: " + rung.error().message, rung.error().is_transient());
        co_return false;
    }
    const auto deadline = std::chrono::steady_clock::now() + first_canary_timeout;
    while (round_->back != round_->rung) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (round_->broken || stopping_) {
            co_return false;
        }
        if (left.count() <= 0) {
            // Once it may have been a server that is very busy.
            const bool may_pass = !std::exchange(waited_for_canary_, true);
            co_await unusable("a notification sent to ourselves did not come back: the connection "
                              "that listens goes through a transaction pooler, or to another "
                              "database; set postgres.listen_dsn to Postgres itself",
                              may_pass);
            co_return false;
        }
        co_await wake_.wait_for(left);
    }
    co_return true;
}

/// Whose log it is and where it ends; before the first page of a round, and every few seconds
/// after.
asio::awaitable<bool> tail_loop::refresh_log_state() {
    pg::message_store store(*reader_);
    const auto log = co_await store.log_state();
    if (!log) {
        if (log.error().what == pg::error::kind::lost) {
            reader_.lost(log.error());
        } else {
            co_await unusable("the log's state could not be read: " + log.error().message,
                              log.error().is_transient());
        }
        co_return false;
    }
    const auto usage = co_await store.queue_usage();
    if (usage) {
        state_.queue_usage = *usage;
    }
    take_log(*log);
    co_return true;
}

/// The same log goes on; or one of which only numbers up to some point are known (after a
/// failover); or another one. What comes after the point is read again from the table as it is now.
void tail_loop::take_log(const pg::log_state& log) {
    state_.head = log.head;
    auto restart_at = tailer_.position();
    bool changed = true;
    if (!log_) {
        restart_at = log.head;
        observer_.observe(base::observed::ready{log.epoch, log.head});
    } else if (log.epoch != log_->text()) {
        observer_.observe(base::observed::epoch_changed{log_->text(), log.epoch});
    } else {
        // A log that ends before our position has been replaced by an older copy of itself.
        changed = log.head < tailer_.position();
        restart_at = std::min(restart_at, log.head);
    }
    if (!changed) {
        return;
    }
    std::vector<core::timeline_start> starts;
    std::ranges::transform(log.timelines, std::back_inserter(starts), [](const auto& each) {
        return core::timeline_start{each.timeline, each.began_at};
    });
    auto now = std::make_shared<const core::log_epoch>(log.epoch, std::move(starts));
    if (log_ && log.epoch != log_->text()) {
        const base::seq same_upto = now->good_upto(log_->text());
        restart_at = same_upto < 0 ? log.head : std::min(restart_at, same_upto);
    }
    log_ = std::move(now);
    tailer_.start_at(restart_at);
    state_.position = restart_at;
    batch made;
    made.log = log_;
    made.position = restart_at;
    made.restart = true;
    hand_on(std::move(made));
}

} // namespace app
