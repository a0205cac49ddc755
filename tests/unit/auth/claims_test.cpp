#include "tokens.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using tokens::rules_with;

/// Of a token with these claims that is signed well.
std::string said(std::string_view payload, const auth::token_rules& rules = {},
                 std::int64_t now = 1'000) {
    return tokens::outcome(tokens::with_claims(payload), tokens::secret_set(), rules,
                           std::chrono::sys_seconds(std::chrono::seconds(now)));
}

auth::claims read(std::string_view payload, const auth::token_rules& rules = {}) {
    auto claims =
        auth::verify(tokens::with_claims(payload), tokens::secret_set(), rules, tokens::now);
    EXPECT_TRUE(claims) << payload;
    return claims ? *claims : auth::claims{};
}

const auto no_leeway = rules_with(&auth::token_rules::leeway, std::chrono::seconds(0));

TEST(AuthClaims, PayloadIsAnObject) {
    EXPECT_EQ(said("{}"), "ok");
    EXPECT_EQ(said(" {\r\n} "), "ok");
    for (const auto payload :
         {""sv, "[]"sv, "null"sv, "1"sv, R"("ann")"sv, "{"sv, "{}{}"sv, "{}\0"sv, "{} x"sv,
          R"({"sub":"ann","sub":"ben"})"sv, R"({"exp":1,"exp":9999})"sv, "{\"sub\":\"\xff\"}"sv,
          R"({"exp":9999,"\u0065xp":1})"sv, "\xef\xbb\xbf{}"sv, R"({"sub":"\udc00"})"sv})
        EXPECT_EQ(said(payload), "malformed") << payload;
    const auto nested = [](std::size_t depth) {
        return R"({"x":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
    };
    EXPECT_EQ(said(nested(63)), "ok");
    EXPECT_EQ(said(nested(64)), "malformed");
    EXPECT_EQ(said(R"({"x":)" + std::string(3'000'000, '['),
                   rules_with(&auth::token_rules::max_bytes, 5'000'000)),
              "malformed");
    const auto members = [](int count) {
        std::string out = "{\"0\":0";
        for (int i = 1; i < count; ++i)
            out += ",\"" + std::to_string(i) + "\":0";
        return out + "}";
    };
    EXPECT_EQ(said(members(256)), "ok");
    EXPECT_EQ(said(members(257)), "malformed");
}

TEST(AuthClaims, Dates) {
    const struct {
        std::string_view payload;
        std::int64_t now;
        std::string_view expected;
    } cases[] = {
        {R"({"exp":1000})", 999, "ok"},
        {R"({"exp":1000})", 1000, "expired"},
        {R"({"exp":1000.9})", 999, "ok"},
        {R"({"exp":1000.9})", 1001, "expired"},
        {R"({"exp":1e3})", 999, "ok"},
        {R"({"exp":1e3})", 1000, "expired"},
        {R"({"exp":0})", 1000, "expired"},
        {R"({"exp":-1})", 1000, "expired"},
        {R"({"exp":-1e400})", 1000, "expired"},
        {R"({"exp":1e-400})", 1000, "expired"},
        {R"({"exp":9223372036854775807})", 1000, "ok"},
        {R"({"exp":9223372036854775808})", 1000, "ok"},
        {R"({"exp":18446744073709552616})", 1000, "ok"},
        {R"({"exp":1e400})", 1000, "ok"},
        {R"({"exp":123456789012345678901234567890})", 1000, "ok"},
        {R"({"exp":"2000"})", 1000, "malformed"},
        {R"({"exp":"never"})", 1000, "malformed"},
        {R"({"exp":null})", 1000, "malformed"},
        {R"({"exp":true})", 1000, "malformed"},
        {R"({"exp":[2000]})", 1000, "malformed"},
        {R"({"exp":{}})", 1000, "malformed"},
        {R"({"exp":NaN})", 1000, "malformed"},
        {R"({"exp":Infinity})", 1000, "malformed"},
        {R"({"exp":0x7fffffff})", 1000, "malformed"},
        {R"({"exp":+2000})", 1000, "malformed"},
        {R"({"nbf":1000})", 1000, "ok"},
        {R"({"nbf":1001})", 1000, "not_yet"},
        {R"({"nbf":1e400})", 1000, "not_yet"},
        {R"({"nbf":9223372036854775807})", 1000, "not_yet"},
        {R"({"nbf":-9223372036854775808})", 1000, "ok"},
        {R"({"nbf":-1e400})", 1000, "ok"},
        {R"({"nbf":"1"})", 1000, "malformed"},
        {R"({"iat":5000})", 1000, "ok"},
        {R"({"iat":1e400})", 1000, "ok"},
        {R"({"iat":"1"})", 1000, "malformed"},
        {R"({"iat":null})", 1000, "malformed"},
        {R"({"exp":500,"nbf":2000})", 1000, "expired"},
        {R"({"exp":500,"nbf":"x"})", 1000, "malformed"},
    };
    for (const auto& one : cases)
        EXPECT_EQ(said(one.payload, no_leeway, one.now), one.expected)
            << one.payload << " at " << one.now;
}

TEST(AuthClaims, LeewayGoesBothWays) {
    const auto rules = rules_with(&auth::token_rules::leeway, std::chrono::seconds(30));
    EXPECT_EQ(said(R"({"exp":1000})", rules, 1029), "ok");
    EXPECT_EQ(said(R"({"exp":1000})", rules, 1030), "expired");
    EXPECT_EQ(said(R"({"nbf":1000})", rules, 970), "ok");
    EXPECT_EQ(said(R"({"nbf":1000})", rules, 969), "not_yet");
    EXPECT_EQ(said(R"({"exp":1e400})",
                   rules_with(&auth::token_rules::leeway, std::chrono::hours(24 * 365 * 1000))),
              "ok");
}

TEST(AuthClaims, ExpiryIsTold) {
    EXPECT_EQ(read(R"({"exp":4102444800.75})").expires->time_since_epoch().count(), 4'102'444'800);
    EXPECT_EQ(read("{}").expires, std::nullopt);
    // A clock can be set to it.
    const auto last = read(R"({"exp":1e400})").expires;
    EXPECT_EQ(last->time_since_epoch().count(), 253'402'300'799);
}

TEST(AuthClaims, Issuer) {
    const auto rules = rules_with(&auth::token_rules::issuer, "https://a.example");
    EXPECT_EQ(said(R"({"iss":"https://a.example"})", rules), "ok");
    for (const auto payload : {R"({})", R"({"iss":""})", R"({"iss":"https://a.example/"})",
                               R"({"iss":"https://A.example"})",
                               R"({"iss":"https://a.example\u0000"})", R"({"iss":"a"})"})
        EXPECT_EQ(said(payload, rules), "issuer") << payload;
    for (const auto payload :
         {R"({"iss":null})", R"({"iss":["https://a.example"]})", R"({"iss":1})"}) {
        EXPECT_EQ(said(payload, rules), "malformed") << payload;
        EXPECT_EQ(said(payload), "malformed") << payload;
    }
    EXPECT_EQ(said(R"({"iss":"anyone"})"), "ok");
}

TEST(AuthClaims, Audience) {
    const auto rules =
        rules_with(&auth::token_rules::audience, std::vector<std::string>{"one", "two"});
    for (const auto payload : {R"({"aud":"one"})", R"({"aud":"two"})", R"({"aud":["two"]})",
                               R"({"aud":["x","y","one"]})", R"({"aud":["one","one"]})"})
        EXPECT_EQ(said(payload, rules), "ok") << payload;
    for (const auto payload :
         {R"({})", R"({"aud":[]})", R"({"aud":""})", R"({"aud":"One"})", R"({"aud":["x"]})",
          R"({"aud":"one two"})", R"({"aud":"one\u0000"})"})
        EXPECT_EQ(said(payload, rules), "audience") << payload;
    for (const auto payload :
         {R"({"aud":null})", R"({"aud":1})", R"({"aud":{"one":1}})", R"({"aud":["one",1]})",
          R"({"aud":[["one"]]})", R"({"aud":[null]})"}) {
        EXPECT_EQ(said(payload, rules), "malformed") << payload;
        EXPECT_EQ(said(payload), "malformed") << payload;
    }
    EXPECT_EQ(said(R"({"aud":"anyone"})"), "ok");
    EXPECT_EQ(said("{}"), "ok");
}

TEST(AuthClaims, Subject) {
    EXPECT_EQ(read(R"({"sub":"ann"})").subject, "ann");
    EXPECT_EQ(read(R"({"sub":"é€😀 *{sub}\"\\"})").subject, "é€😀 *{sub}\"\\");
    EXPECT_EQ(read("{}").subject, "");
    EXPECT_EQ(read(R"({"sub":""})").subject, "");
    const auto of = [](std::size_t length) {
        return R"({"sub":")" + std::string(length, 'x') + "\"}";
    };
    EXPECT_EQ(said(of(255)), "ok");
    EXPECT_EQ(said(of(256)), "malformed");
    // Bytes count: 128 characters of two.
    std::string twos = R"({"sub":")";
    for (int i = 0; i < 128; ++i)
        twos += "é";
    EXPECT_EQ(said(twos + "\"}"), "malformed");
    for (const auto payload :
         {R"({"sub":null})"sv, R"({"sub":42})"sv, R"({"sub":["ann"]})"sv, R"({"sub":"\u0000"})"sv,
          R"({"sub":"a\u0000b"})"sv, R"({"sub":"a\nb"})"sv, R"({"sub":"\u001f"})"sv,
          R"({"sub":"\u007f"})"sv, R"({"sub":"\u0080"})"sv, R"({"sub":"x\u009f"})"sv,
          "{\"sub\":\"\x7f\"}"sv})
        EXPECT_EQ(said(payload), "malformed") << payload;
    EXPECT_EQ(said(R"({"sub":"\u00a0"})"), "ok");
    EXPECT_EQ(said(R"({"sub":"\u0100"})"), "ok");
}

TEST(AuthClaims, Role) {
    const auto rules = rules_with(&auth::token_rules::role_claim, "https://a.example/role");
    EXPECT_EQ(read(R"({"https://a.example/role":"writer"})", rules).role, "writer");
    EXPECT_EQ(read(R"({"role":"writer"})", rules).role, "");
    EXPECT_EQ(read(R"({"https://a.example/role":"writer"})").role, "");
    EXPECT_EQ(read(R"({"":"writer"})").role, "");
    EXPECT_EQ(said(R"({"":1})"), "ok");
    for (const auto payload :
         {R"({"https://a.example/role":1})", R"({"https://a.example/role":null})",
          R"({"https://a.example/role":["writer"]})"}) {
        EXPECT_EQ(said(payload, rules), "malformed");
        EXPECT_EQ(said(payload), "ok");
    }
}

// A reload may name the claims otherwise while sessions go on.
TEST(AuthClaims, AreReadAgainByOtherNames) {
    auto claims = read(
        R"({"sub":"ann","exp":4102444800,"role":"writer","pgherald":{"subscribe":["a"]},"may":{"publish":["b"]},)"
        R"("group":"staff","bad":{"publish":"b"}})");
    auto rules = rules_with(&auth::token_rules::role_claim, "group");
    rules.grants_claim = "may";
    const auto before = claims;
    auth::read_grants_again(claims, rules);
    EXPECT_EQ(claims.role, "staff");
    EXPECT_TRUE(claims.granted.subscribe.empty());
    ASSERT_EQ(claims.granted.publish.size(), 1U);
    EXPECT_EQ(claims.granted.publish[0].text(), "b");
    EXPECT_EQ(claims.subject, "ann");
    EXPECT_EQ(claims.expires, before.expires);
    EXPECT_EQ(claims.json, before.json);

    rules.grants_claim = "bad";
    auth::read_grants_again(claims, rules);
    EXPECT_EQ(claims.role, "");
    EXPECT_TRUE(claims.granted.publish.empty());

    auth::read_grants_again(claims, {});
    EXPECT_EQ(claims.role, "");
    EXPECT_EQ(claims.granted.subscribe.size(), 1U);
}

TEST(AuthClaims, Grants) {
    const auto claims = read(
        R"({"pgherald":{"subscribe":["sports","user.{sub}.*"],"publish":["chat.*"],"more":1}})");
    ASSERT_EQ(claims.granted.subscribe.size(), 2U);
    EXPECT_EQ(claims.granted.subscribe[0].text(), "sports");
    EXPECT_EQ(claims.granted.subscribe[1].text(), "user.{sub}.*");
    ASSERT_EQ(claims.granted.publish.size(), 1U);
    EXPECT_EQ(claims.granted.publish[0].text(), "chat.*");

    for (const auto payload : {R"({})", R"({"pgherald":{}})", R"({"pgherald":{"subscribe":[]}})",
                               R"({"other":{"subscribe":["*"]}})"}) {
        EXPECT_TRUE(read(payload).granted.subscribe.empty()) << payload;
        EXPECT_TRUE(read(payload).granted.publish.empty()) << payload;
    }
    EXPECT_EQ(read(R"({"other":{"publish":["*"]}})",
                   rules_with(&auth::token_rules::grants_claim, "other"))
                  .granted.publish.size(),
              1U);
    for (const auto payload :
         {R"({"pgherald":null})", R"({"pgherald":"*"})", R"({"pgherald":["*"]})",
          R"({"pgherald":{"subscribe":"*"}})", R"({"pgherald":{"subscribe":null}})",
          R"({"pgherald":{"publish":{"a":1}}})", R"({"pgherald":{"publish":["a",1]}})",
          R"({"pgherald":{"publish":[["a"]]}})", R"({"pgherald":{"publish":[],"publish":["*"]}})"})
        EXPECT_EQ(said(payload), "malformed") << payload;
}

TEST(AuthClaims, GrantsHaveLimits) {
    const auto list = [](std::size_t count, std::size_t length) {
        std::string out = R"({"pgherald":{"publish":[)";
        for (std::size_t i = 0; i < count; ++i)
            out += (i > 0 ? ",\"" : "\"") + std::string(length, 'x') + "\"";
        return out + "]}}";
    };
    const auto rules = rules_with(&auth::token_rules::max_bytes, 1'000'000);
    EXPECT_EQ(said(list(256, 255), rules), "ok");
    EXPECT_EQ(said(list(257, 1), rules), "malformed");
    EXPECT_EQ(said(list(1, 256), rules), "malformed");
}

TEST(AuthClaims, PayloadIsKeptAsItIs) {
    const auto payload = "{ \"sub\" : \"\\u0061nn\",\"n\":1.50,\r\n\"o\":{\"b\":1,\"a\":2} }"s;
    EXPECT_EQ(read(payload).json, payload);
    EXPECT_EQ(read(payload).subject, "ann");
}

} // namespace
