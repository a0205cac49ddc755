#pragma once

#include "base/observation.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace telemetry {

enum class level { trace, debug, info, warn, error };
enum class format { text, json };

struct log_options {
    telemetry::level level = level::info;
    telemetry::format format = format::text;
};

/// Writes observations to stderr, one line each; text from outside is escaped and cut to a length.
/// A reader of stderr that stalls never blocks the daemon: lines wait in a bounded queue, the
/// oldest are dropped and the number of lost lines is logged when there is room again. Owner: main.
/// Thread: any. Lifetime: the program's; the destructor finishes it.
class log final : public base::observer {
public:
    explicit log(const log_options& options);
    ~log();
    log(const log&) = delete;
    log& operator=(const log&) = delete;

    void observe(const base::observation& what) override;

    /// Writes what still waits, but gives up on a reader that has stalled for a second. Takes
    /// nothing afterwards.
    void finish();

    /// Lines lost so far because stderr took none; not to be asked once it is finished.
    std::uint64_t dropped() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// `text` as it may stand in a log line, as the inside of a JSON string: control characters, those
/// that turn the direction of text, quotes and invalid UTF-8 escaped; at most `max` bytes of it,
/// and "..." where more was cut off.
std::string escaped(std::string_view text, std::size_t max = 256);

} // namespace telemetry
