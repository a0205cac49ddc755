#pragma once

#include "app/database.hpp"
#include "app/signal.hpp"
#include "base/observation.hpp"

#include <chrono>

namespace app {

/// Removes old messages, in sweeps over the log from its oldest row, in small transactions. Of all
/// instances on a database one at a time gets to do it.
/// Owner: app::server, only where messages.retention is set. Thread: the Postgres side's.
/// Lifetime: the server's.
class retention {
public:
    struct rules {
        std::chrono::seconds keep;
        std::chrono::seconds consumer_grace;
    };

    retention(asio::io_context& context, const database_options& options, rules rules,
              base::observer& observer);

    asio::awaitable<void> run();
    void stop();

private:
    asio::awaitable<bool> sweep();

    rules rules_;
    base::observer& observer_;
    reopening_connection connection_;
    signal wake_;
    bool stopping_ = false;
};

} // namespace app
