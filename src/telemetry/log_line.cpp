#include "telemetry/log_line.hpp"

namespace telemetry {

namespace {

using namespace base::observed;

struct about {
    telemetry::level level;
    std::string_view event;
    std::string_view message;
};

// Levels: info is the daemon's own life; debug what clients do, which can come in floods; trace
// what comes with every message; warn what mends itself; error what needs a person.
about about_of(const started&) {
    return {level::info, "started", "pgherald started"};
}
about about_of(const listening&) {
    return {level::info, "listening", "accepting clients"};
}
about about_of(const ready&) {
    return {level::info, "ready", "caught up with Postgres"};
}
about about_of(const schema_migrated&) {
    return {level::info, "schema_migrated", "the schema was brought up to date"};
}
about about_of(const postgres_connected&) {
    return {level::info, "postgres_connected", "connected to Postgres"};
}
about about_of(const postgres_lost&) {
    return {level::warn, "postgres_lost", "lost a connection to Postgres"};
}
about about_of(const postgres_unreachable&) {
    return {level::warn, "postgres_unreachable", "can't reach Postgres, will try again"};
}
about about_of(const postgres_unusable&) {
    return {level::error, "postgres_unusable", "Postgres answers, but can't be worked with"};
}
about about_of(const epoch_changed&) {
    return {level::warn, "epoch_changed",
            "the log is another one; cursors that don't hold in it are reset"};
}
about about_of(const canary_lost&) {
    return {level::warn, "canary_lost",
            "a notification to ourselves did not come back: LISTEN is dead, connecting again"};
}
about about_of(const progress_stored&) {
    return {level::trace, "progress_stored", "stored what consumers acknowledged"};
}
about about_of(const messages_removed&) {
    return {level::info, "messages_removed", "retention removed old messages"};
}
about about_of(const page_read&) {
    return {level::trace, "page_read", "read a page of messages"};
}
about about_of(const publish_batch&) {
    return {level::trace, "publish_batch", "stored a batch of messages"};
}
about about_of(const publish_latency&) {
    return {level::trace, "publish_latency", "answered a publish"};
}
about about_of(const session_opened&) {
    return {level::debug, "session_opened", "a client came"};
}
about about_of(const session_closed&) {
    return {level::debug, "session_closed", "a session ended"};
}
about about_of(const session_refused& o) {
    // Who shows a token or an origin has gone through the limits of its address; the others come in
    // floods.
    const bool is_by_rule = o.status == 401 || o.status == 403;
    return {is_by_rule ? level::info : level::debug, "session_refused", "refused a client"};
}
about about_of(const request_refused&) {
    return {level::debug, "request_refused", "refused a request"};
}
about about_of(const address_limited&) {
    return {level::warn, "address_limited", "refusing an address what is beyond its limit"};
}
about about_of(const token_refused&) {
    return {level::debug, "token_refused", "refused a token"};
}
about about_of(const bad_frame&) {
    return {level::debug, "bad_frame", "answered a frame with an error"};
}
about about_of(const accept_paused&) {
    return {level::warn, "accept_paused", "accepting clients is paused"};
}
about about_of(const tls_failed&) {
    return {level::debug, "tls_failed", "a TLS handshake failed"};
}
about about_of(const reload_asked&) {
    return {level::info, "reload_asked", "reading the configuration again"};
}
about about_of(const reloaded&) {
    return {level::info, "reloaded", "the new configuration is in use"};
}
about about_of(const token_keys_loaded&) {
    return {level::info, "token_keys_loaded", "tokens are verified with these keys"};
}
about about_of(const token_keys_failed&) {
    return {level::error, "token_keys_failed",
            "keys for tokens could not be read, those known before stay in use"};
}
about about_of(const open_to_all&) {
    return {level::warn, "open_to_all",
            "auth.insecure is set: whoever reaches this address may read and publish everything"};
}
about about_of(const certificate_loaded&) {
    return {level::info, "certificate_loaded", "new connections get this TLS certificate"};
}
about about_of(const setting_unusable&) {
    return {level::error, "setting_unusable", "can't start with this setting"};
}
about about_of(const reload_problem&) {
    return {level::error, "reload_problem", "wrong in the new configuration"};
}
about about_of(const reload_failed&) {
    return {level::error, "reload_failed",
            "the reload failed, what was loaded before stays in use"};
}
about about_of(const draining&) {
    return {level::info, "draining", "stopping: draining sessions"};
}
about about_of(const drained&) {
    return {level::info, "drained", "drained"};
}
about about_of(const drain_ended&) {
    return {level::warn, "drain_ended",
            "stopped by a second signal: what the drain still waited for was cut off"};
}
about about_of(const internal_error&) {
    return {level::error, "internal_error", "an internal error, please report it"};
}

// The server's reasons may name several hosts; what a client sends gets less room.
constexpr std::size_t longest_text = 1024;
constexpr std::size_t longest_from_client = 256;

field text(std::string_view key, const std::string& value, std::size_t longest = longest_text) {
    return {key, escaped(value, longest)};
}
template <typename Integer>
field number(std::string_view key, Integer value) {
    return {key, static_cast<std::int64_t>(value)};
}
using fields = std::vector<field>;

fields fields_of(const started& o) {
    return {text("version", o.version)};
}
fields fields_of(const listening& o) {
    return {text("address", o.address)};
}
fields fields_of(const ready& o) {
    return {text("epoch", o.epoch), number("head", o.head)};
}
fields fields_of(const schema_migrated& o) {
    return {number("from", o.from), number("to", o.to)};
}
fields fields_of(const postgres_connected& o) {
    return {text("purpose", o.purpose)};
}
fields fields_of(const postgres_lost& o) {
    return {text("purpose", o.purpose), text("reason", o.reason)};
}
fields fields_of(const postgres_unreachable& o) {
    return {text("purpose", o.purpose), text("reason", o.reason),
            number("retry_in_ms", o.retry_in.count())};
}
fields fields_of(const postgres_unusable& o) {
    return {text("purpose", o.purpose), text("reason", o.reason)};
}
fields fields_of(const epoch_changed& o) {
    return {text("from", o.from), text("to", o.to)};
}
fields fields_of(const canary_lost& o) {
    return {number("waited_ms", o.waited.count())};
}
fields fields_of(const progress_stored& o) {
    return {number("consumers", o.consumers)};
}
fields fields_of(const messages_removed& o) {
    return {number("rows", o.rows)};
}
fields fields_of(const page_read& o) {
    return {number("rows", o.rows), number("took_us", o.took.count())};
}
fields fields_of(const publish_batch& o) {
    return {number("rows", o.rows), number("refused", o.refused),
            number("took_us", o.took.count())};
}
fields fields_of(const publish_latency& o) {
    return {number("took_us", o.took.count())};
}
fields fields_of(const session_opened& o) {
    return {text("session", o.session), text("address", o.address)};
}
fields fields_of(const session_closed& o) {
    return {text("session", o.session), number("code", o.code),
            text("reason", o.reason, longest_from_client)};
}
fields fields_of(const session_refused& o) {
    return {text("address", o.address), number("status", o.status),
            text("reason", o.reason, longest_from_client)};
}
fields fields_of(const request_refused& o) {
    return {text("address", o.address), number("status", o.status)};
}
fields fields_of(const address_limited& o) {
    return {text("address", o.address), text("limit", o.limit)};
}
fields fields_of(const token_refused& o) {
    return {text("session", o.session), text("address", o.address), text("reason", o.reason)};
}
fields fields_of(const bad_frame& o) {
    return {text("session", o.session), text("code", o.code),
            text("reason", o.message, longest_from_client)};
}
fields fields_of(const accept_paused& o) {
    return {text("reason", o.reason), number("resume_in_ms", o.resume_in.count())};
}
fields fields_of(const tls_failed& o) {
    return {text("address", o.address), text("reason", o.reason, longest_from_client)};
}
fields fields_of(const reload_asked&) {
    return {};
}
fields fields_of(const reloaded& o) {
    return {text("changed", o.changed), text("need_restart", o.need_restart)};
}
fields fields_of(const token_keys_loaded& o) {
    return {text("source", o.source), number("keys", o.keys)};
}
fields fields_of(const token_keys_failed& o) {
    return {text("source", o.source), text("reason", o.reason)};
}
fields fields_of(const open_to_all& o) {
    return {text("address", o.address)};
}
fields fields_of(const certificate_loaded& o) {
    return {text("certificate", o.file), text("expires", timestamp(o.expires))};
}
fields fields_of(const setting_unusable& o) {
    return {text("key", o.key), text("reason", o.reason)};
}
fields fields_of(const reload_problem& o) {
    return {text("key", o.key), text("reason", o.reason)};
}
fields fields_of(const reload_failed& o) {
    return {number("problems", o.problems)};
}
fields fields_of(const draining& o) {
    return {text("reason", o.reason)};
}
fields fields_of(const drained& o) {
    return {number("sessions_cut", o.sessions_cut)};
}
fields fields_of(const drain_ended& o) {
    return {number("signal", o.signal)};
}
fields fields_of(const internal_error& o) {
    return {text("what", o.what)};
}

} // namespace

level level_of(const base::observation& what) {
    return std::visit([](const auto& one) { return about_of(one).level; }, what);
}

line line_of(const base::observation& what) {
    return std::visit(
        [](const auto& one) {
            const auto known = about_of(one);
            return line{known.level, known.event, known.message, fields_of(one)};
        },
        what);
}

} // namespace telemetry
