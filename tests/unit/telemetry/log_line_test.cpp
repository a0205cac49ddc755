#include "telemetry/log_line.hpp"

#include <gtest/gtest.h>

#include <set>

namespace {

using namespace base::observed;
using telemetry::level;

// 2026-11-22T12:00:00.123Z
const telemetry::wall_time noon{std::chrono::milliseconds(1'795'348'800'123)};

std::string text_of(const base::observation& what) {
    return telemetry::as_text(telemetry::line_of(what), noon);
}
std::string json_of(const base::observation& what) {
    return telemetry::as_json(telemetry::line_of(what), noon);
}

/// One of each kind, in the variant's order.
std::vector<base::observation> one_of_each() {
    return {started{"1.2.3"},
            listening{"127.0.0.1:8080"},
            ready{"5f0c", 131},
            schema_migrated{1, 2},
            postgres_connected{"listen"},
            postgres_lost{"listen", "server closed"},
            postgres_unreachable{"listen", "refused", std::chrono::milliseconds(250)},
            postgres_unusable{"tail", "no schema"},
            epoch_changed{"a", "b"},
            canary_lost{std::chrono::milliseconds(5000)},
            progress_stored{3},
            messages_removed{1000},
            page_read{10, std::chrono::microseconds(1500)},
            publish_batch{3, 1, std::chrono::microseconds(900)},
            publish_latency{std::chrono::microseconds(1100)},
            session_opened{"s1", "192.0.2.1"},
            session_closed{"s1", 1001, "bye"},
            session_refused{"192.0.2.1", 403, "origin"},
            request_refused{"192.0.2.1", 431},
            address_limited{"192.0.2.1", "address_sessions"},
            token_refused{"s1", "192.0.2.1", "expired"},
            bad_frame{"s1", "malformed", "not JSON"},
            accept_paused{"too many files", std::chrono::milliseconds(100)},
            tls_failed{"192.0.2.1", "http request"},
            reload_asked{},
            reloaded{"auth.secret", "server.threads"},
            token_keys_loaded{"auth.jwks_url", 2},
            token_keys_failed{"auth.jwks_url", "refused"},
            open_to_all{"0.0.0.0:8080"},
            certificate_loaded{"/etc/cert.pem", std::chrono::sys_seconds{}},
            setting_unusable{"tls.key", "is not the certificate's"},
            reload_problem{"tls.key", "is not the certificate's"},
            reload_failed{1},
            draining{"SIGTERM"},
            drained{4},
            drain_ended{15},
            internal_error{"a defect"}};
}

TEST(log_line, every_observation_has_an_event_name_of_its_own) {
    const auto all = one_of_each();
    ASSERT_EQ(all.size(), std::variant_size_v<base::observation>);
    std::set<std::string_view> events;
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i].index(), i);
        const auto line = telemetry::line_of(all[i]);
        EXPECT_TRUE(events.insert(line.event).second) << line.event;
        EXPECT_EQ(line.event.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), line.event.npos);
        EXPECT_FALSE(line.message.empty());
        EXPECT_EQ(line.level, telemetry::level_of(all[i]));
        std::set<std::string_view> keys{"time", "level", "event", "message"};
        for (const auto& field : line.fields)
            EXPECT_TRUE(keys.insert(field.key).second) << line.event << '.' << field.key;
    }
}

TEST(log_line, levels_keep_floods_out_of_the_default) {
    EXPECT_EQ(telemetry::level_of(page_read{}), level::trace);
    EXPECT_EQ(telemetry::level_of(publish_batch{}), level::trace);
    EXPECT_EQ(telemetry::level_of(publish_latency{}), level::trace);
    EXPECT_EQ(telemetry::level_of(session_opened{}), level::debug);
    EXPECT_EQ(telemetry::level_of(session_closed{}), level::debug);
    EXPECT_EQ(telemetry::level_of(bad_frame{}), level::debug);
    EXPECT_EQ(telemetry::level_of(tls_failed{}), level::debug);
    EXPECT_EQ(telemetry::level_of(token_refused{}), level::debug);
    EXPECT_EQ(telemetry::level_of(session_refused{"a", 403, ""}), level::info);
    EXPECT_EQ(telemetry::level_of(session_refused{"a", 401, ""}), level::info);
    EXPECT_EQ(telemetry::level_of(session_refused{"a", 426, ""}), level::debug);
    EXPECT_EQ(telemetry::level_of(session_refused{"a", 429, ""}), level::debug);
    EXPECT_EQ(telemetry::level_of(postgres_lost{}), level::warn);
    EXPECT_EQ(telemetry::level_of(postgres_unreachable{}), level::warn);
    EXPECT_EQ(telemetry::level_of(postgres_unusable{}), level::error);
    EXPECT_EQ(telemetry::level_of(internal_error{}), level::error);
}

TEST(log_line, text) {
    EXPECT_EQ(text_of(started{"1.2.3"}),
              "2026-11-22T12:00:00.123Z info  pgherald started version=1.2.3");
    EXPECT_EQ(text_of(reload_asked{}),
              "2026-11-22T12:00:00.123Z info  reading the configuration again");
    EXPECT_EQ(text_of(certificate_loaded{"c.pem",
                                         std::chrono::sys_days(std::chrono::year(2027) / 1 / 31)}),
              "2026-11-22T12:00:00.123Z info  new connections get this TLS certificate "
              "certificate=c.pem expires=2027-01-31T00:00:00.000Z");
    EXPECT_EQ(text_of(postgres_unreachable{"listen", "connection to \"db\" refused\n",
                                           std::chrono::milliseconds(250)}),
              "2026-11-22T12:00:00.123Z warn  can't reach Postgres, will try again purpose=listen "
              "reason=\"connection to \\\"db\\\" refused\\n\" retry_in_ms=250");
    EXPECT_EQ(text_of(session_closed{"s1", 1006, ""}),
              "2026-11-22T12:00:00.123Z debug a session ended session=s1 code=1006 reason=\"\"");
    EXPECT_EQ(text_of(draining{"a=b"}),
              "2026-11-22T12:00:00.123Z info  stopping: draining sessions reason=\"a=b\"");
}

TEST(log_line, json) {
    EXPECT_EQ(json_of(ready{"5f0c", 131}),
              R"({"time":"2026-11-22T12:00:00.123Z","level":"info","event":"ready",)"
              R"("message":"caught up with Postgres","epoch":"5f0c","head":131})");
    EXPECT_EQ(json_of(bad_frame{"s1", "malformed", "saw \"\x1b[31m\" and \xff"}),
              R"({"time":"2026-11-22T12:00:00.123Z","level":"debug","event":"bad_frame",)"
              R"("message":"answered a frame with an error","session":"s1","code":"malformed",)"
              R"("reason":"saw \"\u001b[31m\" and \ufffd"})");
}

TEST(log_line, a_text_from_outside_cannot_begin_a_line_of_its_own) {
    const std::string forged = "x\r\n2026-11-22T12:00:00.123Z error \xe2\x80\xa8 forged";
    for (const auto& line : {text_of(session_refused{forged, 403, forged}),
                             json_of(session_refused{forged, 403, forged})}) {
        EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos);
        EXPECT_EQ(line.find("\xe2\x80\xa8"), std::string::npos);
    }
}

TEST(log_line, time_before_1970_and_leap_days_are_dates) {
    const auto at = [](std::int64_t ms) {
        return telemetry::as_text({level::info, "x", "x", {}},
                                  telemetry::wall_time(std::chrono::milliseconds(ms)))
            .substr(0, 24);
    };
    EXPECT_EQ(at(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(at(1'709'164'800'007), "2024-02-29T00:00:00.007Z");
}

} // namespace
