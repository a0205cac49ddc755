#include "core/tailer.hpp"

#include <algorithm>
#include <utility>

namespace core {

namespace {

constexpr int smallest_page = 256;
constexpr int largest_page = 4096;

/// An honest ring finds nothing when the read before it took its rows along; several such in a row
/// are rare, a flood of forged ones is not.
constexpr int empty_reads_allowed = 16;

} // namespace

void tailer::start_at(base::seq position) {
    position_ = position;
    dirty_ = true;
    at_end_ = false;
}

void tailer::ring(time_point now) {
    dirty_ = true;
    if (!rung_at_) {
        rung_at_ = now;
    }
}

std::chrono::steady_clock::duration tailer::lag(time_point now) const {
    const auto since = reading_for_ ? reading_for_ : rung_at_;
    return since ? now - *since : std::chrono::steady_clock::duration::zero();
}

void tailer::listening(base::seq head) {
    dirty_ = dirty_ || head != position_;
    at_end_ = at_end_ && !dirty_;
}

std::chrono::milliseconds tailer::rest() const {
    return std::chrono::milliseconds(empty_in_a_row_ > empty_reads_allowed ? 20 : 0);
}

int tailer::begin_read() {
    if (!dirty_) {
        return 0;
    }
    dirty_ = false;
    const auto rung_at = std::exchange(rung_at_, std::nullopt);
    if (!reading_for_) {
        reading_for_ = rung_at;
    }
    return limit_;
}

void tailer::end_read(const page_end& page) {
    base::seq last = page.message;
    if (!page.more_messages) {
        // No message is left before the last removal, so its number is settled as well.
        last = std::max(last, page.removal);
    }
    if (last > 0) {
        position_ = std::max(position_, last);
        empty_in_a_row_ = 0;
    } else {
        empty_in_a_row_ = std::min(empty_in_a_row_ + 1, empty_reads_allowed + 1);
    }
    at_end_ = !page.more_messages;
    if (at_end_) {
        limit_ = smallest_page;
        reading_for_.reset();
    } else {
        dirty_ = true;
        limit_ = std::min(limit_ * 2, largest_page);
    }
}

void tailer::fail_read() {
    dirty_ = true;
    at_end_ = false;
}

} // namespace core
