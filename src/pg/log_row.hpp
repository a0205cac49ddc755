#pragma once

#include "pg/error.hpp"

#include <string>
#include <string_view>

namespace pg {

// Expressions on the row of queue.log, where a statement reads it as `log`. They see the
// statement's own snapshot. The functions current_epoch() and head() don't quite: the one reads
// anew, the other locks queue.message when the snapshot is taken already, and a TRUNCATE may come
// in between. A statement that names its tables locks them first.

/// As queue.current_epoch() gives it; writes nothing.
inline constexpr std::string_view log_epoch =
    "log.epoch || '.' || "
    "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint";

/// As queue.head(), in a transaction that has inserted nothing itself.
inline constexpr std::string_view log_head = "greatest((select max(seq) from queue.message), "
                                             "(select max(seq) from queue.trimmed), "
                                             "log.emptied_at)";

/// The row is there from the migration on.
inline error empty_log() {
    return {error::kind::refused, "42P01", "queue.log is empty: the schema is damaged"};
}

/// For a statement that is a constant of namespace scope.
template <typename... Parts>
std::string joined(Parts... parts) {
    std::string whole;
    (whole.append(parts), ...);
    return whole;
}

} // namespace pg
