#include "app/consumers.hpp"

#include "app/spawn.hpp"
#include "pg/message_store.hpp"

#include <algorithm>
#include <utility>

namespace app {

namespace {

/// Acknowledgements of so long go into one statement.
constexpr std::chrono::milliseconds batch_time{200};
constexpr std::chrono::milliseconds retry_pause{500};
constexpr std::size_t largest_batch = 5'000;

/// Several times within the grace, and not more often than makes sense.
std::chrono::milliseconds touch_interval_of(std::chrono::seconds grace) {
    using namespace std::chrono_literals;
    return std::clamp<std::chrono::milliseconds>(grace / 4, 250ms, 60s);
}

} // namespace

consumers::consumers(asio::io_context& context, const database_options& options,
                     std::chrono::seconds grace, replay& replay, base::observer& observer)
    : context_(context),
      replay_(replay),
      observer_(observer),
      touch_interval_(touch_interval_of(grace)),
      connection_(context, options.dsn, "consumer", observer),
      wake_(context),
      stored_(context) {}

void consumers::mark(entry& one) {
    if (!one.unstored) {
        one.unstored = true;
        ++unstored_;
    }
}

void consumers::take(std::vector<consumer_news> news) {
    for (consumer_news& each : news) {
        entry& one = entries_[{std::move(each.channel), std::move(each.name)}];
        if (each.log && each.log != log_) {
            each.seq = std::min(each.seq, shared_with(*each.log));
        }
        one.acked = std::max(one.acked, each.seq);
        one.present -= each.what == consumer_news::kind::left ? 1 : 0;
        mark(one);
    }
    wake_.notify();
}

void consumers::log_changed(std::shared_ptr<const core::log_epoch> log, base::seq position) {
    const auto before = std::exchange(log_, std::move(log));
    log_began_at_ = position;
    if (!before) {
        return;
    }
    const base::seq shared = shared_with(*before);
    for (auto& [name, one] : entries_) {
        one.acked = std::min(one.acked, shared);
    }
}

base::seq consumers::shared_with(const core::log_epoch& earlier) const {
    if (earlier.text() == log_->text()) {
        return log_began_at_;
    }
    return std::max<base::seq>(log_->good_upto(earlier.text()), 0);
}

asio::awaitable<base::outcome<consumers::entered>>
consumers::enter(std::string epoch, std::string channel, std::string name,
                 std::optional<base::seq> start, base::seq position) {
    co_return co_await run_on(
        context_, open(std::move(epoch), std::move(channel), std::move(name), start, position));
}

asio::awaitable<base::outcome<consumers::entered>>
consumers::open(std::string epoch, std::string channel, std::string name,
                std::optional<base::seq> start, base::seq position) {
    const auto opened = co_await replay_.open_consumer(epoch, channel, name, start);
    if (!opened) {
        co_return opened.error();
    }
    entered made{opened->acked, opened->is_new, false};
    if (made.acked > position) {
        const auto table = co_await replay_.channel(channel);
        if (table && table->epoch != epoch) {
            co_return other_epoch();
        }
        made.is_ahead = table && made.acked > table->head;
        if (made.is_ahead) {
            const auto moved = co_await replay_.take_back(channel, name, table->head);
            if (!moved) {
                co_return moved.error();
            }
            made.acked = table->head;
        }
    }
    if (epoch != log_->text()) {
        co_return other_epoch(); // replaced meanwhile
    }
    entry& one = entries_[{std::move(channel), std::move(name)}];
    ++one.present;
    one.acked = made.is_ahead ? made.acked : std::max(one.acked, made.acked);
    made.acked = one.acked;
    wake_.notify();
    co_return made;
}

asio::awaitable<void> consumers::run() {
    auto next_touch = std::chrono::steady_clock::now() + touch_interval_;
    while (!stopping_) {
        if (entries_.empty()) {
            co_await wake_.wait();
            continue;
        }
        const auto now = std::chrono::steady_clock::now();
        if (now >= next_touch) {
            next_touch = now + touch_interval_;
            for (auto& [name, one] : entries_) {
                mark(one);
            }
        }
        if (unstored_ == 0) {
            co_await wake_.wait_for(std::chrono::ceil<std::chrono::milliseconds>(next_touch - now));
            continue;
        }
        if (!draining_) {
            co_await pause(batch_time);
        }
        co_await store();
    }
}

/// One statement's worth of what is unstored.
asio::awaitable<void> consumers::store() {
    const bool open = co_await ensure_open();
    if (!open) {
        co_return;
    }
    std::vector<pg::progress> rows;
    std::vector<entry*> stored;
    for (auto& [name, one] : entries_) {
        if (one.unstored && rows.size() < largest_batch) {
            rows.push_back({name.first, name.second, one.acked});
            one.unstored = false; // what is acknowledged while this is under way comes after it
            stored.push_back(&one);
        }
    }
    unstored_ -= stored.size();
    pg::message_store store(*connection_);
    storing_ = true;
    // This connection may find a promoted standby before the tail loop does: what was acknowledged
    // here says nothing of its messages.
    const auto done = co_await store.store_progress(log_->text(), rows);
    storing_ = false;
    if (!done || !*done) {
        for (entry* one : stored) {
            mark(*one);
        }
        if (stopping_) {
            co_return;
        }
        if (!done && done.error().what == pg::error::kind::lost) {
            connection_.lost(done.error());
        } else if (!done) {
            observer_.observe(base::observed::postgres_unusable{
                "consumer",
                "progress of consumers could not be stored, they will get messages again: " +
                    done.error().message});
        }
        co_await pause(retry_pause);
        co_return;
    }
    observer_.observe(base::observed::progress_stored{rows.size()});
    std::erase_if(entries_, [](const auto& each) {
        return each.second.present == 0 && !each.second.unstored;
    });
    if (unstored_ == 0) {
        stored_.notify();
    }
}

asio::awaitable<bool> consumers::ensure_open() {
    if (connection_.is_open()) {
        co_return true;
    }
    co_return co_await connection_.open();
}

asio::awaitable<void> consumers::drain(std::chrono::steady_clock::time_point deadline) {
    draining_ = true;
    wake_.notify();
    while (unstored_ > 0 || storing_) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            co_return;
        }
        co_await stored_.wait_for(std::min(left, std::chrono::milliseconds(100)));
    }
}

void consumers::stop() {
    stopping_ = true;
    connection_.close();
    wake_.notify();
}

} // namespace app
