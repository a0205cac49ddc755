#include "telemetry/line_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <poll.h>
#include <unistd.h>

namespace telemetry {

namespace {

// How soon a stop is seen while a reader stalls.
constexpr std::chrono::milliseconds look_again{50};

} // namespace

bool line_writer::wait_for_room() {
    std::chrono::milliseconds waited{0};
    while (!gave_up_) {
        const auto pause = stopping_ ? std::min(look_again, patience_) : look_again;
        pollfd room{descriptor_, POLLOUT, 0};
        const int ready = ::poll(&room, 1, static_cast<int>(pause.count()));
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true; // room, or an error that write() will meet again
        if (stopping_ && (waited += pause) >= patience_)
            gave_up_ = true; // once for all lines, or each would wait anew
    }
    return false;
}

void line_writer::write(std::string_view line) {
    while (!line.empty() && wait_for_room()) {
        // A pipe that is ready takes this much at once, so the write itself never blocks.
        const auto size = std::min<std::size_t>(line.size(), PIPE_BUF);
        const auto written = ::write(descriptor_, line.data(), size);
        if (written > 0)
            line.remove_prefix(static_cast<std::size_t>(written));
        else if (written == 0 || (errno != EINTR && errno != EAGAIN))
            return;
    }
}

} // namespace telemetry
