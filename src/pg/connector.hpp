#pragma once

#include "pg/conninfo.hpp"

#include <libpq-fe.h>

#include <memory>

namespace pg {

struct pgconn_deleter {
    void operator()(PGconn* raw) const { PQfinish(raw); }
};
using pgconn_ptr = std::unique_ptr<PGconn, pgconn_deleter>;

/// Connects on a helper thread of its own, because libpq resolves host names blocking, and resumes
/// on `context`. The thread shares nothing with the context, so either may end first; the context's
/// destructor waits for the threads started on it, about as long as they may take to connect.
asio::awaitable<outcome<pgconn_ptr>> connect(asio::io_context& context, conninfo to);

} // namespace pg
