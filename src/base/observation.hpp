#pragma once

#include "base/limit.hpp"
#include "base/reset_reason.hpp"
#include "base/seq.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

/// Everything worth a log line or a metric, as one closed list. Log and metrics are two readers of
/// it; the code that works only calls observer::observe. Events of the hot path (one per frame or
/// delivery) are not here: shards count those themselves (app/shard.hpp).
namespace base {

namespace observed {

struct started {
    std::string version;
};
struct listening {
    std::string address;
};
struct ready {
    std::string epoch;
    seq head;
};
struct schema_migrated {
    int from;
    int to;
};
struct postgres_connected {
    std::string purpose;
};
/// `reason` is libpq's or the server's text; it never holds a password.
struct postgres_lost {
    std::string purpose;
    std::string reason;
};
struct postgres_unreachable {
    std::string purpose;
    std::string reason;
    std::chrono::milliseconds retry_in;
};
/// Postgres answers, but the daemon can't work with it (schema, permission, read-only).
struct postgres_unusable {
    std::string purpose;
    std::string reason;
};
struct epoch_changed {
    std::string from;
    std::string to;
};
/// A notification to ourselves did not come back: LISTEN is dead without saying so.
struct canary_lost {
    std::chrono::milliseconds waited;
};
struct progress_stored {
    std::size_t consumers;
};
/// By retention, in one sweep.
struct messages_removed {
    std::size_t rows;
};
struct page_read {
    std::size_t rows;
    std::chrono::microseconds took;
};
struct publish_batch {
    std::size_t rows;
    std::size_t refused;
    std::chrono::microseconds took;
};
/// From the frame's arrival to COMMIT.
struct publish_latency {
    std::chrono::microseconds took;
};
struct session_opened {
    std::string session;
    std::string address;
};
struct session_closed {
    std::string session;
    int code;
    std::string reason;
};
struct session_refused {
    std::string address;
    int status;
    std::string reason;
};
/// A request that can't be taken at all, by what answered it before anything of it was looked at.
struct request_refused {
    std::string address;
    int status;
};
/// An address has too many sessions or handshakes. One stands for all of a minute.
struct address_limited {
    std::string address;
    std::string limit; ///< the key to change
};
/// `session` empty: at the handshake. `reason` is a name of auth::token_error, or "role".
struct token_refused {
    std::string session;
    std::string address;
    std::string reason;
};
struct bad_frame {
    std::string session;
    std::string code;
    std::string message;
};
struct accept_paused {
    std::string reason;
    std::chrono::milliseconds resume_in;
};
/// A client's TLS handshake failed, or took too long.
struct tls_failed {
    std::string address;
    std::string reason;
};
struct reload_asked {};
/// All that changed is in use now, but for what only a start can change.
struct reloaded {
    std::string changed;      ///< names of keys, with commas; empty: none
    std::string need_restart; ///< those that stay as they were
};
/// Keys that tokens are verified with.
struct token_keys_loaded {
    std::string source; ///< the key of the configuration that names it
    std::size_t keys;
};
/// What was known before stays in use.
struct token_keys_failed {
    std::string source;
    std::string reason;
};
/// Whoever reaches the port may read and publish everything, because the configuration says so.
struct open_to_all {
    std::string address;
};
struct certificate_loaded {
    std::string file;
    std::chrono::sys_seconds expires;
};
/// A setting that reads well can't be worked with, so the daemon doesn't start.
struct setting_unusable {
    std::string key;
    std::string reason;
};
/// One thing that is wrong with what a reload has read.
struct reload_problem {
    std::string key; ///< with its place, as far as it has one
    std::string reason;
};
/// What was loaded before stays in use.
struct reload_failed {
    std::size_t problems;
};
struct draining {
    std::string reason;
};
struct drained {
    std::size_t sessions_cut;
};
struct drain_ended { ///< by a second signal
    int signal;
};
struct internal_error {
    std::string what;
};

} // namespace observed

using observation =
    std::variant<observed::started, observed::listening, observed::ready, observed::schema_migrated,
                 observed::postgres_connected, observed::postgres_lost,
                 observed::postgres_unreachable, observed::postgres_unusable,
                 observed::epoch_changed, observed::canary_lost, observed::progress_stored,
                 observed::messages_removed, observed::page_read, observed::publish_batch,
                 observed::publish_latency, observed::session_opened, observed::session_closed,
                 observed::session_refused, observed::request_refused, observed::address_limited,
                 observed::token_refused, observed::bad_frame, observed::accept_paused,
                 observed::tls_failed, observed::reload_asked, observed::reloaded,
                 observed::token_keys_loaded, observed::token_keys_failed, observed::open_to_all,
                 observed::certificate_loaded, observed::setting_unusable, observed::reload_problem,
                 observed::reload_failed, observed::draining, observed::drained,
                 observed::drain_ended, observed::internal_error>;

/// Owner: main. Thread: any (implementations lock or queue by themselves). Lifetime: the program's.
struct observer {
    virtual void observe(const observation& what) = 0;

protected:
    ~observer() = default;
};

/// What one shard counts by itself, copied out at scrape.
struct shard_counts {
    std::uint64_t sessions = 0;      ///< now
    std::uint64_t subscriptions = 0; ///< now
    std::uint64_t channels = 0;      ///< with a subscription, now
    std::uint64_t tail_bytes = 0;    ///< now
    std::uint64_t sessions_total = 0;
    std::uint64_t frames_in = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t frames_out = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t deliveries = 0;  ///< message frames given to sockets
    std::uint64_t fell_behind = 0; ///< a full outbox made a subscription stop taking
    std::uint64_t errors = 0;      ///< error frames sent
    std::uint64_t acks = 0;
    std::array<std::uint64_t, 3> resets{}; ///< by reset_reason
    std::uint64_t tokens = 0;              ///< accepted
    std::uint64_t denied = 0;              ///< frames answered with unauthorized or forbidden
    std::uint64_t revoked = 0;             ///< subscriptions ended because access to them did
    std::array<std::uint64_t, limit_count> limited{}; ///< times that a limit was met
};

/// What the Postgres side knows, copied out at scrape.
struct tail_state {
    base::seq position = 0; ///< handed on to the shards
    base::seq head = 0;     ///< highest seen
    bool listening = false;
    bool caught_up = false;
    double lag_seconds = 0;          ///< age of the oldest message not handed on yet
    double queue_usage = 0;          ///< pg_notification_queue_usage(), 0..1
    std::uint64_t publish_queue = 0; ///< frames waiting for the publisher
    std::uint64_t replay_reads = 0;  ///< pages read for sessions that were behind
};

} // namespace base
