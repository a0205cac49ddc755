#pragma once

#include <chrono>
#include <string_view>

namespace auth {

/// The time a JSON number stands for (RFC 7519 2), its fraction dropped. What lies before 1970 is
/// 1970, what lies after the year 9999 its end, so that a leeway can be added. `number` must be one
/// of JSON.
std::chrono::sys_seconds to_date(std::string_view number);

} // namespace auth
