#include "telemetry/metrics.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

namespace {

using namespace base::observed;
using telemetry::metrics;
using namespace std::chrono_literals;

std::string render(const metrics& from) {
    return from.render({}, {});
}

/// The value of `series`, e.g. `pgherald_up{purpose="x"}`, as text; empty: no such line.
std::string value_of(const std::string& page, const std::string& series) {
    const auto at = ("\n" + page).find("\n" + series + ' ');
    if (at == std::string::npos)
        return {};
    const auto from = at + series.size() + 1;
    return page.substr(from, page.find('\n', from) - from);
}

/// Everything that can be observed, so that every series is there.
void observe_all(metrics& to) {
    to.observe(postgres_connected{"listen"});
    to.observe(page_read{10, 2ms});
    to.observe(publish_batch{3, 1, 4ms});
    to.observe(publish_latency{5ms});
    to.observe(session_closed{"s", 1001, ""});
    to.observe(started{"1"});
    to.observe(drained{0});
}

TEST(metrics, sums_the_shards) {
    const metrics made("1");
    std::array<base::shard_counts, 2> shards;
    for (std::uint64_t factor = 1; auto& each : shards) {
        each = {1 * factor, 2 * factor, 3 * factor, 4 * factor,  5 * factor,  6 * factor,
                7 * factor, 8 * factor, 9 * factor, 10 * factor, 11 * factor, 12 * factor};
        factor = 100;
    }
    const auto page = made.render(shards, {}, 5);
    const std::map<std::string, std::string> expected{
        {"pgherald_sessions", "101"},
        {"pgherald_subscriptions", "202"},
        {"pgherald_channels", "303"},
        {"pgherald_tail_bytes", "404"},
        {"pgherald_sessions_total", "505"},
        {"pgherald_client_frames_total", "606"},
        {"pgherald_client_bytes_total", "707"},
        {"pgherald_server_frames_total", "808"},
        {"pgherald_server_bytes_total", "909"},
        {"pgherald_deliveries_total", "1010"},
        {"pgherald_fell_behind_total", "1111"},
        {"pgherald_client_errors_total", "1212"},
        {"pgherald_log_lines_dropped_total", "5"},
    };
    for (const auto& [name, value] : expected)
        EXPECT_EQ(value_of(page, name), value) << name;
}

TEST(metrics, shows_the_tail_state) {
    const metrics made("0.1.0");
    const auto page = made.render({}, {.position = 9'007'199'254'740'991,
                                       .head = 132,
                                       .listening = true,
                                       .caught_up = false,
                                       .lag_seconds = 1.5,
                                       .queue_usage = 0.25,
                                       .publish_queue = 7});
    EXPECT_EQ(value_of(page, "pgherald_position"), "9007199254740991");
    EXPECT_EQ(value_of(page, "pgherald_head"), "132");
    EXPECT_EQ(value_of(page, "pgherald_listening"), "1");
    EXPECT_EQ(value_of(page, "pgherald_caught_up"), "0");
    EXPECT_EQ(value_of(page, "pgherald_lag_seconds"), "1.5");
    EXPECT_EQ(value_of(page, "pgherald_notify_queue_usage"), "0.25");
    EXPECT_EQ(value_of(page, "pgherald_publish_queue"), "7");
    EXPECT_EQ(value_of(page, "pgherald_build_info{version=\"0.1.0\"}"), "1");
}

TEST(metrics, counts_pages_and_publishes) {
    metrics made("1");
    made.observe(page_read{10, 2ms});
    made.observe(page_read{5, 3s});
    made.observe(publish_batch{3, 0, 4ms});
    made.observe(publish_batch{0, 1, 1ms});
    made.observe(publish_latency{500us});
    made.observe(publish_latency{501us});
    made.observe(publish_latency{11s});
    const auto page = render(made);
    EXPECT_EQ(value_of(page, "pgherald_messages_read_total"), "15");
    EXPECT_EQ(value_of(page, "pgherald_page_read_seconds_count"), "2");
    EXPECT_EQ(value_of(page, "pgherald_page_read_seconds_bucket{le=\"0.0025\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_published_total"), "3");
    EXPECT_EQ(value_of(page, "pgherald_publish_refused_total"), "1");
    EXPECT_EQ(value_of(page, "pgherald_publish_batch_rows_sum"), "4");
    EXPECT_EQ(value_of(page, "pgherald_publish_latency_seconds_bucket{le=\"0.0005\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_publish_latency_seconds_bucket{le=\"0.001\"}"), "2");
    EXPECT_EQ(value_of(page, "pgherald_publish_latency_seconds_bucket{le=\"10\"}"), "2");
    EXPECT_EQ(value_of(page, "pgherald_publish_latency_seconds_bucket{le=\"+Inf\"}"), "3");
}

TEST(metrics, counts_what_befalls_sessions) {
    metrics made("1");
    made.observe(session_closed{"s", 4429, ""});
    made.observe(session_closed{"s", 4711, "chosen by the client"});
    made.observe(session_refused{"a", 403, ""});
    made.observe(session_refused{"a", 418, ""});
    made.observe(request_refused{"a", 501});
    made.observe(bad_frame{"s", "malformed", ""});
    made.observe(bad_frame{"s", "made up", ""});
    made.observe(token_refused{"s", "a", "expired"});
    made.observe(token_refused{"s", "a", "made up"});
    made.observe(token_keys_loaded{"auth.jwks_url", 3});
    made.observe(token_keys_loaded{"made up", 3});
    made.observe(token_keys_failed{"auth.jwks_url", ""});
    made.observe(accept_paused{"", 0ms});
    made.observe(tls_failed{"a", ""});
    made.observe(reload_asked{});
    made.observe(reload_failed{2});
    made.observe(certificate_loaded{"c.pem", std::chrono::sys_seconds(1'800'000'000s)});
    made.observe(internal_error{""});
    made.observe(epoch_changed{"a", "b"});
    const auto page = render(made);
    EXPECT_EQ(value_of(page, "pgherald_closed_total{code=\"4429\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_closed_total{code=\"1000\"}"), "0");
    EXPECT_EQ(value_of(page, "pgherald_closed_total{code=\"other\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_sessions_refused_total{status=\"403\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_sessions_refused_total{status=\"other\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_sessions_refused_total{status=\"501\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_bad_frames_total{code=\"malformed\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_bad_frames_total{code=\"internal\"}"), "0");
    EXPECT_EQ(value_of(page, "pgherald_bad_frames_total{code=\"other\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_tokens_refused_total{reason=\"expired\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_tokens_refused_total{reason=\"other\"}"), "1");
    EXPECT_EQ(value_of(page, "pgherald_token_keys{source=\"auth.jwks_url\"}"), "3");
    EXPECT_EQ(value_of(page, "pgherald_token_keys{source=\"auth\"}"), "0");
    EXPECT_EQ(value_of(page, "pgherald_certificate_expiry_seconds"), "1800000000");
    for (const auto* name : {"accept_paused", "tls_failures", "reload_asked", "reload_failures",
                             "internal_errors", "epoch_changes", "token_key_failures"})
        EXPECT_EQ(value_of(page, "pgherald_" + std::string(name) + "_total"), "1") << name;
}

TEST(metrics, postgres_connections_by_purpose) {
    metrics made("1");
    const auto up = [&made] {
        return value_of(render(made), "pgherald_postgres_up{purpose=\"listen\"}");
    };
    const auto total = [&made](const std::string& what) {
        return value_of(render(made), "pgherald_postgres_" + what + "_total{purpose=\"listen\"}");
    };
    EXPECT_EQ(up(), "");
    made.observe(postgres_unreachable{"listen", "", 0ms});
    EXPECT_EQ(up(), "0");
    made.observe(postgres_connected{"listen"});
    EXPECT_EQ(up(), "1");
    EXPECT_EQ(total("reconnects"), "0"); // the first one is none
    made.observe(postgres_lost{"listen", ""});
    EXPECT_EQ(up(), "0");
    made.observe(postgres_unreachable{"listen", "", 0ms});
    made.observe(postgres_connected{"listen"});
    made.observe(postgres_connected{"listen"}); // a second connection of that purpose
    EXPECT_EQ(up(), "1");
    EXPECT_EQ(total("reconnects"), "1");
    EXPECT_EQ(total("failures"), "3");
    made.observe(postgres_unusable{"listen", ""});
    EXPECT_EQ(total("unusable"), "1");
    EXPECT_EQ(up(), "1");
}

TEST(metrics, labels_are_bounded) {
    metrics made("1");
    for (int i = 0; i < 1000; ++i) {
        const auto text = std::to_string(i * 7);
        made.observe(postgres_connected{text});
        made.observe(session_closed{"s", i, text});
        made.observe(session_refused{"a", i, text});
        made.observe(bad_frame{"s", text, text});
    }
    const auto page = render(made);
    EXPECT_LT(std::count(page.begin(), page.end(), '\n'), 400);
    EXPECT_EQ(value_of(page, "pgherald_postgres_up{purpose=\"other\"}"), "1");
}

// The format's own rules, line by line: one HELP and TYPE before a metric's samples, each metric in
// one block, known types, samples of the right names, numbers as values.
TEST(metrics, the_page_is_valid_prometheus_text) {
    metrics made("1 \"quoted\" \\ \n");
    observe_all(made);
    const auto page = render(made);
    ASSERT_EQ(page.back(), '\n');
    const std::regex help(R"(# HELP ([a-z_]+) [^\n]+)");
    const std::regex type(R"(# TYPE ([a-z_]+) (counter|gauge|histogram))");
    const std::regex sample(
        R"re(([a-z_]+)(\{([a-z]+="([^"\\]|\\["\\n])*",?)+\})? (-?[0-9.]+(e[+-]?[0-9]+)?|\+Inf))re");
    std::set<std::string> helped;
    std::set<std::string> typed;
    std::set<std::string> series;
    std::string name;
    std::string kind;
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, help)) {
            EXPECT_TRUE(helped.insert(parts[1]).second) << line;
        } else if (std::regex_match(line, parts, type)) {
            name = parts[1];
            kind = parts[2];
            EXPECT_TRUE(typed.insert(name).second) << line;
            EXPECT_TRUE(helped.contains(name)) << line;
            EXPECT_EQ(kind == "counter", name.ends_with("_total")) << line;
        } else {
            ASSERT_TRUE(std::regex_match(line, parts, sample)) << line;
            const std::string part =
                parts[1].str().substr(std::min(name.size(), parts[1].str().size()));
            EXPECT_EQ(parts[1].str().substr(0, name.size()), name) << line;
            if (kind == "histogram")
                EXPECT_TRUE(part == "_bucket" || part == "_sum" || part == "_count") << line;
            else
                EXPECT_EQ(part, "") << line;
            EXPECT_TRUE(series.insert(parts[1].str() + parts[2].str()).second) << line;
        }
    }
    EXPECT_EQ(helped, typed);
}

TEST(metrics, what_is_rendered_described_and_documented_is_the_same) {
    metrics made("1");
    observe_all(made);
    const auto page = render(made);
    std::ifstream file(std::string(PGHERALD_SOURCE_DIR) + "/docs/metrics.md");
    ASSERT_TRUE(file);
    std::ostringstream document;
    document << file.rdbuf();

    std::set<std::string> described;
    for (const auto& each : made.descriptions()) {
        EXPECT_TRUE(described.insert(each.name).second) << each.name;
        EXPECT_NE(page.find("# TYPE " + each.name + ' ' + each.type + '\n'), std::string::npos)
            << each.name;
        EXPECT_NE(page.find("# HELP " + each.name + ' ' + each.help + '\n'), std::string::npos)
            << each.name;
        EXPECT_NE(document.str().find("| `" + each.name + "` | " + each.type + " | "),
                  std::string::npos)
            << each.name;
    }
    const auto names_in = [](const std::string& text, const std::regex& pattern) {
        std::set<std::string> names;
        for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
            names.insert((*at)[1]);
        return names;
    };
    EXPECT_EQ(names_in(page, std::regex("# TYPE ([a-z_]+)")), described);
    for (auto name : names_in(document.str(), std::regex("(pgherald_[a-z_]+)"))) {
        if (described.contains(name))
            continue;
        name = std::regex_replace(name, std::regex("_(bucket|sum|count)$"), "");
        EXPECT_TRUE(described.contains(name)) << name;
    }
}

TEST(metrics, can_be_observed_while_it_is_rendered) {
    metrics made("1");
    constexpr int each = 5000;
    const auto work = [&made] {
        for (int i = 0; i < each; ++i) {
            made.observe(publish_latency{1ms});
            made.observe(postgres_connected{std::to_string(i % 20)});
        }
    };
    std::thread first(work);
    std::thread second(work);
    for (int i = 0; i < 20; ++i)
        render(made);
    first.join();
    second.join();
    EXPECT_EQ(value_of(render(made), "pgherald_publish_latency_seconds_count"),
              std::to_string(2 * each));
}

} // namespace
