#include "core/tailer.hpp"

#include <algorithm>

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
}

void tailer::listening(base::seq head) {
    dirty_ = dirty_ || head != position_;
}

std::chrono::milliseconds tailer::rest() const {
    return std::chrono::milliseconds(empty_in_a_row_ > empty_reads_allowed ? 20 : 0);
}

int tailer::begin_read() {
    if (!dirty_) {
        return 0;
    }
    dirty_ = false;
    return limit_;
}

void tailer::end_read(base::seq last, bool more) {
    if (last > 0) {
        position_ = std::max(position_, last);
        empty_in_a_row_ = 0;
    } else {
        empty_in_a_row_ = std::min(empty_in_a_row_ + 1, empty_reads_allowed + 1);
    }
    if (more) {
        dirty_ = true;
        limit_ = std::min(limit_ * 2, largest_page);
    } else {
        limit_ = smallest_page;
    }
}

} // namespace core
