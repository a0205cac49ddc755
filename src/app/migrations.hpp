#pragma once

#include "pg/migrator.hpp"

#include <optional>
#include <span>
#include <string>

namespace app {

/// The files of sql/, built into the program, by version.
std::span<const pg::migration> migrations();

/// All of them as one text for psql.
std::string migrations_as_text();

/// What is wrong with a schema of this version and how to mend it; nothing when it fits.
std::optional<std::string> describe_schema(int version);

} // namespace app
