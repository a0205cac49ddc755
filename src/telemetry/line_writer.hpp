#pragma once

#include <atomic>
#include <chrono>
#include <string_view>

namespace telemetry {

/// Writes lines to a file descriptor, waiting for a slow reader: without end while the program
/// runs, for `patience` without progress once stop() was called.
/// Owner: log. Thread: one writes; stop() from any. Lifetime: the log's.
class line_writer {
public:
    line_writer(int descriptor, std::chrono::milliseconds patience)
        : descriptor_(descriptor),
          patience_(patience) {}

    /// Drops what a broken descriptor refuses: there is no other place to complain to.
    void write(std::string_view line);
    void stop() { stopping_ = true; }

private:
    bool wait_for_room();

    int descriptor_;
    std::chrono::milliseconds patience_;
    std::atomic<bool> stopping_{false};
    bool gave_up_ = false;
};

} // namespace telemetry
