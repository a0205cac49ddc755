#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
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
    bool console = true; ///< the page at /
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

enum class auth_mode { none, token };

/// Who clients are. Files are read where they are used, at start and on a reload; only what
/// secret_file holds is put into `secret` here.
struct auth_section {
    auth_mode mode = auth_mode::none;
    bool insecure = false;               ///< mode none on an address that others reach is meant so
    std::vector<std::string> algorithms; ///< empty: every one that a configured key is for
    std::string secret;                  ///< for HS256, HS384, HS512
    std::string secret_file;
    std::string public_key_file; ///< PEM
    std::string jwks_file;
    std::string jwks_url;     ///< https
    std::string jwks_ca_file; ///< PEM; empty: the system's certificate authorities
    std::chrono::milliseconds jwks_refresh{600'000};
    std::string issuer;                ///< empty: any
    std::vector<std::string> audience; ///< one of them must be the token's; empty: any
    std::chrono::milliseconds leeway{30'000};
    std::string claim = "pgherald";
    std::string role_claim;         ///< empty: publishes run as the daemon's own role
    std::vector<std::string> roles; ///< those that a token may name
    std::string anonymous_role;     ///< for who names none; empty: such a publish is refused
    std::chrono::milliseconds auth_timeout{10'000};
    std::size_t max_token = 8 * 1024;
};

/// What a channel's rule asks of whoever wants something.
enum class requirement { anyone, token, claim, nobody };

/// One [[channel]]; the first whose pattern matches decides.
struct channel_rule {
    std::string pattern;
    std::optional<requirement> subscribe; ///< nothing: as where no rule matches
    std::optional<requirement> publish;
};

/// Of a session unless it says otherwise. Frame size is websocket.max_frame, sessions in all
/// server.max_sessions.
struct limits_section {
    std::vector<std::string> trusted_proxies; ///< addresses or networks (CIDR)
    std::vector<std::string> exempt_addresses{"127.0.0.0/8", "::1/128"}; ///< from the next two
    unsigned sessions_per_address = 1'000;
    unsigned handshakes_per_address = 100; ///< a second
    std::chrono::milliseconds handshake_timeout{10'000};
    std::chrono::milliseconds first_frame_timeout{60'000}; ///< 0: none
    std::size_t max_header = 16 * 1024;
    unsigned frames_per_second = 10'000;
    unsigned publishes_per_second = 5'000;
    unsigned max_subscriptions = 10'000;
    unsigned max_publishes_in_flight = 1'024;
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
    auth_section auth;
    std::vector<channel_rule> channels; ///< in the file's order
    limits_section limits;
    websocket_section websocket;
    messages_section messages;
    log_section log;
};

/// One thing wrong with the configuration.
struct problem {
    std::string where;   ///< "pgherald.toml:12" or "PGHERALD_SERVER_LISTEN"; may be empty
    std::string key;     ///< "server.listen", "channel.pattern"; empty for a syntax error
    std::string message; ///< what is wrong and what to write instead
};

/// "pgherald.toml:12: server.listen: ...", one problem a line.
std::string describe(const std::vector<problem>& problems);

struct loaded {
    settings values;
    std::vector<problem> problems; ///< empty: values may be used
    /// Where each key was set last, as in problem::where; keys at their default aren't here.
    std::map<std::string, std::string, std::less<>> set_at;
};

/// Looks a variable up; nothing when it isn't set.
using environment = std::function<std::optional<std::string>(std::string_view)>;

/// All problems are found in one go. `name` stands in problem::where. Reads dsn_file and
/// secret_file.
loaded load(std::string_view toml, std::string_view name, const environment& environment);
/// As above from a file; a file that can't be read is a problem. Without a file: environment only.
loaded load(const std::optional<std::filesystem::path>& file, const environment& environment);

/// Adds what is wrong only for a daemon that listens: an address that others reach, and nothing
/// that says who they may be.
void check_serving(loaded& from);

/// Full names of the keys whose values differ, "channel" for the rules. Connection strings and
/// secrets are compared as they are in use, so another content of dsn_file changes postgres.dsn.
std::vector<std::string> changed_keys(const settings& before, const settings& after);

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
    std::string environment;  ///< "PGHERALD_SERVER_LISTEN"; empty: stands in a file only
    std::string_view meaning;
};
std::vector<key_description> describe_keys();
/// Those of each [[channel]]; what stands for a default is no value.
std::vector<key_description> describe_channel_keys();

} // namespace config
