#include "app/tail_loop.hpp"

#include "app/message_frame.hpp"
#include "core/uuid.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <iterator>

namespace app {

namespace {

/// A ring may be lost (a full notification queue, a pooler): it costs this much time, never data.
constexpr std::chrono::milliseconds poll_interval{5'000};
/// A server that takes longer for a page than this and two canaries is taken for dead.
constexpr std::chrono::milliseconds least_query_timeout{10'000};
constexpr std::size_t most_with_shards = 4;
/// Under load there is always something that was committed just now.
constexpr std::chrono::seconds tolerated_lag{2};
constexpr std::string_view doorbell = "queue_message";

} // namespace

tail_loop::tail_loop(asio::io_context& context, const database_options& options,
                     base::observer& observer, std::function<void(batch_ptr)> hand_on,
                     std::function<void(fatal)> give_up)
    : context_(context),
      options_(options),
      observer_(observer),
      hand_on_(std::move(hand_on)),
      give_up_(std::move(give_up)),
      listener_(context, options.listen_dsn, "listen", observer),
      reader_(
          context, options.dsn, "tail", observer,
          std::max<std::chrono::milliseconds>(2 * options.canary_interval, least_query_timeout)),
      migrator_(context, options.dsn, "migrate", observer, std::chrono::milliseconds(0)),
      wake_(context),
      canary_channel_("pgherald_" + core::make_uuid()) {}

void tail_loop::stop() {
    stopping_ = true;
    close();
}

base::tail_state tail_loop::state() const {
    base::tail_state now = state_;
    const auto lag = current_lag();
    now.caught_up = state_.caught_up && lag < tolerated_lag;
    now.lag_seconds = std::chrono::duration<double>(lag).count();
    return now;
}

/// Since the last moment of which everything committed before it has been handed on.
std::chrono::steady_clock::duration tail_loop::current_lag() const {
    const auto now = std::chrono::steady_clock::now();
    if (!state_.caught_up) {
        return now - caught_up_at_;
    }
    const auto held =
        held_since_ ? now - *held_since_ : std::chrono::steady_clock::duration::zero();
    return std::max(tailer_.lag(now), held);
}

void tail_loop::close() {
    listener_.close();
    reader_.close();
    migrator_.close();
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
                tailer_.ring(std::chrono::steady_clock::now());
            } else if (ring.channel == canary_channel_) {
                round->back = std::move(ring.payload);
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
    tailer_.listening(state_.head);
    state_.listening = true;
    auto next_refresh = std::chrono::steady_clock::now() + poll_interval;
    while (!stopping_ && !round_->broken) {
        const bool alive = co_await tend_canary();
        if (!alive) {
            co_return;
        }
        if (with_shards_ >= most_with_shards) {
            // Read faster than it is fanned out, it would only pile up in memory.
            if (!held_since_) {
                held_since_ = std::chrono::steady_clock::now();
            }
            co_await wake_.wait_for(options_.canary_interval / 2);
            continue;
        }
        held_since_.reset();
        const bool read = co_await read_page();
        if (!read) {
            co_return;
        }
        const auto now = std::chrono::steady_clock::now();
        if (tailer_.at_end()) {
            state_.caught_up = true;
            caught_up_at_ = now - current_lag();
        }
        if (!tailer_.caught_up()) {
            continue;
        }
        if (now < next_refresh) {
            const auto next = std::min(next_refresh, now + options_.canary_interval / 2);
            co_await wake_.wait_for(std::chrono::ceil<std::chrono::milliseconds>(next - now));
            continue;
        }
        const bool refreshed = co_await refresh_log_state();
        if (!refreshed) {
            co_return;
        }
        tailer_.ring(std::chrono::steady_clock::now());
        next_refresh = std::chrono::steady_clock::now() + poll_interval;
    }
}

/// A notification to ourselves twice an interval, through the other connection. One that has not
/// come back after an interval means that LISTEN is dead without saying so: a half-open connection,
/// or a pooler in between.
asio::awaitable<bool> tail_loop::tend_canary() {
    const auto waited = std::chrono::steady_clock::now() - round_->rung_at;
    if (round_->back != round_->rung) {
        if (waited < options_.canary_interval) {
            co_return true;
        }
        observer_.observe(base::observed::canary_lost{
            std::chrono::duration_cast<std::chrono::milliseconds>(waited)});
        co_return false;
    }
    if (waited < options_.canary_interval / 2) {
        co_return true;
    }
    round_->rung = core::make_uuid();
    round_->rung_at = std::chrono::steady_clock::now();
    pg::message_store store(*reader_);
    const auto rung = co_await store.ring_canary(canary_channel_, round_->rung);
    if (!rung && !stopping_) {
        reader_.lost(rung.error());
    }
    co_return rung.has_value();
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
    auto page = co_await store.read_after(tailer_.position(), limit, options_.max_delivery);
    if (!page) {
        tailer_.fail_read();
        if (!stopping_) {
            reader_.lost(page.error());
        }
        co_return false;
    }
    if (page->epoch != log_->text()) {
        // Whose messages these are, and after which position, must be known first.
        tailer_.fail_read();
        co_return co_await refresh_log_state();
    }
    take_page(*page);
    if (!page->messages.empty()) {
        observer_.observe(base::observed::page_read{
            page->messages.size(), std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - begun)});
    }
    co_return true;
}

void tail_loop::take_page(const pg::page& page) {
    core::tailer::page_end end;
    end.message = page.messages.empty() ? 0 : page.messages.back().seq;
    end.removal = page.removals.empty() ? 0 : page.removals.back().upto;
    end.more_messages = page.more;
    tailer_.end_read(end);
    state_.position = tailer_.position();
    state_.head = std::max(state_.head, state_.position);
    if (page.messages.empty() && page.removals.empty()) {
        return;
    }
    batch made;
    made.log = log_;
    made.position = tailer_.position();
    std::ranges::transform(page.removals, std::back_inserter(made.removals), [](const auto& each) {
        return removal{std::string(each.channel), each.upto};
    });
    made.frames.reserve(page.messages.size());
    std::ranges::transform(page.messages, std::back_inserter(made.frames), frame_of);
    hand_on(std::move(made));
}

/// Counts the batch until the last shard lets go of it, on that shard's thread.
void tail_loop::hand_on(batch made) {
    ++with_shards_;
    hand_on_(batch_ptr(new batch(std::move(made)), [this](const batch* done) {
        delete done;
        asio::post(context_, [this] {
            --with_shards_;
            wake_.notify();
        });
    }));
}

} // namespace app
