#pragma once

#include "base/error.hpp"
#include "pg/error.hpp"

namespace app {

/// What a client is told when its publish could not be stored. What Postgres says about one as a
/// role tells of policies, so it isn't passed on.
base::failure failure_of(const pg::error& error, bool as_role);

/// Whether the fault may lie with one row of the batch, so that the others deserve another try.
bool may_be_one_row(const pg::error& error);

} // namespace app
