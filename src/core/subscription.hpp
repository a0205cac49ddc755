#pragma once

#include "base/frame.hpp"
#include "base/reset_reason.hpp"
#include "base/seq.hpp"
#include "core/tail.hpp"
#include "core/turns.hpp"
#include "core/window.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

namespace core {

/// A subscription is a cursor over its channel's log; live means the cursor is at the head.
/// Joining, resuming, falling behind and a full window are the same: while not live it is pumped,
/// from the tail in memory where that reaches back far enough, else by pages from Postgres, until
/// it is live again. A cursor that can't be honoured any more is moved to the head by a reset, and
/// the client is told.
/// Decides only: the caller (app::session) moves frames and reads pages.
/// Owner: app::session. Thread: the shard's. Lifetime: from subscribe to unsubscribe.
class subscription {
public:
    /// At the head: takes what comes after `position`.
    static subscription live_at(base::seq position) { return {position, true}; }
    /// Wants everything after `cursor`.
    static subscription behind_at(base::seq cursor) { return {cursor, false}; }
    /// Wants everything that is kept, from `cursor` or the start; what was removed before it begins
    /// is no reason for a reset.
    static subscription from_start(base::seq cursor = 0);

    /// It is a consumer's, which has acknowledged everything up to the cursor; from here on at most
    /// `most` messages may be unacknowledged.
    void limit_unacknowledged(std::uint32_t most) {
        window_ = std::make_unique<window>(most, cursor_);
    }

    base::seq cursor() const { return cursor_; }
    bool live() const { return live_; }

    /// A new message of the channel, while `room` says whether the outbox takes one. Returns true
    /// when it is to be sent now. Without room, or with a full window, a live subscription falls
    /// behind, just before it.
    bool offer(base::seq seq, bool room);

    /// The same for all messages of the channel from `first` to `last`, for which there is room.
    /// False: they have to be offered one by one.
    bool offer_all(base::seq first, base::seq last);

    /// What a subscription that isn't live needs next.
    struct send {
        base::frame_ptr frame; ///< the cursor has moved onto it
    };
    struct read_page {
        base::seq after;
        base::seq upto; ///< the shard's position now: newer messages come through the tail
        int limit;
    };
    struct caught_up {
        base::seq seq; ///< it is live from here
    };
    struct find_head {
        base::reset_reason reason; ///< answer with reset_to()
    };
    /// For room, for an acknowledgement, for what was asked for, or for nothing since it is live.
    struct wait {};
    using step = std::variant<send, read_page, caught_up, find_head, wait>;

    /// What next() needs to be called for. `position`: what the shard has been handed.
    need needs(const tail& tail, std::string_view channel, base::seq position) const;

    /// Call again until it says wait.
    step next(const tail& tail, std::string_view channel, base::seq position, bool room);

    /// The page asked for is there. `removed`: the highest seq known to be removed from the
    /// channel; `emptied`: the log was emptied as a whole up to here. False: the page is of no use,
    /// a reset comes next. Otherwise how many of its messages to send now is decided one by one
    /// with take(); messages not taken are read again later. The first one is taken also without
    /// room: there was some when the page was asked for, and others may take it every time.
    bool page_begins(base::seq removed, base::seq emptied);
    bool take(base::seq seq, bool room);
    /// `more`: the page stopped before `upto`.
    void page_ends(base::seq upto, bool more);
    /// What was asked for could not be had: next() asks again.
    void failed() { waiting_ = false; }

    /// It joins a shard that has come to `position`. What the tail knows to be removed from the
    /// channel beyond that has been told to those that were there.
    void joins(const tail& tail, std::string_view channel, base::seq position);
    /// The cursor can't be honoured: a reset comes next, whatever is under way.
    void refuse(base::reset_reason reason);
    /// Messages of the channel up to `upto` are gone; they were never handed on by this shard.
    /// True when that makes a reset necessary.
    bool removed(base::seq upto);
    /// The log is another one now, in which numbers so far are good up to `seq` (below 0: none).
    /// A cursor beyond makes a reset necessary; a consumer's only if what it has acknowledged is
    /// beyond, else it goes back to there, since all it lacks is in the present log. True when it
    /// is to be pumped. Pages asked for before are of no use, which the caller has to see to.
    bool good_upto(base::seq seq, base::reset_reason otherwise);
    /// It is live from `head`, also where that is below the cursor of a log that is no more.
    void reset_to(base::seq head);

    /// Whether something was asked for and neither came nor failed.
    bool waiting() const { return waiting_; }
    /// Whether only an acknowledgement lets it go on.
    bool window_full() const { return window_ && window_->room() == 0; }

    /// Acknowledges everything up to `seq`. Returns what that is in the present log, or nothing
    /// when `seq` goes beyond what was sent.
    std::optional<base::seq> ack(base::seq seq);

private:
    subscription(base::seq cursor, bool live) : cursor_(cursor), live_(live) {}

    void sent(base::seq seq);

    base::seq cursor_;
    base::seq forgiven_ = 0; ///< what was removed up to here is no reason for a reset
    std::unique_ptr<window> window_;
    std::optional<base::reset_reason> refused_;
    int page_limit_ = 64;
    bool live_;
    bool waiting_ = false;
    bool page_cut_ = false;
    bool page_first_ = false;      ///< the page's first message is still to come
    bool begins_at_start_ = false; ///< until the first message, or page, is there
};

} // namespace core
