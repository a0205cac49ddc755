#include "telemetry/metrics.hpp"

#include "telemetry/counting.hpp"
#include "telemetry/metric_table.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <functional>

namespace telemetry {

namespace {

template <typename Value>
prometheus::MetricFamily family_of(metric_row row, Value value) {
    prometheus::ClientMetric one;
    const bool counts = row.type == "counter";
    (counts ? one.counter.value : one.gauge.value) = static_cast<double>(value);
    return {std::string(row.name),
            std::string(row.help),
            counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
            {one}};
}

/// A counter for each value of an enumeration, which is the label.
template <typename Enum, std::size_t N>
prometheus::MetricFamily by_name(metric_row row, const std::string& label,
                                 const std::array<std::uint64_t, N>& counts) {
    auto family = family_of(row, 0);
    family.metric.clear();
    for (std::size_t each = 0; each < N; ++each) {
        prometheus::ClientMetric one;
        one.counter.value = static_cast<double>(counts[each]);
        one.label.push_back({label, std::string(base::name_of(static_cast<Enum>(each)))});
        family.metric.push_back(std::move(one));
    }
    return family;
}

template <std::size_t N>
void add(std::array<std::uint64_t, N>& to, const std::array<std::uint64_t, N>& from) {
    std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<>());
}

base::shard_counts sum_of(std::span<const base::shard_counts> shards) {
    base::shard_counts sum;
    for (const auto& each : shards) {
        sum.sessions += each.sessions;
        sum.subscriptions += each.subscriptions;
        sum.channels += each.channels;
        sum.tail_bytes += each.tail_bytes;
        sum.sessions_total += each.sessions_total;
        sum.frames_in += each.frames_in;
        sum.bytes_in += each.bytes_in;
        sum.frames_out += each.frames_out;
        sum.bytes_out += each.bytes_out;
        sum.deliveries += each.deliveries;
        sum.fell_behind += each.fell_behind;
        sum.errors += each.errors;
        sum.acks += each.acks;
        sum.tokens += each.tokens;
        sum.denied += each.denied;
        sum.revoked += each.revoked;
        add(sum.resets, each.resets);
        add(sum.limited, each.limited);
    }
    return sum;
}

std::vector<prometheus::MetricFamily> families_of(const base::shard_counts& sum,
                                                  const base::tail_state& tail) {
    return {family_of(metric("pgherald_sessions"), sum.sessions),
            family_of(metric("pgherald_sessions_total"), sum.sessions_total),
            family_of(metric("pgherald_subscriptions"), sum.subscriptions),
            family_of(metric("pgherald_channels"), sum.channels),
            family_of(metric("pgherald_tail_bytes"), sum.tail_bytes),
            family_of(metric("pgherald_client_frames_total"), sum.frames_in),
            family_of(metric("pgherald_client_bytes_total"), sum.bytes_in),
            family_of(metric("pgherald_client_errors_total"), sum.errors),
            family_of(metric("pgherald_server_frames_total"), sum.frames_out),
            family_of(metric("pgherald_server_bytes_total"), sum.bytes_out),
            family_of(metric("pgherald_deliveries_total"), sum.deliveries),
            family_of(metric("pgherald_fell_behind_total"), sum.fell_behind),
            family_of(metric("pgherald_acks_total"), sum.acks),
            family_of(metric("pgherald_tokens_accepted_total"), sum.tokens),
            family_of(metric("pgherald_denied_total"), sum.denied),
            family_of(metric("pgherald_revoked_total"), sum.revoked),
            by_name<base::reset_reason>(metric("pgherald_resets_total"), "reason", sum.resets),
            by_name<base::limit>(metric("pgherald_limited_total"), "limit", sum.limited),
            family_of(metric("pgherald_replay_reads_total"), tail.replay_reads),
            family_of(metric("pgherald_listening"), tail.listening),
            family_of(metric("pgherald_caught_up"), tail.caught_up),
            family_of(metric("pgherald_position"), tail.position),
            family_of(metric("pgherald_head"), tail.head),
            family_of(metric("pgherald_lag_seconds"), tail.lag_seconds),
            family_of(metric("pgherald_notify_queue_usage"), tail.queue_usage),
            family_of(metric("pgherald_publish_queue"), tail.publish_queue)};
}

} // namespace

struct metrics::impl {
    explicit impl(std::string_view release)
        : version(release),
          counts(std::make_unique<counting>(registry)) {}

    std::string version;
    prometheus::Registry registry;
    std::unique_ptr<counting> counts;
};

metrics::metrics(std::string_view version) : impl_(std::make_unique<impl>(version)) {}

metrics::~metrics() = default;

void metrics::observe(const base::observation& what) {
    std::visit(*impl_->counts, what);
}

std::string metrics::render(std::span<const base::shard_counts> shards,
                            const base::tail_state& tail, std::uint64_t log_lines_dropped) const {
    auto families = families_of(sum_of(shards), tail);
    auto build = family_of(metric("pgherald_build_info"), 1);
    build.metric.front().label.push_back({"version", impl_->version});
    families.push_back(std::move(build));
    families.push_back(family_of(metric("pgherald_log_lines_dropped_total"), log_lines_dropped));
    for (auto& each : impl_->registry.Collect())
        families.push_back(std::move(each));
    // The library collects in no fixed order; a page that people read and compare has one.
    for (auto& each : families)
        std::sort(each.metric.begin(), each.metric.end(),
                  [](const auto& a, const auto& b) { return a.label < b.label; });
    std::sort(families.begin(), families.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return prometheus::TextSerializer().Serialize(families);
}

std::vector<metrics::description> metrics::descriptions() const {
    std::vector<description> all;
    for (const auto& row : metric_table)
        all.push_back({std::string(row.name), std::string(row.type), std::string(row.help)});
    return all;
}

} // namespace telemetry
