#pragma once

#include "pg/connection.hpp"

#include <libpq-fe.h>

#include <memory>

namespace pg {

struct result_deleter {
    void operator()(PGresult* raw) const { PQclear(raw); }
};
using result_ptr = std::unique_ptr<PGresult, result_deleter>;

/// Owner: the pg::result values that share it. Thread: any, it never changes.
class result::impl {
public:
    explicit impl(result_ptr raw) : raw_(std::move(raw)) {}
    const PGresult* raw() const { return raw_.get(); }

private:
    result_ptr raw_;
};

/// `text` on one line: line breaks, tabs and other control characters become one space. At most 500
/// bytes, cut between characters.
std::string one_line(std::string_view text);

/// What the server said. Only the primary message: detail and context may hold the row's data.
/// A FATAL error ends the session, so it is error::kind::lost.
error error_of(const PGresult* raw);

} // namespace pg
