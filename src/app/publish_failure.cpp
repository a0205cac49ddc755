#include "app/publish_failure.hpp"

namespace app {

base::failure failure_of(const pg::error& error, bool as_role) {
    if (error.is_role() || (as_role && error.is_permission())) {
        return {base::errc::forbidden,
                "the database doesn't allow this publish (row level security "
                "or a missing privilege)"};
    }
    if (error.is_permission()) {
        return {base::errc::forbidden, "the database doesn't allow this publish: " + error.message};
    }
    if (error.is_data() || error.sqlstate.starts_with("P0")) {
        return {base::errc::invalid_data, "the database refuses this message: " + error.message};
    }
    if (error.is_transient() || error.is_schema() || error.is_read_only()) {
        return {base::errc::unavailable, "the database can't store messages now; send it again"};
    }
    return {base::errc::internal,
            "the database answered in an unforeseen way (SQLSTATE " + error.sqlstate + ")"};
}

bool may_be_one_row(const pg::error& error) {
    return !error.is_transient() && !error.is_schema() && !error.is_read_only() && !error.is_role();
}

} // namespace app
