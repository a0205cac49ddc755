#pragma once

#include "base/observation.hpp"
#include "telemetry/log.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What an observation says in the log, before it is text or JSON.
namespace telemetry {

struct field {
    std::string_view key;
    std::variant<std::int64_t, std::string> value;
};

struct line {
    telemetry::level level;
    std::string_view event;   ///< "session_opened": for machines, it never changes
    std::string_view message; ///< for people
    std::vector<field> fields;
};

level level_of(const base::observation& what);
line line_of(const base::observation& what);

using wall_time = std::chrono::system_clock::time_point;

/// "2026-11-22T12:00:00.123Z"
std::string timestamp(wall_time when);

/// One line without its end: `2026-11-22T12:00:00.123Z info  message key=value ...`
std::string as_text(const line& what, wall_time when);
/// One JSON object: time, level, event, message, then the fields.
std::string as_json(const line& what, wall_time when);

} // namespace telemetry
