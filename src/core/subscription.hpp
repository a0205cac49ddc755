#pragma once

#include "base/frame.hpp"
#include "base/seq.hpp"
#include "core/tail.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace core {

/// A subscription is a cursor over its channel's log; live means the cursor is at the head.
/// Joining, resuming and falling behind are the same: while not live it is pumped, from the tail in
/// memory where that reaches back far enough, else by pages from Postgres, until it is live again.
/// Decides only: the caller (app::session) moves frames and reads pages.
/// Owner: app::session. Thread: the shard's. Lifetime: from subscribe to unsubscribe.
class subscription {
public:
    /// At the head: takes what comes after `position`.
    static subscription live_at(base::seq position) { return {position, true}; }
    /// Wants everything after `cursor`.
    static subscription behind_at(base::seq cursor) { return {cursor, false}; }

    base::seq cursor() const { return cursor_; }
    bool live() const { return live_; }

    /// A new message of the channel, while `room` says whether the outbox takes one. Returns true
    /// when it is to be sent now. Without room a live subscription falls behind, just before it.
    bool offer(base::seq seq, bool room);

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
    struct wait {}; ///< for room, for a page, or for nothing since it is live
    using step = std::variant<send, read_page, caught_up, wait>;

    /// `position`: what the shard has been handed. Call again until it says wait.
    step next(const tail& tail, std::string_view channel, base::seq position, bool room);

    /// The page asked for is there: how many of its messages to send now is decided one by one with
    /// take(); messages not taken are read again later.
    void page_begins() { page_cut_ = false; }
    bool take(base::seq seq, bool room);
    /// `more`: the page stopped before `upto`.
    void page_ends(base::seq upto, bool more);
    /// The page could not be read: next() asks again.
    void page_failed() { reading_ = false; }

    bool reading() const { return reading_; }

private:
    subscription(base::seq cursor, bool live) : cursor_(cursor), live_(live) {}

    base::seq cursor_;
    int page_limit_ = 64;
    bool live_;
    bool reading_ = false;
    bool page_cut_ = false;
};

} // namespace core
