// pgherald: rows of a Postgres table to WebSocket clients, nothing lost. From here down the program
// reads as it is built: command line, settings, observers, server.
#include "app/migrate.hpp"
#include "app/migrations.hpp"
#include "app/server.hpp"
#include "app/setting_files.hpp"
#include "base/exit_code.hpp"
#include "config/command_line.hpp"
#include "config/config.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "ws/acceptor.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

/// Log and metrics are two readers of one stream of observations.
class observers final : public base::observer {
public:
    observers(base::observer& first, base::observer& second) : readers_{&first, &second} {}
    void observe(const base::observation& what) override {
        for (base::observer* reader : readers_) {
            reader->observe(what);
        }
    }

private:
    std::array<base::observer*, 2> readers_;
};

std::optional<std::string> from_environment(std::string_view name) {
    const char* const value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::vector<std::string> names_in_environment() {
    std::vector<std::string> names;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        names.emplace_back(text.substr(0, text.find('=')));
    }
    return names;
}

config::loaded read(const std::optional<std::filesystem::path>& file) {
    config::loaded loaded = config::load(file, from_environment);
    std::ranges::move(config::check_environment_names(names_in_environment()),
                      std::back_inserter(loaded.problems));
    return loaded;
}

/// For a daemon that listens.
config::loaded read_to_serve(const std::optional<std::filesystem::path>& file) {
    config::loaded loaded = read(file);
    config::check_serving(loaded);
    return loaded;
}

/// The settings, or nothing after saying what is wrong with them.
std::optional<config::settings> usable(config::loaded loaded) {
    if (!loaded.problems.empty()) {
        std::cerr << config::describe(loaded.problems);
        return std::nullopt;
    }
    return std::move(loaded.values);
}

int run(const config::say& verb) {
    (verb.exit_code == 0 ? std::cout : std::cerr) << verb.text;
    return verb.exit_code;
}

int run(const config::check& verb) {
    const auto settings = usable(read_to_serve(verb.config));
    if (!settings) {
        return base::exit_code::configuration;
    }
    if (const auto files = app::read_files(*settings); !files) {
        std::cerr << config::describe({{{}, files.error().key, files.error().reason}});
        return base::exit_code::configuration;
    }
    std::cout << "the configuration is valid\n";
    return EXIT_SUCCESS;
}

int run(const config::migrate& verb) {
    if (verb.print) {
        std::cout << app::migrations_as_text();
        return EXIT_SUCCESS;
    }
    const auto settings = usable(read(verb.config));
    return settings ? app::run_migrate(app::database_options_of(*settings))
                    : base::exit_code::configuration;
}

int run(const config::serve& verb) {
    const auto settings = usable(read_to_serve(verb.config));
    if (!settings) {
        return base::exit_code::configuration;
    }
    telemetry::log log({static_cast<telemetry::level>(settings->log.level),
                        static_cast<telemetry::format>(settings->log.format)});
    telemetry::metrics metrics(PGHERALD_VERSION);
    observers all(log, metrics);
    all.observe(base::observed::started{PGHERALD_VERSION});
    std::optional<app::server> server;
    try {
        server.emplace(
            *settings, [&verb] { return read_to_serve(verb.config); }, all, log, metrics,
            PGHERALD_VERSION);
        return server->run();
    } catch (const ws::cannot_listen& error) {
        all.observe(base::observed::setting_unusable{"server.listen", error.what()});
        return error.may_pass() ? base::exit_code::unreachable : base::exit_code::configuration;
    } catch (const std::exception& error) {
        all.observe(base::observed::internal_error{error.what()});
        return base::exit_code::internal;
    }
}

} // namespace

int main(int argc, char** argv) {
    const config::command command = config::parse_command_line(argc, argv, PGHERALD_VERSION);
    try {
        return std::visit([](const auto& verb) { return run(verb); }, command);
    } catch (const std::exception& error) {
        std::cerr << "pgherald: an internal error, please report it: " << error.what() << '\n';
        return base::exit_code::internal;
    }
}
