#include "tests/unit/config/support.hpp"

namespace {

using namespace std::chrono_literals;
using config_test::load;
using config_test::problems;

TEST(load, nothing_set_is_the_defaults) {
    const auto result = load("");
    EXPECT_TRUE(result.problems.empty());
    EXPECT_EQ(result.values.server.listen, "127.0.0.1:8080");
    EXPECT_EQ(result.values.websocket.max_frame, 65'536u);
    EXPECT_FALSE(result.values.messages.retention);
}

TEST(load, every_key_is_read_from_the_file) {
    const auto result = load(R"(
[server]
listen = "[::1]:9000"
threads = 3
drain_timeout = "250ms"
max_sessions = 7
console = false
[postgres]
dsn = "host=db"
migrate = true
listen_dsn = "host=direct"
replay_connections = 4
start_timeout = "5m"
[tls]
min_version = "1.3"
ciphers = "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=2"
[auth]
mode = "token"
insecure = true
algorithms = ["HS512", "EdDSA"]
secret = "an example that nobody should use"
jwks_url = "https://id.example.org:8443/keys?of=herald"
jwks_refresh = "1m"
issuer = "https://id.example.org/"
audience = ["herald", "all"]
leeway = "0s"
claim = "may"
role_claim = "role"
roles = ["reader", "writer"]
anonymous_role = "anon"
auth_timeout = "5s"
max_token = "4KiB"
[limits]
trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]
exempt_addresses = []
sessions_per_address = 1
handshakes_per_address = 2
handshake_timeout = "3s"
first_frame_timeout = "4s"
max_header = "8KiB"
frames_per_second = 5
publishes_per_second = 6
max_subscriptions = 7
max_publishes_in_flight = 8
[websocket]
max_frame = "1MiB"
ping_interval = "1h"
outbox = 8192
compression = true
allowed_origins = ["https://example.org", "http://localhost:3000"]
[messages]
max_delivery = "512MiB"
tail = 0
retention = "7d"
[log]
level = "trace"
format = "json"
)");
    EXPECT_EQ(config::describe(result.problems), "");
    const auto& v = result.values;
    EXPECT_EQ(v.server.listen, "[::1]:9000");
    EXPECT_EQ(v.server.threads, 3u);
    EXPECT_EQ(v.server.drain_timeout, 250ms);
    EXPECT_EQ(v.server.max_sessions, 7u);
    EXPECT_FALSE(v.server.console);
    EXPECT_EQ(v.postgres.dsn, "host=db");
    EXPECT_TRUE(v.postgres.migrate);
    EXPECT_EQ(v.postgres.listen_dsn, "host=direct");
    EXPECT_EQ(v.postgres.replay_connections, 4u);
    EXPECT_EQ(v.postgres.start_timeout, 5min);
    EXPECT_EQ(v.tls.min_version, config::tls_version::v1_3);
    EXPECT_EQ(v.tls.ciphers, "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=2");
    EXPECT_EQ(v.auth.mode, config::auth_mode::token);
    EXPECT_TRUE(v.auth.insecure);
    EXPECT_EQ(v.auth.algorithms, (std::vector<std::string>{"HS512", "EdDSA"}));
    EXPECT_EQ(v.auth.secret, "an example that nobody should use");
    EXPECT_EQ(v.auth.jwks_url, "https://id.example.org:8443/keys?of=herald");
    EXPECT_EQ(v.auth.jwks_refresh, 1min);
    EXPECT_EQ(v.auth.issuer, "https://id.example.org/");
    EXPECT_EQ(v.auth.audience, (std::vector<std::string>{"herald", "all"}));
    EXPECT_EQ(v.auth.leeway, 0s);
    EXPECT_EQ(v.auth.claim, "may");
    EXPECT_EQ(v.auth.role_claim, "role");
    EXPECT_EQ(v.auth.roles, (std::vector<std::string>{"reader", "writer"}));
    EXPECT_EQ(v.auth.anonymous_role, "anon");
    EXPECT_EQ(v.auth.auth_timeout, 5s);
    EXPECT_EQ(v.auth.max_token, 4096u);
    EXPECT_EQ(v.limits.trusted_proxies, (std::vector<std::string>{"10.0.0.0/8", "2001:db8::/32"}));
    EXPECT_TRUE(v.limits.exempt_addresses.empty());
    EXPECT_EQ(v.limits.sessions_per_address, 1u);
    EXPECT_EQ(v.limits.handshakes_per_address, 2u);
    EXPECT_EQ(v.limits.handshake_timeout, 3s);
    EXPECT_EQ(v.limits.first_frame_timeout, 4s);
    EXPECT_EQ(v.limits.max_header, 8192u);
    EXPECT_EQ(v.limits.frames_per_second, 5u);
    EXPECT_EQ(v.limits.publishes_per_second, 6u);
    EXPECT_EQ(v.limits.max_subscriptions, 7u);
    EXPECT_EQ(v.limits.max_publishes_in_flight, 8u);
    EXPECT_EQ(v.websocket.max_frame, 1'048'576u);
    EXPECT_EQ(v.websocket.ping_interval, 1h);
    EXPECT_EQ(v.websocket.outbox, 8192u);
    EXPECT_TRUE(v.websocket.compression);
    EXPECT_EQ(v.websocket.allowed_origins,
              (std::vector<std::string>{"https://example.org", "http://localhost:3000"}));
    EXPECT_EQ(v.messages.max_delivery, 536'870'912u);
    EXPECT_EQ(v.messages.tail, 0u);
    EXPECT_EQ(v.messages.retention, std::chrono::hours(24 * 7));
    EXPECT_EQ(v.log.level, config::log_level::trace);
    EXPECT_EQ(v.log.format, config::log_format::json);
}

TEST(load, the_environment_goes_before_the_file) {
    const auto result = load("[server]\nlisten = \":1\"\nthreads = 1",
                             {{"PGHERALD_SERVER_LISTEN", ":2"},
                              {"PGHERALD_POSTGRES_MIGRATE", "true"},
                              {"PGHERALD_MESSAGES_RETENTION", "1h"},
                              {"PGHERALD_WEBSOCKET_OUTBOX", "16384"},
                              {"PGHERALD_WEBSOCKET_ALLOWED_ORIGINS", "https://a, https://b"}});
    EXPECT_EQ(config::describe(result.problems), "");
    EXPECT_EQ(result.values.server.listen, ":2");
    EXPECT_EQ(result.values.server.threads, 1u);
    EXPECT_TRUE(result.values.postgres.migrate);
    EXPECT_EQ(result.values.messages.retention, 3600s);
    EXPECT_EQ(result.values.websocket.outbox, 16'384u);
    EXPECT_EQ(result.values.websocket.allowed_origins,
              (std::vector<std::string>{"https://a", "https://b"}));
}

TEST(load, every_key_can_be_set_by_the_environment) {
    for (const auto& each : config::describe_keys()) {
        const auto result = load("", {{each.environment, "\x01 wrong for every type \x01/"}});
        const bool any_text = each.type == "string" && each.name.find("postgres.") == 0;
        EXPECT_EQ(result.problems.size(), any_text && each.name != "postgres.dsn_file" ? 0u : 1u)
            << each.environment;
        for (const auto& problem : result.problems) {
            EXPECT_EQ(problem.where, each.environment);
            EXPECT_EQ(problem.key, each.name);
        }
    }
}

TEST(load, an_empty_variable_undoes_what_the_file_sets) {
    const auto result =
        load("[messages]\nretention = \"7d\"\n[websocket]\nallowed_origins = [\"https://a\"]",
             {{"PGHERALD_MESSAGES_RETENTION", ""}, {"PGHERALD_WEBSOCKET_ALLOWED_ORIGINS", ""}});
    EXPECT_EQ(config::describe(result.problems), "");
    EXPECT_FALSE(result.values.messages.retention);
    EXPECT_TRUE(result.values.websocket.allowed_origins.empty());
}

TEST(load, all_problems_are_found_in_one_go_by_line) {
    EXPECT_EQ(problems("[server]\n"
                       "listn = \":1\"\n"
                       "threads = \"two\"\n"
                       "[websoket]\n"
                       "outbox = 1\n"
                       "[log]\n"
                       "level = \"inof\"\n",
                       {{"PGHERALD_WEBSOCKET_PING_INTERVAL", "25"}}),
              "test.toml:2: server.listn: is no key; did you mean server.listen?\n"
              "test.toml:3: server.threads: must be an integer, not \"two\"\n"
              "test.toml:4: websoket: is no section; did you mean [websocket]?\n"
              "test.toml:7: log.level: must be one of \"trace\", \"debug\", \"info\", \"warn\", "
              "\"error\", not \"inof\"\n"
              "PGHERALD_WEBSOCKET_PING_INTERVAL: websocket.ping_interval: must be a duration as a "
              "string with its unit (ms, s, m, h or d), e.g. \"10s\", not \"25\"\n");
}

TEST(load, a_key_in_the_wrong_place_is_told_its_place) {
    EXPECT_EQ(problems("listen = \":1\""),
              "test.toml:1: listen: is no key; did you mean server.listen?\n");
    EXPECT_EQ(problems("[server]\ndsn = \"x\""),
              "test.toml:2: server.dsn: is no key; did you mean postgres.dsn?\n");
    EXPECT_EQ(problems("server = 1"), "test.toml:1: server: is a section: write [server]\n");
    EXPECT_EQ(problems("[log]\nzzzzzzzz = 1"),
              "test.toml:2: log.zzzzzzzz: is no key; this section has level, format\n");
    EXPECT_EQ(problems("zzzzzzzzzzz = 1"),
              "test.toml:1: zzzzzzzzzzz: is no key; there are [server], [tls], [postgres], [auth], "
              "[[channel]], [limits], [websocket], [messages], [log]\n");
    EXPECT_EQ(problems("[[server]]\n[[server]]"),
              "test.toml:1: server: is a section: write [server], once\n");
}

TEST(load, a_quoted_key_with_a_dot_is_not_a_section_and_a_key) {
    EXPECT_FALSE(load("\"server.listen\" = \":1\"").problems.empty());
    EXPECT_EQ(config::describe(load("server.listen = \":1\"").problems), "");
    EXPECT_EQ(problems("\"a\\nb\\u001b\" = 1").find('\x1b'), std::string::npos);
}

TEST(load, wrong_types_are_named) {
    const auto says = [](std::string_view toml, std::string_view part) {
        const auto text = problems(toml);
        EXPECT_NE(text.find(part), std::string::npos) << toml << " -> " << text;
    };
    says("[server]\nlisten = 1", "must be a string, not an integer");
    says("[server]\nthreads = 1.5", "must be an integer, not a number with a fraction");
    says("[server]\nthreads = true", "must be an integer, not a boolean");
    says("[postgres]\nmigrate = 1979-05-27", "must be true or false, not a date or time");
    says("[postgres]\nmigrate = \"yes\"", "must be true or false, not \"yes\"");
    says("[postgres.dsn]\nx = 1", "must be a string, not a section");
    says("[websocket]\nallowed_origins = \"https://a\"", "must be a list of strings, not a string");
    says("[websocket]\nallowed_origins = [1]", "not a list that holds something else than strings");
    says("[server]\ndrain_timeout = 10", "not an integer");
}

struct limits {
    std::string_view key;
    std::string_view low;
    std::string_view high;
    std::string_view below;
    std::string_view above;
};

TEST(load, ranges_end_where_they_say) {
    const limits all[] = {
        {"server.threads", "0", "1024", "-1", "1025"},
        {"server.max_sessions", "1", "100000000", "0", "100000001"},
        {"server.drain_timeout", "\"0s\"", "\"1h\"", "\"-1s\"", "\"3601s\""},
        {"postgres.replay_connections", "1", "32", "0", "33"},
        {"postgres.start_timeout", "\"0s\"", "\"1d\"", "\"-1s\"", "\"25h\""},
        {"websocket.max_frame", "1024", "\"64MiB\"", "1023", "67108865"},
        {"websocket.ping_interval", "\"1s\"", "\"1h\"", "\"999ms\"", "\"61m\""},
        {"websocket.outbox", "\"4KiB\"", "\"1GiB\"", "4095", "\"2GiB\""},
        {"messages.max_delivery", "\"1KiB\"", "\"512MiB\"", "1023", "536870913"},
        {"messages.tail", "0", "\"1024GiB\"", "-1", "\"1025GiB\""},
        {"auth.jwks_refresh", "\"1s\"", "\"1d\"", "\"999ms\"", "\"25h\""},
        {"auth.leeway", "\"0s\"", "\"10m\"", "\"-1s\"", "\"601s\""},
        {"auth.auth_timeout", "\"1s\"", "\"10m\"", "\"999ms\"", "\"11m\""},
        {"auth.max_token", "256", "\"15KiB\"", "255", "\"65KiB\""},
        {"limits.sessions_per_address", "0", "100000000", "-1", "100000001"},
        {"limits.handshakes_per_address", "0", "1000000", "-1", "1000001"},
        {"limits.handshake_timeout", "\"100ms\"", "\"10m\"", "\"99ms\"", "\"11m\""},
        {"limits.first_frame_timeout", "\"0s\"", "\"1d\"", "\"-1s\"", "\"25h\""},
        {"limits.max_header", "8193", "\"1MiB\"", "1023", "\"2MiB\""},
        {"limits.frames_per_second", "0", "10000000", "-1", "10000001"},
        {"limits.publishes_per_second", "0", "10000000", "-1", "10000001"},
        {"limits.max_subscriptions", "1", "1000000", "0", "1000001"},
        {"limits.max_publishes_in_flight", "1", "1000000", "0", "1000001"},
        {"messages.retention", "\"1s\"", "\"36500d\"", "\"0s\"", "\"36501d\""},
    };
    for (const auto& each : all) {
        const auto with = [&each](std::string_view value) {
            return problems(std::string(each.key) + " = " + std::string(value));
        };
        EXPECT_EQ(with(each.low), "");
        EXPECT_EQ(with(each.high), "");
        EXPECT_NE(with(each.below), "") << each.key;
        EXPECT_NE(with(each.above), "") << each.key;
    }
    EXPECT_NE(problems("messages.retention = \"1500ms\""), "");
    EXPECT_NE(problems("auth.leeway = \"1500ms\""), "");
}

TEST(load, durations_and_sizes_take_only_what_they_say) {
    for (const auto* wrong : {"\"10\"", "\"s\"", "\"\"", "\"10 s\"", "\"10S\"", "\"1.5s\"",
                              "\"1h1m\"", "\"99999999999999999999s\"", "\"9223372036854775807d\""})
        EXPECT_NE(problems("server.drain_timeout = " + std::string(wrong)), "") << wrong;
    for (const auto* wrong : {"\"64K\"", "\"64kb\"", "\"KiB\"", "\"\"", "\"64 KiB\"",
                              "\"9223372036854775807GiB\"", "\"-1\"", "65536.0"})
        EXPECT_NE(problems("websocket.max_frame = " + std::string(wrong)), "") << wrong;
}

TEST(load, listen_is_checked_by_its_form) {
    for (const auto* right : {":8080", "0.0.0.0:80", "localhost:0", "[::]:65535",
                              "[fe80::1%eth0]:1", "my-host.example:8080"})
        EXPECT_EQ(problems("server.listen = '" + std::string(right) + "'"), "") << right;
    for (const auto* wrong :
         {"", "8080", "localhost", "localhost:", "localhost:65536", ":-1", ":+1", "::1:8080",
          "[]:80", "[x y]:80", "a b:80", "http://localhost:80", "host:80/"})
        EXPECT_NE(problems("server.listen = '" + std::string(wrong) + "'"), "") << wrong;
}

TEST(load, origins_are_what_browsers_send) {
    EXPECT_EQ(
        problems("websocket.allowed_origins = ['https://a.example', 'http://[::1]:80', 'null', "
                 "'https://*.example.com', 'http://*.example.com:8080']"),
        "");
    for (const auto* wrong : {"", "example.org", "https://", "https://a/", "https://a/b", "*",
                              "://a", "https://*", "https://*.", "https://*.:80", "https://*..a",
                              "https://a.*.b", "https://*a.b", "https://*.*.b", "*.example.com"})
        EXPECT_NE(problems("websocket.allowed_origins = ['" + std::string(wrong) + "']"), "")
            << wrong;
}

TEST(load, syntax_errors_have_their_line) {
    const auto text = problems("[server]\nlisten = \n");
    EXPECT_EQ(text.substr(0, 34), "test.toml:2: is not valid TOML: Er") << text;
    EXPECT_EQ(load("[server]\nlisten = \":1\"\nlisten = \":2\"").problems.at(0).where,
              "test.toml:3");
}

TEST(load, deep_nesting_is_a_problem_and_not_a_crash) {
    std::string dotted = "a";
    std::string inline_tables;
    for (int i = 0; i < 200'000; ++i) {
        dotted += ".a";
        inline_tables += "{a=";
    }
    EXPECT_EQ(problems(dotted + " = 1"), "test.toml: nests its keys too deeply\n");
    EXPECT_EQ(problems('[' + dotted + ']'), "test.toml: nests its keys too deeply\n");
    EXPECT_FALSE(load("x = " + std::string(200'000, '[')).problems.empty());
    EXPECT_FALSE(load("x = " + inline_tables).problems.empty());
    EXPECT_FALSE(load(std::string(2'000'000, '#')).problems.empty());
    // Dots in strings and comments are no nesting.
    const std::string dots(5000, '.');
    EXPECT_EQ(problems("# " + dots + "\nserver.listen = \":1\" # \"" + dots + "\n" +
                       "postgres.dsn = \"\"\"" + dots + "\\\"\"\"\"\npostgres.listen_dsn = '" +
                       dots + "'"),
              "");
}

TEST(load, bytes_that_are_no_text_are_a_problem) {
    EXPECT_FALSE(load("server.listen = \"\xff\xfe\"").problems.empty());
    EXPECT_FALSE(load(std::string_view("\0\0\0", 3)).problems.empty());
    EXPECT_FALSE(load("postgres.dsn = \"a\\u0000b\"").problems.empty());
}

TEST(check_environment_names, finds_slips) {
    const std::vector<std::string> names{"PATH",
                                         "PGHERALD_SERVER_LISTEN",
                                         "PGHERALD_SERVER_LISTN",
                                         "PGHERALD_SEVER_LISTEN",
                                         "PGHERALD_LOG_COLOUR_OF_THINGS",
                                         "PGHERALD_AUTH_SECRET_FIEL",
                                         "PGHERALD_CHANNEL_PATTERN",
                                         "PGHERALD_CHANNEL",
                                         "PGHERALD_VERSION",
                                         "PGHERALD_PG_BIN"};
    EXPECT_EQ(config::describe(config::check_environment_names(names)),
              "PGHERALD_SERVER_LISTN: sets no key; did you mean PGHERALD_SERVER_LISTEN?\n"
              "PGHERALD_SEVER_LISTEN: sets no key; did you mean PGHERALD_SERVER_LISTEN?\n"
              "PGHERALD_LOG_COLOUR_OF_THINGS: sets no key; the names are in docs/config.md\n"
              "PGHERALD_AUTH_SECRET_FIEL: sets no key; did you mean PGHERALD_AUTH_SECRET_FILE?\n"
              "PGHERALD_CHANNEL_PATTERN: sets no key; [[channel]] rules can only stand in a file\n"
              "PGHERALD_CHANNEL: sets no key; [[channel]] rules can only stand in a file\n");
}

TEST(check_environment_names, passes_over_what_kubernetes_sets_for_a_service) {
    const std::vector<std::string> names{
        "PGHERALD_SERVICE_HOST",        "PGHERALD_PORT",
        "PGHERALD_PORT_8080_TCP_ADDR",  "PGHERALD_SERVER_SERVICE_HOST",
        "PGHERALD_SERVER_SERVICE_PORT", "PGHERALD_SERVER_PORT"};
    EXPECT_EQ(config::describe(config::check_environment_names(names)), "");
    const std::vector<std::string> mistake{"PGHERALD_SERVER_PORT"};
    EXPECT_EQ(config::check_environment_names(mistake).size(), 1u);
}

} // namespace
