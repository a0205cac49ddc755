#include "pg/migrator.hpp"

#include "pg/message_store.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace pg {

asio::awaitable<outcome<migrated>> migrate(connection& connection,
                                           std::span<const migration> migrations) {
    message_store store(connection);
    auto version = co_await store.schema_version();
    if (!version)
        co_return version.error();
    const int from = *version;
    const int newest = migrations.empty() ? 0 : migrations.back().version;
    for (const migration& next : migrations) {
        if (next.version <= *version)
            continue;
        auto done = co_await connection.script(std::string(next.sql));
        if (!done) {
            error why = done.error();
            why.message = "migration " + std::to_string(next.version) + ": " + why.message;
            co_return why;
        }
        // Another daemon may have been faster, and further.
        version = co_await store.schema_version();
        if (!version)
            co_return version.error();
        if (*version < next.version) {
            co_return error{error::kind::refused, "",
                            "migration " + std::to_string(next.version) + " left the schema at " +
                                std::to_string(*version)};
        }
    }
    if (*version > newest) {
        co_return error{error::kind::refused, "",
                        "schema version " + std::to_string(*version) +
                            " is newer than this pgherald knows (" + std::to_string(newest) +
                            "): install a newer pgherald"};
    }
    co_return migrated{from, *version};
}

} // namespace pg
