#include "tests/bench/subject.hpp"

#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace bench {

namespace {

/// The metrics and health pages are behind TLS as well: whether it serves is seen by connecting.
bool takes_sessions(int port, swarm::transport over) {
    try {
        swarm(over).open(port, 1);
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

} // namespace

pgherald::pgherald(support::postgres_server& server, const std::string& binary,
                   std::map<std::string, std::string> settings, swarm::transport over)
    : database_(server) {
    support::daemon::options options;
    options.dsn = database_.conninfo();
    options.binary = binary;
    options.settings = std::move(settings);
    options.settings.try_emplace("LOG_LEVEL", "info");
    options.settings.try_emplace("SERVER_THREADS", "0");
    // What a session may do by default is not what the daemon can do.
    options.settings.try_emplace("LIMITS_FRAMES_PER_SECOND", "0");
    options.settings.try_emplace("LIMITS_PUBLISHES_PER_SECOND", "0");
    options.wait_ready = over == swarm::transport::plain;
    daemon_ = std::make_unique<support::daemon>(std::move(options));
    if (!support::eventually(std::chrono::seconds(20),
                             [&] { return takes_sessions(daemon_->port(), over); }))
        throw std::runtime_error("the daemon does not serve:\n" + daemon_->log());
}

node_peer::node_peer(support::postgres_server& server, const std::string& script)
    : database_(server, support::database::content::empty),
      port_(free_port()) {
    child_ = std::make_unique<child>(
        std::vector<std::string>{"node", script},
        std::vector<std::string>{
            "PGHOST=" + server.socket_folder(), "PGPORT=" + std::to_string(server.port()),
            "PGUSER=postgres", "PGDATABASE=" + database_.name(), "PORT=" + std::to_string(port_)});
    const bool up = support::eventually(std::chrono::seconds(20), [&] {
        return http_status(port_, "/healthz") == 200 || !child_->running();
    });
    if (!up || !child_->running())
        throw std::runtime_error("the Node server did not start:\n" + child_->output());
}

} // namespace bench
