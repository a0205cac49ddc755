#include "config/keys.hpp"

#include "config/checks.hpp"

#include <array>

namespace config {

namespace {

using namespace std::chrono_literals;
using type = value_type;

const choices<log_level> levels{{"trace", log_level::trace},
                                {"debug", log_level::debug},
                                {"info", log_level::info},
                                {"warn", log_level::warn},
                                {"error", log_level::error}};
const choices<tls_version> tls_versions{{"1.2", tls_version::v1_2}, {"1.3", tls_version::v1_3}};
const choices<log_format> formats{{"text", log_format::text}, {"json", log_format::json}};

constexpr duration_range a_century{1s, std::chrono::hours(24 * 36'500)};

std::string set_retention(settings& to, const value& from) {
    if (const auto* text = std::get_if<std::string>(&from); text != nullptr && text->empty()) {
        to.messages.retention.reset();
        return {};
    }
    return set_whole_seconds(to.messages.retention, from, a_century);
}

// What is possible, not what is wise: a limit stands where the daemon couldn't work beyond it.
// Postgres holds at most 1 GB in one field, and text grows by escapes on its way to the client.
constexpr std::array first_keys{
    key{"server", "listen", type::string,
        "address and port for HTTP and WebSocket: \"host:port\", \"[v6]:port\", or \":port\" for "
        "all addresses; port 0 takes a free one",
        [](const settings& s) { return show(std::string_view(s.server.listen)); },
        [](settings& s, const value& v) { return set_checked(s.server.listen, v, check_listen); }},
    key{"server", "threads", type::integer,
        "shards that serve sockets, a thread each; 0: one per core",
        [](const settings& s) { return show_integer(s.server.threads); },
        [](settings& s, const value& v) {
            return set_integer(s.server.threads, v, {0, 1024});
        }},
    key{"server", "drain_timeout", type::duration,
        "how long a stop waits for sessions to get what is under way",
        [](const settings& s) { return show(s.server.drain_timeout); },
        [](settings& s, const value& v) {
            return set(s.server.drain_timeout, v, {0ms, 1h});
        }},
    key{"server", "max_sessions", type::integer, "sessions at a time; more are refused with 503",
        [](const settings& s) { return show_integer(s.server.max_sessions); },
        [](settings& s, const value& v) {
            return set_integer(s.server.max_sessions, v, {1, 100'000'000});
        }},
    key{"server", "console", type::boolean, "serve a page to try things out at /",
        [](const settings& s) { return show(s.server.console); },
        [](settings& s, const value& v) { return set(s.server.console, v); }},

    key{"tls", "certificate", type::string,
        "PEM file with the certificate and those between it and the root; empty: no TLS",
        [](const settings& s) { return show(std::string_view(s.tls.certificate)); },
        [](settings& s, const value& v) { return set(s.tls.certificate, v); }},
    key{"tls", "key", type::string, "PEM file with the certificate's private key",
        [](const settings& s) { return show(std::string_view(s.tls.key)); },
        [](settings& s, const value& v) { return set(s.tls.key, v); }},
    key{"tls", "min_version", type::string, "least version of TLS that is spoken: 1.2 or 1.3",
        [](const settings& s) { return show_choice(s.tls.min_version, tls_versions); },
        [](settings& s, const value& v) { return set_choice(s.tls.min_version, v, tls_versions); }},
    key{"tls", "ciphers", type::string, "OpenSSL cipher list for TLS 1.2; those of 1.3 are fixed",
        [](const settings& s) { return show(std::string_view(s.tls.ciphers)); },
        [](settings& s, const value& v) { return set_checked(s.tls.ciphers, v, check_ciphers); }},

    key{"postgres", "dsn", type::string,
        "libpq conninfo or URI; empty: libpq's own environment (PGHOST, PGUSER, ...)",
        [](const settings& s) { return show(std::string_view(s.postgres.dsn)); },
        [](settings& s, const value& v) { return set(s.postgres.dsn, v); }},
    key{"postgres", "dsn_file", type::string,
        "file that holds the dsn, for secrets; not together with dsn",
        [](const settings& s) { return show(std::string_view(s.postgres.dsn_file)); },
        [](settings& s, const value& v) { return set(s.postgres.dsn_file, v); }},
    key{"postgres", "migrate", type::boolean, "bring the schema up to date at start",
        [](const settings& s) { return show(s.postgres.migrate); },
        [](settings& s, const value& v) { return set(s.postgres.migrate, v); }},
    key{"postgres", "listen_dsn", type::string,
        "direct connection for LISTEN, when dsn leads to a transaction pooler; empty: dsn",
        [](const settings& s) { return show(std::string_view(s.postgres.listen_dsn)); },
        [](settings& s, const value& v) { return set(s.postgres.listen_dsn, v); }},
    key{"postgres", "replay_connections", type::integer,
        "connections that read messages for clients that are behind",
        [](const settings& s) { return show_integer(s.postgres.replay_connections); },
        [](settings& s, const value& v) {
            return set_integer(s.postgres.replay_connections, v, {1, 32});
        }},
    key{"postgres", "start_timeout", type::duration,
        "how long the start waits for Postgres before it gives up with exit code 69; 0s: for ever",
        [](const settings& s) { return show(s.postgres.start_timeout); },
        [](settings& s, const value& v) {
            return set(s.postgres.start_timeout, v, {0ms, 24h});
        }},
    key{"postgres", "canary_interval", type::duration,
        "a dead LISTEN connection that doesn't say so is found within two of these",
        [](const settings& s) { return show(s.postgres.canary_interval); },
        [](settings& s, const value& v) {
            return set(s.postgres.canary_interval, v, {1s, 1h});
        }},
};

constexpr std::array last_keys{
    key{"websocket", "max_frame", type::size,
        "largest frame a client may send; a larger one ends the session with 1009",
        [](const settings& s) { return show_size(s.websocket.max_frame); },
        [](settings& s, const value& v) {
            return set_size(s.websocket.max_frame, v, {KiB, 64 * MiB});
        }},
    key{"websocket", "ping_interval", type::duration,
        "a client that is silent for two of these is taken for gone",
        [](const settings& s) { return show(s.websocket.ping_interval); },
        [](settings& s, const value& v) {
            return set(s.websocket.ping_interval, v, {1s, 1h});
        }},
    key{"websocket", "outbox", type::size,
        "bytes that may wait for one slow socket; what is beyond it is read again from Postgres",
        [](const settings& s) { return show_size(s.websocket.outbox); },
        [](settings& s, const value& v) {
            return set_size(s.websocket.outbox, v, {4 * KiB, GiB});
        }},
    key{"websocket", "compression", type::boolean,
        "offer permessage-deflate; costs memory and time per session",
        [](const settings& s) { return show(s.websocket.compression); },
        [](settings& s, const value& v) { return set(s.websocket.compression, v); }},
    key{"websocket", "allowed_origins", type::list,
        "browser origins that may connect, e.g. \"https://example.org\"; empty: the same origin",
        [](const settings& s) { return show(s.websocket.allowed_origins); },
        [](settings& s, const value& v) {
            return set_checked(s.websocket.allowed_origins, v, check_origins);
        }},

    key{"messages", "max_delivery", type::size,
        "a message with more data than this is delivered with too_large instead of its data",
        [](const settings& s) { return show_size(s.messages.max_delivery); },
        [](settings& s, const value& v) {
            return set_size(s.messages.max_delivery, v, {KiB, 512 * MiB});
        }},
    key{"messages", "tail", type::size,
        "memory for recent messages, so that clients that come back don't cost a query; 0: none",
        [](const settings& s) { return show_size(s.messages.tail); },
        [](settings& s, const value& v) {
            return set_size(s.messages.tail, v, {0, 1024 * GiB});
        }},
    key{"messages", "retention", type::duration,
        "messages older than this are removed; empty: kept for ever",
        [](const settings& s) {
            return s.messages.retention ? show(*s.messages.retention) : show(std::string_view());
        },
        set_retention},
    key{"messages", "consumer_grace", type::duration,
        "messages a consumer lacks are kept beyond retention until it was away for so long",
        [](const settings& s) { return show(s.messages.consumer_grace); },
        [](settings& s, const value& v) {
            return set_whole_seconds(s.messages.consumer_grace, v, a_century);
        }},

    key{"log", "level", type::string,
        "least level that is written: trace, debug, info, warn, error",
        [](const settings& s) { return show_choice(s.log.level, levels); },
        [](settings& s, const value& v) { return set_choice(s.log.level, v, levels); }},
    key{"log", "format", type::string, "text for people, or json: one object a line",
        [](const settings& s) { return show_choice(s.log.format, formats); },
        [](settings& s, const value& v) { return set_choice(s.log.format, v, formats); }},
};

std::vector<key> joined(std::initializer_list<std::span<const key>> parts) {
    std::vector<key> all;
    for (const auto part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

} // namespace

std::span<const key> keys() {
    static const auto all = joined({first_keys, auth_keys(), limits_keys(), last_keys});
    return all;
}

} // namespace config
