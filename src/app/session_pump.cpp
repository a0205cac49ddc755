// What a session's subscriptions are given: fan-out, pages, resets.
#include "app/session.hpp"

#include "app/message_frame.hpp"
#include "app/signal.hpp"

#include <algorithm>

namespace app {

namespace {

/// After a page could not be read: Postgres is away, its return is not announced to sessions.
constexpr std::chrono::milliseconds page_retry{500};

} // namespace

session::held& session::hold(const std::string& channel, core::subscription state) {
    auto made = std::make_unique<held>(*this, channel, std::move(state));
    held& who = *subscriptions_.emplace(channel, std::move(made)).first->second;
    shard_.hub().add(channel, who);
    if (!who.state.live()) {
        behind_.push_back(&who);
    }
    return who;
}

void session::let_go(held& who) {
    shard_.hub().remove(who.channel, who);
    if (!who.consumer.empty()) {
        tell(who, consumer_news::kind::left, 0);
    }
}

session::subscriptions::iterator session::end(subscriptions::iterator which) {
    let_go(*which->second);
    std::erase(behind_, which->second.get());
    return subscriptions_.erase(which);
}

void session::tell(const held& who, consumer_news::kind what, base::seq seq) {
    shard_.tell({what, who.channel, who.consumer, seq, shard_.log()});
}

session::held* session::find(const std::string& channel, std::uint64_t ticket) {
    const auto found = subscriptions_.find(channel);
    const bool there = found != subscriptions_.end() && found->second->ticket == ticket;
    return there && !closing_ ? found->second.get() : nullptr;
}

void session::held::offer(const base::frame_run& run) {
    const auto& frames = run.frames;
    const bool all = run.joined && owner.socket_.has_room(run.joined->bytes().size()) &&
                     state.offer_all(frames.front()->seq(), frames.back()->seq());
    if (all) {
        owner.shard_.counts().deliveries += frames.size();
        owner.send(run.joined, frames.size());
        return;
    }
    const bool was_live = state.live();
    for (const base::frame_ptr& frame : frames) {
        if (state.offer(frame->seq(), owner.socket_.has_room())) {
            ++owner.shard_.counts().deliveries;
            owner.send(frame);
        }
    }
    if (was_live && !state.live()) {
        ++owner.shard_.counts().fell_behind;
        owner.needs_pump(*this, was_live);
    }
}

void session::held::removed(base::seq upto) {
    const bool was_live = state.live();
    if (state.removed(upto)) {
        owner.needs_pump(*this, was_live);
    }
}

/// Cursors of a log that is no more, or of a part of it that a failover lost, are reset or go back;
/// the others go on, and count in the new epoch from here.
void session::log_changed(bool other_epoch, base::seq good_upto, base::reset_reason otherwise) {
    if (closing_) {
        return;
    }
    if (other_epoch) {
        send(make_frame([&](std::string& out) { wire::append_epoch(out, shard_.log()->text()); }));
    }
    for (const auto& [channel, who] : subscriptions_) {
        const bool was_live = who->state.live();
        if (who->state.good_upto(good_upto, otherwise)) {
            needs_pump(*who, was_live);
        }
    }
}

/// Not at once: fan-out must not change the hub, and what there is room for is known later.
void session::needs_pump(held& who, bool was_live) {
    if (was_live) {
        behind_.push_back(&who);
    }
    if (!waiting_for_room_) {
        waiting_for_room_ = true;
        go_on(pump_when_room(shared_from_this()));
    }
}

asio::awaitable<void> session::pump_when_room(std::shared_ptr<session>) {
    const auto over = co_await socket_.room();
    waiting_for_room_ = false;
    if (!over) {
        pump();
    }
}

/// Gives every subscription that is behind what it lacks, as far as there is room; the one that
/// took the room goes to the end of the line.
void session::pump() {
    if (closing_) {
        return;
    }
    for (std::size_t left = behind_.size(); left > 0; --left) {
        held* const who = behind_.front();
        behind_.erase(behind_.begin());
        pump(*who);
        if (!who->state.live()) {
            behind_.push_back(who);
        }
    }
    const bool stuck = std::ranges::any_of(behind_, [](const held* who) {
        return !who->state.waiting() && !who->state.window_full();
    });
    if (stuck && !waiting_for_room_) {
        waiting_for_room_ = true;
        go_on(pump_when_room(shared_from_this()));
    }
}

void session::pump(held& who) {
    while (true) {
        auto step =
            who.state.next(shard_.tail(), who.channel, shard_.position(), socket_.has_room());
        if (auto* frame = std::get_if<core::subscription::send>(&step)) {
            ++shard_.counts().deliveries;
            send(std::move(frame->frame));
        } else if (auto* ask = std::get_if<core::subscription::read_page>(&step)) {
            go_on(read_page(shared_from_this(), who.channel, who.ticket, *ask));
            return;
        } else if (auto* lost = std::get_if<core::subscription::find_head>(&step)) {
            go_on(reset(shared_from_this(), who.channel, who.ticket, lost->reason));
            return;
        } else if (auto* there = std::get_if<core::subscription::caught_up>(&step)) {
            send(make_frame(
                [&](std::string& out) { wire::append_live(out, who.channel, there->seq); }));
            return;
        } else {
            return;
        }
    }
}

asio::awaitable<void> session::read_page(std::shared_ptr<session>, std::string channel,
                                         std::uint64_t ticket, core::subscription::read_page ask) {
    const auto log = shard_.log();
    replay::request what{channel, ask.after, ask.upto, ask.limit, log};
    const auto page = co_await shard_.replay().read(std::move(what));
    // `upto` was a position in the log as it was then, and the page may come from one that the
    // tail loop hasn't met yet.
    const bool useful = page && log == shard_.log() && (*page)->epoch == log->text();
    if (!useful) {
        co_await pause(page_retry);
    }
    held* const who = find(channel, ticket);
    if (who == nullptr) {
        co_return;
    }
    core::subscription& state = who->state;
    if (!useful) {
        state.failed();
    } else if (state.page_begins((*page)->removed, (*page)->emptied)) {
        for (const base::frame_ptr& frame : (*page)->frames) {
            if (state.take(frame->seq(), socket_.has_room())) {
                ++shard_.counts().deliveries;
                send(frame);
            }
        }
        state.page_ends((*page)->upto, (*page)->more);
    }
    pump();
}

/// The cursor can't be honoured: the client is told where the log is now, and is live from there.
asio::awaitable<void> session::reset(std::shared_ptr<session>, std::string channel,
                                     std::uint64_t ticket, base::reset_reason reason) {
    const auto now = co_await shard_.replay().channel(channel);
    const bool useful = now && now->epoch == shard_.log()->text();
    if (!useful) {
        co_await pause(page_retry);
    }
    held* const who = find(channel, ticket);
    if (who == nullptr) {
        co_return;
    }
    if (!useful) {
        who->state.failed();
    } else {
        shard_.counts().resets[static_cast<std::size_t>(reason)] += 1;
        send(make_frame([&](std::string& out) {
            wire::append_reset(out, channel, reason, now->oldest, now->head);
        }));
        who->state.reset_to(now->head);
        if (!who->consumer.empty()) {
            tell(*who, consumer_news::kind::acked, now->head);
        }
    }
    pump();
}

} // namespace app
