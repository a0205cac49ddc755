#include "auth/access.hpp"
#include "pattern_model.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using auth::access;
using auth::requirement;
using auth::verb;

bool matches(std::string_view pattern, std::string_view channel, std::string_view subject = "") {
    return auth::pattern(std::string(pattern)).matches(channel, subject);
}

TEST(AuthPattern, StarIsAnyRunOfBytes) {
    const struct {
        std::string_view pattern, channel;
        bool expected;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"sports", "sports", true},
        {"sports", "sport", false},
        {"sports", "sports2", false},
        {"sports", "Sports", false},
        {"*", "", true},
        {"*", "anything.at.all", true},
        {"**", "", true},
        {"**", "a", true},
        {"chat.*", "chat.", true},
        {"chat.*", "chat.a.b", true},
        {"chat.*", "chat", false},
        {"chat.*", "xchat.a", false},
        {"*.log", ".log", true},
        {"*.log", "a.log.log", true},
        {"*.log", "a.logs", false},
        {"a*b", "ab", true},
        {"a*b", "aXXb", true},
        {"a*b", "abc", false},
        {"a*b", "a", false},
        {"ab*ba", "aba", false},
        {"ab*ba", "abba", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "acb", false},
        {"*a*b*", "xxaybz", true},
        {"*a*b*", "ba", false},
        {"*ab*ab*", "ab", false},
        {"*ab*ab*", "abab", true},
        {"a*a", "a", false},
        {"a*a", "aa", true},
        {"*aab", "aaab", true},
        // Everything else stands for itself.
        {"a.c", "abc", false},
        {"a?c", "abc", false},
        {"[ab]", "a", false},
        {"\\*", "\\x", true},
        {"\\*", "*", false},
        {"{other}", "{other}", true},
        {"é*", "éa", true},
    };
    for (const auto& one : cases)
        EXPECT_EQ(matches(one.pattern, one.channel), one.expected)
            << one.pattern << " on " << one.channel;
}

TEST(AuthPattern, SubjectStandsForItselfByteByByte) {
    EXPECT_TRUE(matches("user.{sub}.*", "user.42.inbox", "42"));
    EXPECT_FALSE(matches("user.{sub}.*", "user.421.inbox", "42"));
    EXPECT_FALSE(matches("user.{sub}.*", "user.4.inbox", "42"));
    EXPECT_TRUE(matches("{sub}", "ann", "ann"));
    EXPECT_FALSE(matches("{sub}", "anna", "ann"));
    EXPECT_FALSE(matches("{sub}", "{sub}", "ann"));
    EXPECT_TRUE(matches("{sub}-{sub}", "a-a", "a"));
    EXPECT_FALSE(matches("{sub}-{sub}", "a-b", "a"));
    EXPECT_TRUE(matches("*{sub}*{sub}*", "xannyannz", "ann"));
    EXPECT_FALSE(matches("*{sub}*{sub}*", "xannyanz", "ann"));
    EXPECT_TRUE(matches("*{sub}", "a.ann", "ann"));
    EXPECT_FALSE(matches("{su*b}", "ann", "ann"));
    EXPECT_TRUE(matches("plain", "plain", ""));
}

TEST(AuthPattern, WhatASubjectHoldsIsNoPattern) {
    EXPECT_TRUE(matches("user.{sub}", "user.*", "*"));
    EXPECT_FALSE(matches("user.{sub}", "user.ann", "*"));
    EXPECT_FALSE(matches("user.{sub}.x", "user.a.b.x", "a*x"));
    EXPECT_TRUE(matches("user.{sub}", "user.{sub}", "{sub}"));
    EXPECT_FALSE(matches("user.{sub}", "user.{sub}{sub}", "{sub}"));
}

TEST(AuthPattern, WithoutASubjectItsPatternsMatchNothing) {
    EXPECT_FALSE(matches("user.{sub}.*", "user..inbox", ""));
    EXPECT_FALSE(matches("*{sub}*", "anything", ""));
    EXPECT_FALSE(matches("{sub}", "", ""));
    EXPECT_FALSE(matches("{sub}", "{sub}", ""));
}

TEST(AuthPattern, AgreesWithTryingEverything) {
    std::mt19937 random(5);
    const auto draw = [&](std::initializer_list<std::string_view> parts, std::size_t most) {
        std::string out;
        for (std::size_t i = random() % (most + 1); i > 0; --i)
            out += parts.begin()[random() % parts.size()];
        return out;
    };
    int matched = 0;
    for (int i = 0; i < 200'000; ++i) {
        const auto pattern = draw({"a", "b", "*", "*", "{sub}", "{"}, 7);
        const auto channel = draw({"a", "a", "b", "ab", "*", "{sub}"}, 8);
        const auto subject = draw({"a", "b", "*", "{sub}"}, 2);
        const bool expected = pattern_model::matches(pattern, channel, subject);
        ASSERT_EQ(matches(pattern, channel, subject), expected)
            << pattern << " on " << channel << " for " << subject;
        matched += expected ? 1 : 0;
    }
    EXPECT_GT(matched, 20'000);
    EXPECT_LT(matched, 180'000);
}

/// A matcher that tries every way a star can go never comes to an end here.
TEST(AuthPattern, TakesItsTimeFromTheLengthsOnly) {
    std::string pattern;
    for (int i = 0; i < 127; ++i)
        pattern += "a*";
    EXPECT_FALSE(matches(pattern + "b", std::string(255, 'a')));
    EXPECT_TRUE(matches(pattern + "a", std::string(255, 'a')));
    EXPECT_FALSE(matches("*" + std::string(126, 'a') + "b*", std::string(255, 'a')));
    std::string subjects;
    for (int i = 0; i < 25; ++i)
        subjects += "*{sub}";
    EXPECT_FALSE(matches(subjects, std::string(255, 'a'), std::string(254, 'a') + "b"));
    EXPECT_TRUE(matches(subjects, std::string(255, 'a'), std::string(10, 'a')));
    EXPECT_FALSE(matches(subjects, std::string(249, 'a'), std::string(10, 'a')));
}

auth::rule rule(std::string pattern, std::optional<requirement> subscribe,
                std::optional<requirement> publish) {
    return {
        .pattern = auth::pattern(std::move(pattern)), .subscribe = subscribe, .publish = publish};
}

auth::grants grants(std::initializer_list<const char*> subscribe,
                    std::initializer_list<const char*> publish) {
    auth::grants out;
    for (const char* const text : subscribe)
        out.subscribe.emplace_back(text);
    for (const char* const text : publish)
        out.publish.emplace_back(text);
    return out;
}

TEST(AuthDecide, VerbTimesRequirementTimesHolder) {
    const auto none = grants({}, {});
    const auto reader = grants({"room.*"}, {});
    const auto writer = grants({}, {"room.*"});
    const auto elsewhere = grants({"hall.*"}, {"hall.*"});
    const auto own = grants({"room.{sub}"}, {"room.{sub}"});
    enum { yes, token, no };
    const struct {
        requirement needed;
        const auth::grants* granted; // null: no token
        int subscribe, publish;
    } cases[] = {
        {requirement::anyone, nullptr, yes, yes},    {requirement::anyone, &none, yes, yes},
        {requirement::token, nullptr, token, token}, {requirement::token, &none, yes, yes},
        {requirement::claim, nullptr, token, token}, {requirement::claim, &none, no, no},
        {requirement::claim, &reader, yes, no},      {requirement::claim, &writer, no, yes},
        {requirement::claim, &elsewhere, no, no},    {requirement::claim, &own, yes, yes},
        {requirement::nobody, nullptr, no, no},      {requirement::nobody, &none, no, no},
        {requirement::nobody, &reader, no, no},      {requirement::nobody, &own, no, no},
    };
    const auto named = [](int wanted) {
        return wanted == yes     ? access::granted
               : wanted == token ? access::needs_token
                                 : access::forbidden;
    };
    for (std::size_t i = 0; i < std::size(cases); ++i) {
        const auto& one = cases[i];
        std::optional<auth::holder> holder;
        if (one.granted != nullptr)
            holder.emplace(auth::holder{.subject = "42", .granted = *one.granted});
        const auto* const who = holder ? &*holder : nullptr;
        // By a rule, and where no rule matches.
        const auth::rules ruled{.list = {rule("room.*", one.needed, one.needed)},
                                .otherwise = one.needed == requirement::nobody
                                                 ? requirement::anyone
                                                 : requirement::nobody};
        const auth::rules bare{.list = {rule("hall.*", requirement::nobody, requirement::nobody)},
                               .otherwise = one.needed};
        // The other verb's requirement is the opposite, and must not count.
        const auto opposite =
            one.needed == requirement::nobody ? requirement::anyone : requirement::nobody;
        const auth::rules for_subscribe{.list = {rule("room.*", one.needed, opposite)}};
        const auth::rules for_publish{.list = {rule("room.*", opposite, one.needed)}};
        for (const auto* const rules : {&ruled, &bare, &for_subscribe})
            EXPECT_EQ(auth::decide(*rules, verb::subscribe, "room.42", who), named(one.subscribe))
                << i;
        for (const auto* const rules : {&ruled, &bare, &for_publish})
            EXPECT_EQ(auth::decide(*rules, verb::publish, "room.42", who), named(one.publish)) << i;
    }
}

TEST(AuthDecide, FirstRuleThatMatchesDecides) {
    const auth::rules rules{.list = {rule("room.secret", requirement::nobody, requirement::nobody),
                                     rule("room.*", requirement::anyone, std::nullopt),
                                     rule("*", std::nullopt, requirement::anyone)},
                            .otherwise = requirement::token};
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "room.secret", nullptr), access::forbidden);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "room.1", nullptr), access::granted);
    // A verb that the rule leaves open is as without it, not as the next rule says.
    EXPECT_EQ(auth::decide(rules, verb::publish, "room.1", nullptr), access::needs_token);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "hall", nullptr), access::needs_token);
    EXPECT_EQ(auth::decide(rules, verb::publish, "hall", nullptr), access::granted);
}

TEST(AuthDecide, SubjectChoosesTheRule) {
    const auth::rules rules{.list = {rule("user.{sub}.*", requirement::token, requirement::token),
                                     rule("user.*", requirement::nobody, requirement::nobody)},
                            .otherwise = requirement::anyone};
    const auto none = grants({}, {});
    const auth::holder ann{.subject = "ann", .granted = none};
    const auth::holder nameless{.subject = "", .granted = none};
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ann.in", &ann), access::granted);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ben.in", &ann), access::forbidden);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ann.in", &nameless), access::forbidden);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ann.in", nullptr), access::forbidden);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "else", nullptr), access::granted);
}

TEST(AuthDecide, GrantOfOneSubjectIsNotAnothers) {
    const auth::rules rules{};
    const auto own = grants({"user.{sub}"}, {});
    const auth::holder ann{.subject = "ann", .granted = own};
    const auth::holder star{.subject = "*", .granted = own};
    const auth::holder nameless{.subject = "", .granted = own};
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ann", &ann), access::granted);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ben", &ann), access::forbidden);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.ben", &star), access::forbidden);
    EXPECT_EQ(auth::decide(rules, verb::subscribe, "user.", &nameless), access::forbidden);
}

TEST(AuthDecide, WithoutRulesAClaimIsNeeded) {
    EXPECT_EQ(auth::decide({}, verb::subscribe, "x", nullptr), access::needs_token);
    const auto none = grants({}, {});
    const auth::holder who{.subject = "ann", .granted = none};
    EXPECT_EQ(auth::decide({}, verb::publish, "x", &who), access::forbidden);
}

TEST(AuthAnyone, MayDoSomething) {
    using enum requirement;
    const auto may = [](std::vector<auth::rule> list, requirement otherwise) {
        return auth::anyone_may_something({.list = std::move(list), .otherwise = otherwise});
    };
    EXPECT_TRUE(may({}, anyone));
    EXPECT_FALSE(may({}, token));
    EXPECT_FALSE(may({}, claim));
    EXPECT_FALSE(may({}, nobody));
    EXPECT_TRUE(may({rule("news", anyone, nobody)}, claim));
    EXPECT_TRUE(may({rule("news", nobody, anyone)}, claim));
    EXPECT_FALSE(may({rule("news", token, claim), rule("x", nobody, std::nullopt)}, claim));
    EXPECT_TRUE(may({rule("news", token, claim)}, anyone));
    // They never get as far as the rule, or what holds otherwise.
    EXPECT_FALSE(may({rule("*", token, token)}, anyone));
    EXPECT_FALSE(may({rule("*", token, token), rule("news", anyone, anyone)}, claim));
    EXPECT_TRUE(may({rule("*", token, std::nullopt)}, anyone));
    EXPECT_TRUE(may({rule("news", anyone, token), rule("*", token, token)}, claim));
    // Without a token there is no subject.
    EXPECT_FALSE(may({rule("user.{sub}", anyone, anyone)}, claim));
}

} // namespace
