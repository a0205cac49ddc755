#include "pg/error.hpp"

#include <stdexcept>

namespace pg {

namespace {

bool in_class(const std::string& sqlstate, std::string_view of) {
    return sqlstate.starts_with(of);
}

} // namespace

bool error::is_data() const {
    // P0001 is what a trigger of the owner's raises to refuse a row; 54000 is a value that is too
    // large for an index, 54001 JSON nested too deep.
    return in_class(sqlstate, "22") || in_class(sqlstate, "23") || sqlstate == "P0001" ||
           (in_class(sqlstate, "54") && !of_notify);
}

bool error::is_permission() const {
    return sqlstate == "42501";
}

bool error::is_role() const {
    return sqlstate == "0P000";
}

bool error::is_schema() const {
    // 42P10: ON CONFLICT (id) without a unique id, i.e. a table that was never upgraded.
    for (const char* state : {"42P01", "42703", "42883", "42704", "3F000", "42P10"}) {
        if (sqlstate == state)
            return true;
    }
    return false;
}

bool error::is_read_only() const {
    return sqlstate == "25006";
}

bool error::is_transient() const {
    if (what == kind::lost)
        return true;
    for (const char* of : {"08", "40", "53", "57"}) {
        if (in_class(sqlstate, of))
            return true;
    }
    // 54000 of NOTIFY: the server's queue of notifications is full.
    return sqlstate == "55P03" || (sqlstate == "54000" && of_notify);
}

void throw_exception_from_error(const error& error, const boost::source_location&) {
    throw std::runtime_error(error.message);
}

} // namespace pg
