#pragma once

#include "pg/connection.hpp"

#include <span>
#include <string_view>

namespace pg {

/// One numbered migration: its SQL runs as a whole transaction and is safe to run again.
struct migration {
    int version;
    std::string_view sql;
};

struct migrated {
    int from;
    int to;
};

/// Brings the schema up to the newest of `migrations` (sorted by version). Does nothing, and locks
/// nothing, when it is there already. A schema newer than the newest is refused with a message that
/// says so. Numbering a big table takes as long as it takes: open `connection` without
/// query_timeout.
asio::awaitable<outcome<migrated>> migrate(connection& connection,
                                           std::span<const migration> migrations);

} // namespace pg
