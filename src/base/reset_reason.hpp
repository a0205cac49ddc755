#pragma once

#include <string_view>

namespace base {

/// Why a cursor can't be honoured.
enum class reset_reason {
    trimmed, ///< messages of the channel after it were removed
    epoch,   ///< it belongs to another log, or to a part of this one that a failover lost
    ahead,   ///< it is beyond the end of the log
};

/// The reason's name on the wire and in metrics.
std::string_view name_of(reset_reason reason);

} // namespace base
