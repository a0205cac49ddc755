#include "app/migrations.hpp"

#include "embedded/migrations.hpp"

#include <charconv>
#include <vector>

namespace app {

std::span<const pg::migration> migrations() {
    static const std::vector<pg::migration> all = [] {
        std::vector<pg::migration> found;
        for (const auto& file : embedded::migrations()) {
            // File names start with their version: 0001_queue.sql
            int version = 0;
            std::from_chars(file.name.data(), file.name.data() + file.name.size(), version);
            found.push_back({version, file.text});
        }
        return found;
    }();
    return all;
}

std::string migrations_as_text() {
    std::string text;
    for (const pg::migration& migration : migrations()) {
        text += migration.sql;
        text += '\n';
    }
    return text;
}

std::optional<std::string> describe_schema(int version) {
    const int known = migrations().back().version;
    if (version == 0) {
        return "the schema queue is not there: run `pgherald migrate` as the database's owner, or "
               "set postgres.migrate = true";
    }
    if (version < known) {
        return "the schema is at version " + std::to_string(version) + ", this pgherald needs " +
               std::to_string(known) + ": run `pgherald migrate`, or set postgres.migrate = true";
    }
    if (version > known) {
        return "the schema is at version " + std::to_string(version) +
               ", newer than this pgherald knows (" + std::to_string(known) +
               "): install a newer pgherald";
    }
    return std::nullopt;
}

} // namespace app
