#include "tests/unit/config/support.hpp"

namespace {

using config::changed_keys;
using config_test::folder;
using config_test::load;
using names = std::vector<std::string>;

names changed(std::string_view before, std::string_view after) {
    const auto a = load(before);
    const auto b = load(after);
    EXPECT_EQ(config::describe(a.problems) + config::describe(b.problems), "");
    return changed_keys(a.values, b.values);
}

TEST(changed_keys, of_the_same_settings_are_none) {
    EXPECT_EQ(changed("", ""), names());
    EXPECT_EQ(changed("", "[server]\nthreads = 0\n[messages]\nretention = ''"), names());
    EXPECT_EQ(changed("[messages]\nretention = '1d'", "[messages]\nretention = '24h'"), names());
}

TEST(changed_keys, are_named_in_full) {
    EXPECT_EQ(changed("[server]\nthreads = 1\nconsole = false\n[messages]\nretention = '1d'",
                      "[server]\nthreads = 2\n[limits]\ntrusted_proxies = ['10.0.0.0/8']"),
              (names{"server.threads", "server.console", "limits.trusted_proxies",
                     "messages.retention"}));
}

TEST(changed_keys, every_key_counts) {
    const config::settings defaults;
    for (const auto& each : config::describe_keys()) {
        // A path or a name of its own for each text, the other choice for the rest.
        const std::map<std::string_view, std::string_view> others{
            {"server.listen", "':1'"},
            {"tls.min_version", "'1.3'"},
            {"auth.mode", "'token'"},
            {"auth.algorithms", "['EdDSA']"},
            {"auth.secret", "'an example that nobody should use'"},
            {"auth.jwks_url", "'https://a'"},
            {"websocket.allowed_origins", "['https://a']"},
            {"messages.retention", "'1d'"},
            {"log.level", "'warn'"},
            {"log.format", "'json'"}};
        const auto found = others.find(each.name);
        std::string value = found != others.end()            ? std::string(found->second)
                            : each.type == "string"          ? "'ALL'"
                            : each.type == "list of strings" ? "['10.0.0.1']"
                            : each.type == "duration"        ? "'77s'"
                            : each.type == "size"            ? "'9KiB'"
                            : each.default_text == "true"    ? "false"
                            : each.type == "boolean"         ? "true"
                                                             : "3";
        const auto after = load(std::string(each.name) + " = " + value).values;
        EXPECT_EQ(changed_keys(defaults, after), names{std::string(each.name)}) << value;
    }
}

TEST(changed_keys, rules_are_one) {
    const std::string rule = "[[channel]]\npattern = 'a'\n";
    EXPECT_EQ(changed(rule, rule), names());
    EXPECT_EQ(changed("", rule), names{"channel"});
    EXPECT_EQ(changed(rule, rule + "publish = 'nobody'"), names{"channel"});
    EXPECT_EQ(changed(rule + "publish = 'nobody'", rule + "subscribe = 'nobody'"),
              names{"channel"});
    EXPECT_EQ(changed(rule + "[[channel]]\npattern = 'b'", "[[channel]]\npattern = 'b'\n" + rule),
              names{"channel"});
}

TEST(changed_keys, lists_are_told_apart_whatever_they_hold) {
    EXPECT_EQ(changed("auth.audience = ['a\", \"b']", "auth.audience = ['a', 'b']"),
              names{"auth.audience"});
    EXPECT_EQ(changed("auth.audience = ['a\\', 'b']", "auth.audience = ['a', 'b']"),
              names{"auth.audience"});
}

TEST(changed_keys, what_secret_files_hold_counts) {
    const folder files;
    const auto dsn = files.write("dsn", "host=a password=x").string();
    const auto secret = files.write("secret", std::string(40, 'a')).string();
    const auto toml = "postgres.dsn_file = '" + dsn + "'\nauth.secret_file = '" + secret + "'";
    const auto before = load(toml).values;
    files.write("dsn", "host=a password=y");
    EXPECT_EQ(changed_keys(before, load(toml).values), names{"postgres.dsn"});
    files.write("secret", std::string(40, 'b'));
    EXPECT_EQ(changed_keys(before, load(toml).values), (names{"postgres.dsn", "auth.secret"}));
}

} // namespace
