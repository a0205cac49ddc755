#pragma once

#include "base/observation.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace telemetry {

/// Counters of one metric, one for each value that its label can take, all made at the start. A
/// value that isn't known counts as "other": clients must not be able to make time series.
class labelled_counter {
public:
    labelled_counter(prometheus::Family<prometheus::Counter>& family, const std::string& label,
                     std::vector<std::string> values);
    void count(std::string_view value);

private:
    std::vector<std::pair<std::string, prometheus::Counter*>> counters_;
    prometheus::Counter* other_;
};

/// What is known of the Postgres connections for one purpose. These events are rare: a lock is
/// fine.
class postgres_metrics {
public:
    explicit postgres_metrics(prometheus::Registry& registry);
    void connected(const std::string& purpose);
    void lost(const std::string& purpose);
    void unreachable(const std::string& purpose);
    void unusable(const std::string& purpose);

private:
    struct purpose_metrics {
        prometheus::Gauge* up;
        prometheus::Counter* reconnects;
        prometheus::Counter* failures;
        prometheus::Counter* unusable;
        unsigned lost = 0; ///< and not made again yet
    };
    purpose_metrics& of(const std::string& purpose);

    std::mutex mutex_;
    prometheus::Family<prometheus::Gauge>& up_;
    prometheus::Family<prometheus::Counter>& reconnects_;
    prometheus::Family<prometheus::Counter>& failures_;
    prometheus::Family<prometheus::Counter>& unusable_;
    std::map<std::string, purpose_metrics> purposes_;
};

/// Turns observations into counts. What comes often (pages, publishes) costs no look-up.
/// Owner: metrics. Thread: any. Lifetime: that of the registry.
class counting {
public:
    explicit counting(prometheus::Registry& registry);

    void operator()(const base::observed::postgres_connected& o) { postgres_.connected(o.purpose); }
    void operator()(const base::observed::postgres_lost& o) { postgres_.lost(o.purpose); }
    void operator()(const base::observed::postgres_unreachable& o) {
        postgres_.unreachable(o.purpose);
    }
    void operator()(const base::observed::postgres_unusable& o) { postgres_.unusable(o.purpose); }
    void operator()(const base::observed::epoch_changed&) { epoch_changes_.Increment(); }
    void operator()(const base::observed::canary_lost&) { canary_failures_.Increment(); }
    void operator()(const base::observed::progress_stored& o);
    void operator()(const base::observed::messages_removed& o);
    void operator()(const base::observed::page_read& o);
    void operator()(const base::observed::publish_batch& o);
    void operator()(const base::observed::publish_latency& o);
    void operator()(const base::observed::session_closed& o);
    void operator()(const base::observed::session_refused& o) { count_refused(o.status); }
    void operator()(const base::observed::request_refused& o) { count_refused(o.status); }
    void operator()(const base::observed::token_refused& o) { tokens_refused_.count(o.reason); }
    void operator()(const base::observed::token_keys_loaded& o);
    void operator()(const base::observed::token_keys_failed&) { token_key_failures_.Increment(); }
    void operator()(const base::observed::bad_frame& o) { bad_frames_.count(o.code); }
    void operator()(const base::observed::accept_paused&) { accept_paused_.Increment(); }
    void operator()(const base::observed::tls_failed&) { tls_failures_.Increment(); }
    void operator()(const base::observed::reload_asked&) { reloads_.Increment(); }
    void operator()(const base::observed::certificate_loaded& o);
    void operator()(const base::observed::reload_failed&) { reload_failures_.Increment(); }
    void operator()(const base::observed::internal_error&) { internal_errors_.Increment(); }
    // Steps of the daemon's own life: a log line, nothing to count.
    void operator()(const base::observed::started&) {}
    void operator()(const base::observed::listening&) {}
    void operator()(const base::observed::ready&) {}
    void operator()(const base::observed::schema_migrated&) {}
    void operator()(const base::observed::setting_unusable&) {}
    void operator()(const base::observed::reloaded&) {}
    void operator()(const base::observed::reload_problem&) {}
    void operator()(const base::observed::open_to_all&) {}
    void operator()(const base::observed::draining&) {}
    void operator()(const base::observed::drained&) {}
    void operator()(const base::observed::drain_ended&) {}
    // Shards count sessions by themselves, and every time that a limit was met.
    void operator()(const base::observed::session_opened&) {}
    void operator()(const base::observed::address_limited&) {}

private:
    void count_refused(int status);

    postgres_metrics postgres_;
    labelled_counter closed_;
    labelled_counter refused_;
    labelled_counter bad_frames_;
    labelled_counter tokens_refused_;
    std::map<std::string, prometheus::Gauge*> token_keys_;
    prometheus::Counter& token_key_failures_;
    prometheus::Counter& messages_read_;
    prometheus::Counter& published_;
    prometheus::Counter& publish_refused_;
    prometheus::Counter& epoch_changes_;
    prometheus::Counter& canary_failures_;
    prometheus::Counter& progress_stored_;
    prometheus::Counter& messages_removed_;
    prometheus::Counter& accept_paused_;
    prometheus::Counter& tls_failures_;
    prometheus::Counter& reloads_;
    prometheus::Counter& reload_failures_;
    prometheus::Gauge& certificate_expiry_;
    prometheus::Counter& internal_errors_;
    prometheus::Histogram& page_read_;
    prometheus::Histogram& publish_latency_;
    prometheus::Histogram& batch_rows_;
    prometheus::Histogram& batch_seconds_;
};

} // namespace telemetry
