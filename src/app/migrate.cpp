#include "app/migrate.hpp"

#include "app/migrations.hpp"
#include "app/spawn.hpp"
#include "base/exit_code.hpp"

#include <iostream>

namespace app {

namespace {

asio::awaitable<void> migrate(asio::io_context& context, std::string dsn, int& exit_code) {
    pg::connect_options options;
    options.conninfo = std::move(dsn);
    options.application_name = "pgherald/migrate";
    // An upgrade of a large table takes as long as it takes.
    options.query_timeout = std::chrono::hours(24);
    auto connection = co_await pg::connection::open(context, std::move(options));
    if (!connection) {
        std::cerr << "pgherald: Postgres could not be reached: " << connection.error().message
                  << '\n';
        exit_code = base::exit_code::unreachable;
        co_return;
    }
    const auto done = co_await pg::migrate(*connection, migrations());
    if (!done) {
        std::cerr << "pgherald: the schema could not be brought up to date: "
                  << done.error().with_hint() << '\n';
        exit_code = base::exit_code::configuration;
    } else if (done->from == done->to) {
        std::cout << "the schema is up to date (version " << done->to << ")\n";
    } else {
        std::cout << "the schema went from version " << done->from << " to " << done->to << '\n';
    }
}

} // namespace

int run_migrate(const database_options& options) {
    asio::io_context context(1);
    int exit_code = 0;
    spawn(context, migrate(context, *options.dsn, exit_code));
    context.run();
    return exit_code;
}

} // namespace app
