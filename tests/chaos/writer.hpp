#pragma once

#include "tests/chaos/world.hpp"

#include <string>

namespace support {
class connection;
}

namespace chaos {

/// What writers need in the database.
void prepare_writers(support::connection& db, const std::vector<std::string>& channels);

/// Transactions as applications make them, while the run loads: several statements with pauses
/// between, rollbacks, commits that come late.
void write_rows(world& world, unsigned number, std::uint64_t seed);

} // namespace chaos
