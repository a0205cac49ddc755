#pragma once

#include "app/database.hpp"

namespace app {

/// The verb `migrate`: brings the schema up to date and says what it did. Returns the exit code.
int run_migrate(const database_options& options);

} // namespace app
