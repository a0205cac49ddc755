#pragma once

#include "base/seq.hpp"

#include <optional>
#include <string_view>

namespace base {

/// One row of queue.message, as views into the page it was read with.
/// Lifetime: that of the page. All text is UTF-8 as Postgres printed it.
struct message_view {
    base::seq seq = 0;
    std::string_view channel;
    std::string_view id;         ///< uuid, lower case
    std::string_view data;       ///< JSON text, byte-exact; "null" where the column is NULL
    std::string_view created_at; ///< RFC 3339 as Postgres prints it in JSON
    std::optional<std::string_view> sender = {}; ///< who published it, where that is known
    bool too_large = false; ///< data is longer than messages.max_delivery and was not read
};

} // namespace base
