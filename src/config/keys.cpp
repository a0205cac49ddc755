#include "config/keys.hpp"

#include "config/checks.hpp"
#include "config/nearest.hpp"

#include <algorithm>
#include <array>

namespace config {

namespace {

using namespace std::chrono_literals;
using type = value_type;

constexpr std::int64_t KiB = 1024;
constexpr std::int64_t MiB = 1024 * KiB;
constexpr std::int64_t GiB = 1024 * MiB;

const choices<log_level> levels{{"trace", log_level::trace},
                                {"debug", log_level::debug},
                                {"info", log_level::info},
                                {"warn", log_level::warn},
                                {"error", log_level::error}};
const choices<tls_version> tls_versions{{"1.2", tls_version::v1_2}, {"1.3", tls_version::v1_3}};
const choices<log_format> formats{{"text", log_format::text}, {"json", log_format::json}};

template <typename Choice>
std::string show_choice(Choice choice, const choices<Choice>& all) {
    for (const auto& [name, each] : all)
        if (each == choice)
            return show(name);
    return {};
}

template <typename Seconds>
std::string set_whole_seconds(Seconds& to, const value& from) {
    std::chrono::milliseconds duration{};
    auto wrong = set(duration, from, {1s, std::chrono::hours(24 * 36'500)});
    if (wrong.empty() && duration % 1s != 0ms)
        wrong = "must be whole seconds";
    if (wrong.empty())
        to = std::chrono::duration_cast<std::chrono::seconds>(duration);
    return wrong;
}

std::string set_retention(settings& to, const value& from) {
    if (const auto* text = std::get_if<std::string>(&from); text != nullptr && text->empty()) {
        to.messages.retention.reset();
        return {};
    }
    return set_whole_seconds(to.messages.retention, from);
}

// What is possible, not what is wise: a limit stands where the daemon couldn't work beyond it.
// Postgres holds at most 1 GB in one field, and text grows by escapes on its way to the client.
constexpr std::array table{
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
            return set_whole_seconds(s.messages.consumer_grace, v);
        }},

    key{"log", "level", type::string,
        "least level that is written: trace, debug, info, warn, error",
        [](const settings& s) { return show_choice(s.log.level, levels); },
        [](settings& s, const value& v) { return set_choice(s.log.level, v, levels); }},
    key{"log", "format", type::string, "text for people, or json: one object a line",
        [](const settings& s) { return show_choice(s.log.format, formats); },
        [](settings& s, const value& v) { return set_choice(s.log.format, v, formats); }},
};

std::string did_you_mean(std::string_view name) {
    return "; did you mean " + std::string(name) + "?";
}

} // namespace

std::string key::environment() const {
    auto text = std::string(environment_prefix) + std::string(section) + '_' + std::string(name);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return text;
}

std::span<const key> keys() {
    return table;
}

const key* find_key(std::string_view section, std::string_view name) {
    const auto found = std::find_if(table.begin(), table.end(), [&](const key& each) {
        return each.section == section && each.name == name;
    });
    return found == table.end() ? nullptr : &*found;
}

std::vector<std::string_view> section_names() {
    std::vector<std::string_view> names;
    for (const auto& each : table)
        if (names.empty() || names.back() != each.section)
            names.push_back(each.section);
    return names;
}

bool is_section(std::string_view name) {
    return std::any_of(table.begin(), table.end(),
                       [name](const key& each) { return each.section == name; });
}

std::string suggest_key(std::string_view section, std::string_view name) {
    std::vector<std::string_view> here;
    for (const auto& each : table) {
        if (each.name == name) // the right key in the wrong section
            return did_you_mean(each.full_name());
        if (each.section == section)
            here.push_back(each.name);
    }
    if (const auto near = nearest(name, here); !near.empty())
        return did_you_mean(std::string(section) + '.' + std::string(near));
    std::string text = here.empty() ? "; there are" : "; this section has";
    const auto names = here.empty() ? section_names() : here;
    for (const auto each : names)
        text += (each == names.front() ? " " : ", ") +
                (here.empty() ? '[' + std::string(each) + ']' : std::string(each));
    return text;
}

std::string suggest_section(std::string_view name) {
    if (const auto near = nearest(name, section_names()); !near.empty())
        return did_you_mean('[' + std::string(near) + ']');
    return suggest_key({}, {});
}

std::vector<key_description> describe_keys() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const auto& each : table)
            all.push_back(each.full_name());
        return all;
    }();
    const settings defaults;
    std::vector<key_description> described;
    for (std::size_t i = 0; i < table.size(); ++i)
        described.push_back({names[i], name_of(table[i].type), table[i].show(defaults),
                             table[i].environment(), table[i].meaning});
    return described;
}

} // namespace config
