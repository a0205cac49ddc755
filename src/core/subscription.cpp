#include "core/subscription.hpp"

#include <algorithm>
#include <utility>

namespace core {

namespace {

constexpr int smallest_page = 8;
constexpr int largest_page = 1024;

} // namespace

subscription subscription::from_start(base::seq cursor) {
    subscription made(cursor, false);
    made.begins_at_start_ = true;
    return made;
}

void subscription::sent(base::seq seq) {
    cursor_ = seq;
    if (window_) {
        window_->sent(seq);
    }
}

bool subscription::offer(base::seq seq, bool room) {
    if (!live_ || seq <= cursor_) {
        return false;
    }
    if (!room || window_full()) {
        cursor_ = seq - 1;
        live_ = false;
        return false;
    }
    sent(seq);
    return true;
}

bool subscription::offer_all(base::seq first, base::seq last) {
    if (!live_ || first <= cursor_ || window_) {
        return false;
    }
    sent(last);
    return true;
}

need subscription::needs(const tail& tail, std::string_view channel, base::seq position) const {
    if (live_ || waiting_) {
        return need::nothing;
    }
    if (refused_) {
        return need::head;
    }
    if (window_full()) {
        return need::nothing;
    }
    return cursor_ < tail.floor(channel) && cursor_ < position ? need::page : need::room;
}

subscription::step subscription::next(const tail& tail, std::string_view channel,
                                      base::seq position, bool room) {
    const need what = needs(tail, channel, position);
    if (what == need::head) {
        waiting_ = true;
        return find_head{*refused_};
    }
    if (what == need::nothing || !room) {
        return wait{};
    }
    if (what == need::page) {
        waiting_ = true;
        const auto limit = static_cast<std::size_t>(page_limit_);
        const auto most = window_ ? std::min(window_->room(), limit) : limit;
        return read_page{cursor_, position, static_cast<int>(most)};
    }
    begins_at_start_ = false;
    if (auto frame = tail.next(channel, cursor_)) {
        sent(frame->seq());
        return send{std::move(frame)};
    }
    cursor_ = std::max(cursor_, position);
    live_ = true;
    return caught_up{cursor_};
}

bool subscription::page_begins(base::seq removed, base::seq emptied) {
    page_cut_ = false;
    page_first_ = true;
    if (begins_at_start_) {
        begins_at_start_ = false;
        forgiven_ = std::max(removed, emptied);
    }
    const base::seq known = std::max(cursor_, forgiven_);
    if (!refused_ && emptied > known) {
        refused_ = base::reset_reason::epoch;
    } else if (!refused_ && removed > known) {
        refused_ = base::reset_reason::trimmed;
    }
    if (refused_) {
        waiting_ = false;
    }
    return !refused_;
}

bool subscription::take(base::seq seq, bool room) {
    if (page_cut_ || seq <= cursor_) {
        return false;
    }
    const bool first = std::exchange(page_first_, false);
    if (!(room || first) || window_full()) {
        page_cut_ = true;
        return false;
    }
    sent(seq);
    return true;
}

void subscription::page_ends(base::seq upto, bool more) {
    waiting_ = false;
    if (page_cut_) {
        // The rest is read again once there is room: ask for less then.
        page_limit_ = std::max(page_limit_ / 2, smallest_page);
        return;
    }
    page_limit_ = std::min(page_limit_ * 2, largest_page);
    if (!more) {
        cursor_ = std::max(cursor_, upto);
    }
}

void subscription::joins(const tail& tail, std::string_view channel, base::seq position) {
    if (const base::seq floor = tail.floor(channel); floor > position) {
        removed(floor);
    }
}

void subscription::refuse(base::reset_reason reason) {
    refused_ = reason;
    live_ = false;
}

bool subscription::removed(base::seq upto) {
    if (refused_ || begins_at_start_ || upto <= std::max(cursor_, forgiven_)) {
        return false;
    }
    refuse(base::reset_reason::trimmed);
    return true;
}

bool subscription::good_upto(base::seq seq, base::reset_reason otherwise) {
    const base::seq shared = std::max<base::seq>(seq, 0);
    forgiven_ = std::min(forgiven_, shared);
    if (cursor_ <= seq) {
        return false;
    }
    if (!begins_at_start_ && !(window_ && window_->acked() <= seq)) {
        refused_ = otherwise;
    }
    if (window_) {
        // Also before a reset: acknowledgements that are under way are of the log as it was.
        window_->lose_after(shared, cursor_);
    }
    cursor_ = shared;
    live_ = false;
    return true;
}

void subscription::reset_to(base::seq head) {
    if (window_) {
        window_->restart_at(head, cursor_);
    }
    cursor_ = head;
    forgiven_ = 0;
    refused_.reset();
    waiting_ = false;
    live_ = true;
}

std::optional<base::seq> subscription::ack(base::seq seq) {
    if (!window_) {
        return std::nullopt;
    }
    if (seq > cursor_) {
        if (seq > window_->lost_upto()) {
            return std::nullopt;
        }
        seq = window_->kept_upto();
    }
    window_->ack(seq);
    return seq;
}

} // namespace core
