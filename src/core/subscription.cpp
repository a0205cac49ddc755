#include "core/subscription.hpp"

#include <algorithm>

namespace core {

namespace {

constexpr int smallest_page = 8;
constexpr int largest_page = 1024;

} // namespace

bool subscription::offer(base::seq seq, bool room) {
    if (!live_ || seq <= cursor_) {
        return false;
    }
    if (!room) {
        cursor_ = seq - 1;
        live_ = false;
        return false;
    }
    cursor_ = seq;
    return true;
}

subscription::step subscription::next(const tail& tail, std::string_view channel,
                                      base::seq position, bool room) {
    if (live_ || reading_ || !room) {
        return wait{};
    }
    if (cursor_ < tail.floor() && cursor_ < position) {
        reading_ = true;
        return read_page{cursor_, position, page_limit_};
    }
    if (auto frame = tail.next(channel, cursor_)) {
        cursor_ = frame->seq();
        return send{std::move(frame)};
    }
    cursor_ = std::max(cursor_, position);
    live_ = true;
    return caught_up{cursor_};
}

bool subscription::take(base::seq seq, bool room) {
    if (page_cut_ || seq <= cursor_) {
        return false;
    }
    if (!room) {
        page_cut_ = true;
        return false;
    }
    cursor_ = seq;
    return true;
}

void subscription::page_ends(base::seq upto, bool more) {
    reading_ = false;
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

} // namespace core
