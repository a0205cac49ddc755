#include "tests/unit/config/support.hpp"

namespace {

using config::requirement;
using config_test::load;

/// With tokens, so that rules may ask for them; lines count from the rules on.
const config_test::variables tokens{{"PGHERALD_AUTH_MODE", "token"},
                                    {"PGHERALD_AUTH_SECRET", std::string(32, 'x')}};

std::string problems_of(std::string_view toml) {
    return config_test::problems(toml, tokens);
}

TEST(channel, rules_keep_the_order_of_the_file) {
    const auto result = load(R"(
[[channel]]
pattern = "b.*"
subscribe = "anyone"
publish = "nobody"
[server]
threads = 1
[[channel]]
pattern = "a.{sub}"
publish = "claim"
[[channel]]
pattern = "*"
subscribe = "token"
)",
                             tokens);
    EXPECT_EQ(config::describe(result.problems), "");
    const auto& rules = result.values.channels;
    ASSERT_EQ(rules.size(), 3u);
    EXPECT_EQ(rules[0].pattern, "b.*");
    EXPECT_EQ(rules[0].subscribe, requirement::anyone);
    EXPECT_EQ(rules[0].publish, requirement::nobody);
    EXPECT_EQ(rules[1].pattern, "a.{sub}");
    EXPECT_EQ(rules[1].subscribe, std::nullopt);
    EXPECT_EQ(rules[1].publish, requirement::claim);
    EXPECT_EQ(rules[2].pattern, "*");
    EXPECT_EQ(rules[2].subscribe, requirement::token);
    EXPECT_EQ(rules[2].publish, std::nullopt);
}

TEST(channel, rules_may_stand_in_one_line) {
    const auto result = load("channel = [{publish = 'nobody', pattern = 'a'}, {pattern = 'b'}]");
    EXPECT_EQ(config::describe(result.problems), "");
    ASSERT_EQ(result.values.channels.size(), 2u);
    EXPECT_EQ(result.values.channels[0].pattern, "a");
    EXPECT_EQ(result.values.channels[0].publish, requirement::nobody);
    EXPECT_EQ(result.values.channels[1].pattern, "b");
}

TEST(channel, problems_name_it_and_the_line) {
    EXPECT_EQ(problems_of("[[channel]]\n"
                          "pattern = 1\n"
                          "subscribe = \"all\"\n"
                          "[[channel]]\n"
                          "patern = \"a\"\n"
                          "publish = [\"anyone\"]\n"
                          "something = 1\n"
                          "[channel.deeper]\n"),
              "test.toml:2: channel.pattern: must be a string, not an integer\n"
              "test.toml:3: channel.subscribe: must be one of \"anyone\", \"token\", \"claim\", "
              "\"nobody\", not \"all\"\n"
              "test.toml:5: channel.patern: is no key; did you mean channel.pattern?\n"
              "test.toml:6: channel.publish: must be one of \"anyone\", \"token\", \"claim\", "
              "\"nobody\", not a list\n"
              "test.toml:7: channel.something: is no key; a [[channel]] has pattern, subscribe, "
              "publish\n"
              "test.toml:8: channel.deeper: is no key; a [[channel]] has pattern, subscribe, "
              "publish\n"
              "test.toml:4: channel: has no pattern, which says for which channels it is; pattern "
              "= \"*\" is for all\n");
}

TEST(channel, is_written_with_two_brackets) {
    const std::string written =
        "test.toml:1: channel: holds rules: write [[channel]], with two brackets, once for each\n";
    EXPECT_EQ(problems_of("[channel]\npattern = 'a'"), written);
    EXPECT_EQ(problems_of("channel.pattern = 'a'"), written);
    EXPECT_EQ(problems_of("channel = 'a'"), written);
    EXPECT_EQ(problems_of("channel = []"), written);
    EXPECT_EQ(problems_of("channel = [{pattern = 'a'}, 1]"), written);
    EXPECT_EQ(problems_of("[[chanel]]\npattern = 'a'\n[[chanel]]"),
              "test.toml:1: chanel: is no section; did you mean [[channel]]?\n");
    EXPECT_EQ(problems_of("[chanels]"),
              "test.toml:1: chanels: is no section; did you mean [[channel]]?\n");
}

TEST(channel, patterns_are_channel_names_with_wildcards) {
    const auto pattern = [](const std::string& text) {
        return problems_of("[[channel]]\npattern = \"" + text + "\"");
    };
    for (const auto& right : {std::string("a"), std::string(255, 'x'), std::string("{sub}*"),
                              std::string("with space \u00fc \\\" \U0001f600")})
        EXPECT_EQ(pattern(right), "") << right;
    for (const auto& wrong :
         {std::string(), std::string(256, 'x'), std::string("a\\nb"), std::string("\\u007f"),
          std::string("\\u0085"), std::string("\\u0000")})
        EXPECT_NE(pattern(wrong), "") << wrong;
}

TEST(channel, a_thousand_rules_are_enough) {
    std::string rules;
    for (int i = 0; i < 1000; ++i)
        rules += "[[channel]]\npattern = \"" + std::to_string(i) + "\"\n";
    EXPECT_EQ(problems_of(rules), "");
    EXPECT_EQ(problems_of(rules + "[[channel]]\n[[channel]]\n"),
              "test.toml:2001: channel: is one rule too many: there may be 1000\n");
}

// Written so by who wants one rule for subscribe and one for publish: the second would never count.
TEST(channel, a_pattern_stands_once) {
    EXPECT_EQ(problems_of("[[channel]]\npattern = 'a'\nsubscribe = 'anyone'\n"
                          "[[channel]]\npattern = 'a'\npublish = 'token'\n"),
              "test.toml:4: channel.pattern: stands in the rule at test.toml:1 already, and the "
              "first rule that matches decides: put both in one\n");
}

TEST(channel, a_rule_that_nobody_can_meet_is_a_problem) {
    const std::string rules =
        "[[channel]]\npattern = 'a'\nsubscribe = 'token'\npublish = 'claim'\n"
        "[[channel]]\npattern = 'b'\nsubscribe = 'anyone'\npublish = 'nobody'";
    EXPECT_EQ(problems_of(rules), "");
    EXPECT_EQ(config_test::problems(rules),
              "test.toml:1: channel.subscribe: is \"token\", which nobody can meet: with auth.mode "
              "= \"none\" there are no tokens\n"
              "test.toml:1: channel.publish: is \"claim\", which nobody can meet: with auth.mode = "
              "\"none\" there are no tokens\n");
}

} // namespace
