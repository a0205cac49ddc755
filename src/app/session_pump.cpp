// What a session's subscriptions are given: fan-out, pages, resets.
#include "app/session.hpp"

#include "app/message_frame.hpp"
#include "app/signal.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace app {

namespace {

/// After a page could not be read: Postgres is away, its return is not announced to sessions.
constexpr std::chrono::milliseconds page_retry{500};

} // namespace

session::held& session::hold(const std::string& channel, core::subscription state) {
    state.joins(shard_.tail(), channel, shard_.position());
    auto made = std::make_unique<held>(*this, channel, std::move(state));
    held& who = *subscriptions_.emplace(channel, std::move(made)).first->second;
    shard_.hub().add(channel, who);
    line_up(who);
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
        owner.line_up_for_later(*this);
    }
}

void session::held::removed(base::seq upto) {
    if (state.removed(upto)) {
        owner.line_up_for_later(*this);
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
        if (who->state.good_upto(good_upto, otherwise)) {
            line_up_for_later(*who);
        }
    }
}

/// What it needs, or doesn't any more; pump() is to follow.
void session::line_up(held& who) {
    turns_.wait(who, who.state.needs(shard_.tail(), who.channel, shard_.position()));
}

/// For fan-out, which isn't done with the hub and the tail, and leaves less room from one message
/// to the next.
void session::line_up_for_later(held& who) {
    line_up(who);
    if (!pumps_later_) {
        pumps_later_ = true;
        go_on(pump_later(shared_from_this()));
    }
}

asio::awaitable<void> session::pump_later(std::shared_ptr<session>) {
    co_await asio::post(asio::use_awaitable); // a coroutine begins at once
    pumps_later_ = false;
    pump();
}

asio::awaitable<void> session::pump_when_room(std::shared_ptr<session>) {
    const auto over = co_await socket_.room();
    waiting_for_room_ = false;
    if (!over) {
        pump();
    }
}

/// Gives those whose turn it is what they lack, as far as there is room.
void session::pump() {
    if (closing_) {
        return;
    }
    while (core::turns::member* const who = turns_.next(socket_.has_room())) {
        serve(static_cast<held&>(*who));
    }
    if (turns_.wants_room() && !waiting_for_room_) {
        waiting_for_room_ = true;
        go_on(pump_when_room(shared_from_this()));
    }
}

void session::serve(held& who) {
    while (true) {
        const auto what = who.state.needs(shard_.tail(), who.channel, shard_.position());
        const bool room = socket_.has_room();
        if (!turns_.grants(what, room)) {
            turns_.wait(who, what);
            return;
        }
        auto step = who.state.next(shard_.tail(), who.channel, shard_.position(), room);
        if (auto* frame = std::get_if<core::subscription::send>(&step)) {
            ++shard_.counts().deliveries;
            send(std::move(frame->frame));
        } else if (auto* ask = std::get_if<core::subscription::read_page>(&step)) {
            turns_.asked();
            go_on(read_page(shared_from_this(), who.channel, who.ticket, *ask));
        } else if (auto* lost = std::get_if<core::subscription::find_head>(&step)) {
            turns_.asked();
            go_on(reset(shared_from_this(), who.channel, who.ticket, lost->reason));
        } else if (auto* there = std::get_if<core::subscription::caught_up>(&step)) {
            send(make_frame(
                [&](std::string& out) { wire::append_live(out, who.channel, there->seq); }));
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
    if (!useful && log == shard_.log()) {
        co_await pause(page_retry);
    }
    turns_.answered();
    held* const who = find(channel, ticket);
    if (who == nullptr) {
        pump(); // another one may ask now
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
    line_up(*who);
    pump();
}

/// Where the channel is by the table, which may be in a log that this instance has yet to meet:
/// then its numbers say nothing here.
asio::awaitable<base::outcome<pg::channel_state>> session::ask_table(std::string channel) {
    auto told = co_await shard_.replay().channel(std::move(channel));
    if (told && told->epoch != shard_.log()->text()) {
        co_return other_epoch();
    }
    co_return told;
}

/// The cursor can't be honoured: the client is told where the log is now, and is live from there.
asio::awaitable<void> session::reset(std::shared_ptr<session>, std::string channel,
                                     std::uint64_t ticket, base::reset_reason reason) {
    const auto now = co_await ask_table(channel);
    if (!now) {
        co_await pause(page_retry);
    }
    turns_.answered();
    held* const who = find(channel, ticket);
    if (who == nullptr) {
        pump();
        co_return;
    }
    if (!now) {
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
    line_up(*who);
    pump();
}

} // namespace app
