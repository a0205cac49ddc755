#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The settings as plain values with their defaults, and where they come from: a TOML file, then
/// the environment. Components get small option structs made from this by app/; none sees it whole.
namespace config {

struct server_section {
    std::string listen = "127.0.0.1:8080";
    unsigned threads = 0; ///< shards; 0: one per core
    std::chrono::milliseconds drain_timeout{10'000};
    std::size_t max_sessions = 100'000;
};

struct postgres_section {
    std::string dsn; ///< libpq conninfo or URI; empty: libpq's environment (PGHOST, ...)
    std::string dsn_file;
    bool migrate = false;
    std::string listen_dsn; ///< for LISTEN, when dsn is a transaction pooler
    unsigned replay_connections = 2;
    /// How long start-up waits for Postgres before exit 69; 0: try for ever.
    std::chrono::milliseconds start_timeout{0};
    /// A LISTEN that is dead without saying so is found within two of these.
    std::chrono::milliseconds canary_interval{5'000};
};

struct websocket_section {
    std::size_t max_frame = 64 * 1024;
    std::chrono::milliseconds ping_interval{25'000};
    std::size_t outbox = 64 * 1024;
    bool compression = false;
    std::vector<std::string> allowed_origins; ///< empty: same origin only
};

enum class tls_version { v1_2, v1_3 };

/// For what listens. The files are read where they are used: at start, and again on a reload.
struct tls_section {
    std::string certificate; ///< path of a PEM file; empty: no TLS
    std::string key;         ///< path of a PEM file
    tls_version min_version = tls_version::v1_2;
    std::string ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"; ///< for TLS 1.2
};

struct messages_section {
    std::size_t max_delivery = 16 * 1024 * 1024;
    std::size_t tail = 64 * 1024 * 1024;
    std::optional<std::chrono::seconds> retention; ///< nothing: keep for ever
    /// A consumer not seen for so long doesn't hold retention up any more.
    std::chrono::seconds consumer_grace{7 * 24 * 3600};
};

enum class log_level { trace, debug, info, warn, error };
enum class log_format { text, json };

struct log_section {
    log_level level = log_level::info;
    log_format format = log_format::text;
};

struct settings {
    server_section server;
    tls_section tls;
    postgres_section postgres;
    websocket_section websocket;
    messages_section messages;
    log_section log;
};

/// One thing wrong with the configuration.
struct problem {
    std::string where;   ///< "pgherald.toml:12" or "PGHERALD_SERVER_LISTEN"
    std::string key;     ///< "server.listen"; empty for a syntax error
    std::string message; ///< what is wrong and what to write instead
};

/// "pgherald.toml:12: server.listen: ...", one problem a line.
std::string describe(const std::vector<problem>& problems);

struct loaded {
    settings values;
    std::vector<problem> problems; ///< empty: values may be used
};

/// Looks a variable up; nothing when it isn't set.
using environment = std::function<std::optional<std::string>(std::string_view)>;

/// All problems are found in one go. `name` stands in problem::where. Reads dsn_file.
loaded load(std::string_view toml, std::string_view name, const environment& environment);
/// As above from a file; a file that can't be read is a problem. Without a file: environment only.
loaded load(const std::optional<std::filesystem::path>& file, const environment& environment);

/// `environment` can only look names up, so a misspelt PGHERALD_* variable is found here: give all
/// names that are set. Passed over: names that resemble no key, and those Kubernetes sets for a
/// Service.
std::vector<problem> check_environment_names(std::span<const std::string> names);

/// Every key with its section, type, default and one-line meaning: what `--help`, docs/config.md
/// and config/pgherald.toml are held to by tests.
struct key_description {
    std::string_view name; ///< "server.listen"
    std::string_view
        type; ///< "string", "integer", "boolean", "duration", "size", "list of strings"
    std::string default_text; ///< as it stands in a TOML file
    std::string environment;  ///< "PGHERALD_SERVER_LISTEN"
    std::string_view meaning;
};
std::vector<key_description> describe_keys();

} // namespace config
