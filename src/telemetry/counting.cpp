#include "telemetry/counting.hpp"

#include "base/error.hpp"
#include "telemetry/metric_table.hpp"

#include <algorithm>

namespace telemetry {

namespace {

// The daemon has a handful of purposes; a mistake there must not grow the registry without end.
constexpr std::size_t most_purposes = 16;

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, metric_row row) {
    return prometheus::BuildCounter()
        .Name(std::string(row.name))
        .Help(std::string(row.help))
        .Register(registry);
}

prometheus::Counter& counter(prometheus::Registry& registry, metric_row row) {
    return counters(registry, row).Add({});
}

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, metric_row row) {
    return prometheus::BuildGauge()
        .Name(std::string(row.name))
        .Help(std::string(row.help))
        .Register(registry);
}

prometheus::Histogram& histogram(prometheus::Registry& registry, metric_row row,
                                 const std::vector<double>& bounds) {
    return prometheus::BuildHistogram()
        .Name(std::string(row.name))
        .Help(std::string(row.help))
        .Register(registry)
        .Add({}, bounds);
}

// Half a millisecond is a COMMIT on a fast disk, ten seconds is when people have given up.
const std::vector<double> seconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                  0.1,    0.25,  0.5,    1,     2.5,  5,     10};
const std::vector<double> rows{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000};

// RFC 6455's codes, the protocol's own, and 1005/1006 for a socket that ended without one.
std::vector<std::string> close_codes() {
    return {"1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010",
            "1011", "1012", "1013", "1014", "1015", "4400", "4401", "4403", "4429"};
}

std::vector<std::string> refusals() {
    return {"400", "401", "403", "404", "405", "408", "413", "426", "429", "431", "501", "503"};
}

std::vector<std::string> error_codes() {
    std::vector<std::string> names;
    for (int code = 0; code <= static_cast<int>(base::errc::internal); ++code)
        names.emplace_back(base::name_of(static_cast<base::errc>(code)));
    return names;
}

// Those of auth::token_error, and what the daemon adds to them.
std::vector<std::string> token_refusals() {
    return {"too_large", "malformed", "algorithm", "unknown_key", "signature",
            "expired",   "not_yet",   "issuer",    "audience"};
}

/// By the setting that names them; "auth": those that stand there themselves.
std::map<std::string, prometheus::Gauge*> token_key_gauges(prometheus::Registry& registry) {
    auto& family = gauges(registry, metric("pgherald_token_keys"));
    std::map<std::string, prometheus::Gauge*> made;
    for (const auto* source : {"auth", "auth.jwks_file", "auth.jwks_url"})
        made.emplace(source, &family.Add({{"source", source}}));
    return made;
}

double in_seconds(std::chrono::microseconds took) {
    return std::chrono::duration<double>(took).count();
}

} // namespace

labelled_counter::labelled_counter(prometheus::Family<prometheus::Counter>& family,
                                   const std::string& label, std::vector<std::string> values)
    : other_(&family.Add({{label, "other"}})) {
    for (auto& value : values) {
        auto* made = &family.Add({{label, value}});
        counters_.emplace_back(std::move(value), made);
    }
}

void labelled_counter::count(std::string_view value) {
    const auto found = std::find_if(counters_.begin(), counters_.end(),
                                    [value](const auto& each) { return each.first == value; });
    (found == counters_.end() ? other_ : found->second)->Increment();
}

postgres_metrics::postgres_metrics(prometheus::Registry& registry)
    : up_(gauges(registry, metric("pgherald_postgres_up"))),
      reconnects_(counters(registry, metric("pgherald_postgres_reconnects_total"))),
      failures_(counters(registry, metric("pgherald_postgres_failures_total"))),
      unusable_(counters(registry, metric("pgherald_postgres_unusable_total"))) {}

postgres_metrics::purpose_metrics& postgres_metrics::of(const std::string& purpose) {
    const auto known = purposes_.find(purpose);
    if (known != purposes_.end())
        return known->second;
    if (purposes_.size() >= most_purposes && purpose != "other")
        return of("other");
    const prometheus::Labels labels{{"purpose", purpose}};
    return purposes_
        .emplace(purpose, purpose_metrics{&up_.Add(labels), &reconnects_.Add(labels),
                                          &failures_.Add(labels), &unusable_.Add(labels)})
        .first->second;
}

void postgres_metrics::connected(const std::string& purpose) {
    const std::lock_guard guard(mutex_);
    auto& known = of(purpose);
    known.up->Set(1);
    if (known.lost > 0) {
        --known.lost;
        known.reconnects->Increment();
    }
}

void postgres_metrics::lost(const std::string& purpose) {
    const std::lock_guard guard(mutex_);
    auto& known = of(purpose);
    known.up->Set(0);
    known.failures->Increment();
    ++known.lost;
}

void postgres_metrics::unusable(const std::string& purpose) {
    // The connection stands and nothing tells when the schema is mended, so `up` stays as it is.
    const std::lock_guard guard(mutex_);
    of(purpose).unusable->Increment();
}

void postgres_metrics::unreachable(const std::string& purpose) {
    const std::lock_guard guard(mutex_);
    auto& known = of(purpose);
    known.up->Set(0);
    known.failures->Increment();
}

counting::counting(prometheus::Registry& registry)
    : postgres_(registry),
      closed_(counters(registry, metric("pgherald_closed_total")), "code", close_codes()),
      refused_(counters(registry, metric("pgherald_sessions_refused_total")), "status", refusals()),
      bad_frames_(counters(registry, metric("pgherald_bad_frames_total")), "code", error_codes()),
      tokens_refused_(counters(registry, metric("pgherald_tokens_refused_total")), "reason",
                      token_refusals()),
      token_keys_(token_key_gauges(registry)),
      token_key_failures_(counter(registry, metric("pgherald_token_key_failures_total"))),
      messages_read_(counter(registry, metric("pgherald_messages_read_total"))),
      published_(counter(registry, metric("pgherald_published_total"))),
      publish_refused_(counter(registry, metric("pgherald_publish_refused_total"))),
      epoch_changes_(counter(registry, metric("pgherald_epoch_changes_total"))),
      canary_failures_(counter(registry, metric("pgherald_canary_failures_total"))),
      progress_stored_(counter(registry, metric("pgherald_progress_stored_total"))),
      messages_removed_(counter(registry, metric("pgherald_messages_removed_total"))),
      accept_paused_(counter(registry, metric("pgherald_accept_paused_total"))),
      tls_failures_(counter(registry, metric("pgherald_tls_failures_total"))),
      reloads_(counter(registry, metric("pgherald_reload_asked_total"))),
      reload_failures_(counter(registry, metric("pgherald_reload_failures_total"))),
      certificate_expiry_(gauges(registry, metric("pgherald_certificate_expiry_seconds")).Add({})),
      internal_errors_(counter(registry, metric("pgherald_internal_errors_total"))),
      page_read_(histogram(registry, metric("pgherald_page_read_seconds"), seconds)),
      publish_latency_(histogram(registry, metric("pgherald_publish_latency_seconds"), seconds)),
      batch_rows_(histogram(registry, metric("pgherald_publish_batch_rows"), rows)),
      batch_seconds_(histogram(registry, metric("pgherald_publish_batch_seconds"), seconds)) {}

void counting::operator()(const base::observed::progress_stored& o) {
    progress_stored_.Increment(static_cast<double>(o.consumers));
}

void counting::operator()(const base::observed::messages_removed& o) {
    messages_removed_.Increment(static_cast<double>(o.rows));
}

void counting::operator()(const base::observed::page_read& o) {
    messages_read_.Increment(static_cast<double>(o.rows));
    page_read_.Observe(in_seconds(o.took));
}

void counting::operator()(const base::observed::publish_batch& o) {
    published_.Increment(static_cast<double>(o.rows));
    publish_refused_.Increment(static_cast<double>(o.refused));
    batch_rows_.Observe(static_cast<double>(o.rows + o.refused));
    batch_seconds_.Observe(in_seconds(o.took));
}

void counting::operator()(const base::observed::publish_latency& o) {
    publish_latency_.Observe(in_seconds(o.took));
}

void counting::operator()(const base::observed::certificate_loaded& o) {
    certificate_expiry_.Set(static_cast<double>(o.expires.time_since_epoch().count()));
}

void counting::operator()(const base::observed::token_keys_loaded& o) {
    const auto found = token_keys_.find(o.source);
    if (found != token_keys_.end())
        found->second->Set(static_cast<double>(o.keys));
}

void counting::operator()(const base::observed::session_closed& o) {
    closed_.count(std::to_string(o.code));
}

void counting::count_refused(int status) {
    refused_.count(std::to_string(status));
}

} // namespace telemetry
