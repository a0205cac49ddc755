#pragma once

#include <array>
#include <stdexcept>
#include <string_view>

/// Name, type and meaning of every metric. Kept in one table so that what is rendered, described
/// and documented can't part.
namespace telemetry {

struct metric_row {
    std::string_view name;
    std::string_view type;
    std::string_view help;
};

inline constexpr std::array metric_table{
    metric_row{"pgherald_build_info", "gauge", "Always 1; the version is a label."},
    metric_row{"pgherald_sessions", "gauge", "Sessions open now."},
    metric_row{"pgherald_sessions_total", "counter", "Sessions opened."},
    metric_row{"pgherald_sessions_refused_total", "counter",
               "Clients refused before they had a session, by HTTP status."},
    metric_row{"pgherald_closed_total", "counter", "Sessions ended, by WebSocket close code."},
    metric_row{"pgherald_accept_paused_total", "counter",
               "Times that accepting was paused, e.g. for want of file descriptors."},
    metric_row{"pgherald_subscriptions", "gauge", "Subscriptions now."},
    metric_row{"pgherald_channels", "gauge",
               "Channels with a subscription now, counted once a shard."},
    metric_row{"pgherald_tail_bytes", "gauge", "Memory that recent messages take."},
    metric_row{"pgherald_client_frames_total", "counter", "Frames from clients."},
    metric_row{"pgherald_client_bytes_total", "counter", "Bytes of frames from clients."},
    metric_row{"pgherald_client_errors_total", "counter", "Error frames sent to clients."},
    metric_row{"pgherald_bad_frames_total", "counter",
               "Frames from clients answered with an error, by error code."},
    metric_row{"pgherald_limited_total", "counter", "Times that a limit was met, by limit."},
    metric_row{"pgherald_tokens_accepted_total", "counter", "Tokens that were found valid."},
    metric_row{"pgherald_tokens_refused_total", "counter", "Tokens that were not, by reason."},
    metric_row{"pgherald_token_keys", "gauge", "Keys that tokens are verified with, by source."},
    metric_row{"pgherald_token_key_failures_total", "counter",
               "Times that keys for tokens could not be read."},
    metric_row{"pgherald_denied_total", "counter",
               "Frames answered with unauthorized or forbidden."},
    metric_row{"pgherald_revoked_total", "counter",
               "Subscriptions ended because a new token or new rules no longer allow them."},
    metric_row{"pgherald_server_frames_total", "counter", "Frames to clients."},
    metric_row{"pgherald_server_bytes_total", "counter", "Bytes of frames to clients."},
    metric_row{"pgherald_deliveries_total", "counter", "Messages given to sockets."},
    metric_row{
        "pgherald_fell_behind_total", "counter",
        "Times that a full outbox or a full window left a subscription to read from the log."},
    metric_row{"pgherald_replay_reads_total", "counter",
               "Pages read from the log for subscriptions that were behind the memory, and for "
               "history."},
    metric_row{"pgherald_resets_total", "counter",
               "Subscriptions whose cursor could not be honoured, by reason."},
    metric_row{"pgherald_acks_total", "counter", "Acknowledgements taken."},
    metric_row{"pgherald_progress_stored_total", "counter",
               "Times that a consumer's progress was written to Postgres."},
    metric_row{"pgherald_messages_removed_total", "counter",
               "Messages removed by this instance because of messages.retention."},
    metric_row{"pgherald_messages_read_total", "counter", "Rows read from the log."},
    metric_row{"pgherald_page_read_seconds", "histogram", "Time to read a page of messages."},
    metric_row{"pgherald_published_total", "counter", "Messages of clients that Postgres took."},
    metric_row{"pgherald_publish_refused_total", "counter",
               "Messages of clients that Postgres refused."},
    metric_row{"pgherald_publish_queue", "gauge", "Publish frames that wait for Postgres."},
    metric_row{"pgherald_publish_latency_seconds", "histogram",
               "Time from a publish frame to its COMMIT."},
    metric_row{"pgherald_publish_batch_rows", "histogram", "Messages in one publish statement."},
    metric_row{"pgherald_publish_batch_seconds", "histogram", "Time of one publish statement."},
    metric_row{"pgherald_postgres_up", "gauge",
               "1 when the last thing known of connections for this purpose is that one was made, "
               "0 when one was lost or refused."},
    metric_row{"pgherald_postgres_reconnects_total", "counter",
               "Connections made again after one was lost, by purpose."},
    metric_row{"pgherald_postgres_failures_total", "counter",
               "Connections lost and attempts that failed, by purpose."},
    metric_row{"pgherald_postgres_unusable_total", "counter",
               "Times that Postgres answered but could not be worked with (schema, rights), by "
               "purpose."},
    metric_row{"pgherald_listening", "gauge", "1 while LISTEN is known to work."},
    metric_row{"pgherald_caught_up", "gauge",
               "1 while what is committed is handed on within two seconds."},
    metric_row{"pgherald_position", "gauge", "Highest seq handed on to subscriptions."},
    metric_row{"pgherald_head", "gauge", "Highest seq seen."},
    metric_row{"pgherald_lag_seconds", "gauge",
               "How long a message may have waited to be handed on."},
    metric_row{"pgherald_notify_queue_usage", "gauge",
               "How full the server's notification queue is, 0 to 1; at 1 writers fail."},
    metric_row{"pgherald_canary_failures_total", "counter",
               "Times that LISTEN was found dead without having said so."},
    metric_row{"pgherald_epoch_changes_total", "counter",
               "Times that the log was found to be another one: emptied, replaced, or on another "
               "timeline after a failover."},
    metric_row{"pgherald_tls_failures_total", "counter",
               "TLS handshakes that failed or took too long."},
    metric_row{"pgherald_certificate_expiry_seconds", "gauge",
               "When the TLS certificate in use expires, in seconds since 1970; 0 without TLS."},
    metric_row{"pgherald_reload_asked_total", "counter", "Reloads asked for by a signal."},
    metric_row{"pgherald_reload_failures_total", "counter",
               "Reloads that left what was loaded before in use."},
    metric_row{"pgherald_internal_errors_total", "counter", "Defects met; each has a log line."},
    metric_row{"pgherald_log_lines_dropped_total", "counter",
               "Log lines lost because stderr was read too slowly."},
};

/// The row of that name; a name that isn't in the table doesn't compile.
consteval metric_row metric(std::string_view name) {
    for (const auto& row : metric_table)
        if (row.name == name)
            return row;
    throw std::logic_error("no such metric");
}

} // namespace telemetry
