#include "config/command_line.hpp"

#include "base/exit_code.hpp"
#include "config/config.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>

namespace config {

namespace {

constexpr std::string_view usage =
    R"(pgherald: rows of queue.message to WebSocket clients, nothing lost

  pgherald [serve] [--config FILE]            run the daemon
  pgherald migrate [--print] [--config FILE]  bring the schema up to date, or print the SQL
  pgherald check [--config FILE]              check the configuration and exit
  pgherald --version
  pgherald --help

Without --config every key has its default. Each key can also be set by the environment, which
goes before the file: PGHERALD_SERVER_LISTEN sets listen in [server]. The keys:

)";

constexpr std::string_view epilogue = R"(
Signals: the first SIGTERM or SIGINT drains and stops, the second one stops at once.
Exit codes: 0 clean, 64 wrong command line, 69 Postgres can't be reached at start,
70 internal error, 78 wrong configuration or an unusable database.
More: docs/config.md, docs/protocol.md, docs/metrics.md.
)";

constexpr std::string_view about_rules = R"(
Who may do what with a channel, in a file only; a [[channel]] for each rule:

)";

std::string listed(const std::vector<key_description>& keys) {
    std::size_t widest = 0;
    for (const auto& each : keys)
        widest = std::max(widest, each.name.size());
    std::string text;
    for (const auto& each : keys) {
        text += "  " + std::string(each.name) + std::string(widest - each.name.size() + 2, ' ');
        text += each.default_text + "\n      " + std::string(each.meaning) + '\n';
    }
    return text;
}

std::string help() {
    return std::string(usage) + listed(describe_keys()) + std::string(about_rules) +
           listed(describe_channel_keys()) + std::string(epilogue);
}

say wrong_usage(std::string problem) {
    return {"pgherald: " + std::move(problem) + "\nRun \"pgherald --help\" for what it takes.\n",
            base::exit_code::usage};
}

} // namespace

command parse_command_line(int argc, const char* const* argv, const std::string& version) {
    CLI::App app;
    std::string file;
    bool print = false;
    bool wants_version = false;
    auto* config = app.add_option("--config", file);
    app.add_flag("--version", wants_version);
    app.require_subcommand(0, 1);
    app.fallthrough(); // to subcommands made from here on: "serve --config" is "--config"
    app.add_subcommand("serve", "");
    auto* migrate_verb = app.add_subcommand("migrate", "");
    migrate_verb->add_flag("--print", print);
    auto* check_verb = app.add_subcommand("check", "");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return say{help(), 0};
    } catch (const CLI::Error& error) {
        return wrong_usage(error.what());
    }
    if (wants_version)
        return say{"pgherald " + version + '\n', 0};
    if (config->count() > 0 && file.empty())
        return wrong_usage("--config needs the name of a file");
    std::optional<std::filesystem::path> path;
    if (config->count() > 0)
        path = file;
    if (migrate_verb->parsed())
        return migrate{path, print};
    if (check_verb->parsed())
        return check{path};
    return serve{path};
}

} // namespace config
