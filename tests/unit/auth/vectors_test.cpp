#include "auth/base64url.hpp"
#include "auth/key.hpp"
#include "auth/key_set.hpp"
#include "tokens.hpp"
#include "vectors.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using tokens::node_keys;
using tokens::outcome;
using tokens::rules_with;

auth::key_set jwks_of(std::string_view jwk) {
    return *auth::key_set::from_jwks(R"({"keys":[)" + std::string(jwk) + "]}");
}

std::string flipped(std::string token) {
    token[token.size() - 8] = token[token.size() - 8] == 'A' ? 'B' : 'A';
    return token;
}

TEST(AuthVectors, Rfc7515) {
    const struct {
        std::string_view token;
        auth::key_set keys;
    } cases[] = {
        {vectors::rfc7515::a1,
         *auth::key_set::from_secret(*auth::decode_base64url(vectors::rfc7515::a1_secret))},
        {vectors::rfc7515::a2, jwks_of(vectors::rfc7515::a2_jwk)},
        {vectors::rfc7515::a3, jwks_of(vectors::rfc7515::a3_jwk)},
    };
    const auto rules = rules_with(&auth::token_rules::issuer, "joe");
    const std::chrono::sys_seconds exp(std::chrono::seconds(1'300'819'380));
    for (const auto& one : cases) {
        const auto claims = auth::verify(one.token, one.keys, rules, exp);
        ASSERT_TRUE(claims) << one.token;
        EXPECT_EQ(claims->expires, exp);
        EXPECT_EQ(claims->subject, "");
        EXPECT_EQ(claims->json, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
                                "\"http://example.com/is_root\":true}");
        EXPECT_EQ(outcome(flipped(std::string(one.token)), one.keys, rules, exp), "signature");
        EXPECT_EQ(outcome(one.token, one.keys, rules), "expired");
        for (const auto& other : cases) {
            if (other.token != one.token) {
                EXPECT_EQ(outcome(other.token, one.keys, rules, exp), "unknown_key");
            }
        }
    }
}

TEST(AuthVectors, Rfc8037) {
    const auto keys = jwks_of(vectors::rfc8037::a2_jwk);
    const std::string_view token = vectors::rfc8037::a4;
    const auto dot = token.rfind('.');
    const auto signature = auth::decode_base64url(token.substr(dot + 1));
    ASSERT_TRUE(signature);
    const auto& key = *keys.keys().front();
    EXPECT_TRUE(key.verifies(auth::algorithm::eddsa, token.substr(0, dot), *signature));
    EXPECT_FALSE(key.verifies(auth::algorithm::eddsa, token.substr(0, dot - 1), *signature));
    // The payload is no JSON, which is looked at only behind a right signature.
    EXPECT_EQ(outcome(token, keys), "malformed");
    EXPECT_EQ(outcome(flipped(std::string(token)), keys), "signature");
}

TEST(AuthVectors, Rfc7517) {
    const auto keys = *auth::key_set::from_jwks(vectors::rfc7517::a1_jwks);
    ASSERT_EQ(keys.keys().size(), 1U);
    const auto& key = *keys.keys().front();
    EXPECT_EQ(key.id(), "2011-04-29");
    EXPECT_TRUE(key.fits(auth::algorithm::rs256));
    EXPECT_FALSE(key.fits(auth::algorithm::rs384));
    EXPECT_FALSE(key.fits(auth::algorithm::es256));
}

/// By the one key set that has all of a maker's keys, and by no other's.
template <std::size_t n>
void check_maker(const vectors::token (&made)[n], const auth::key_set& own,
                 const auth::key_set& others, std::string_view subject) {
    auto rules = rules_with(&auth::token_rules::issuer, "https://issuer.example");
    rules.audience = {"nobody", "pgherald"};
    for (const auto& one : made) {
        const auto claims = auth::verify(one.text, own, rules, tokens::now);
        ASSERT_TRUE(claims) << one.algorithm << ' ' << auth::name_of(claims.error());
        EXPECT_EQ(claims->subject, subject);
        EXPECT_EQ(claims->expires->time_since_epoch().count(), 4'102'444'800);
        EXPECT_NE(outcome(one.text, others, rules), "ok");
        EXPECT_EQ(outcome(flipped(std::string(one.text)), own, rules), "signature");

        auth::token_rules narrow = rules;
        narrow.algorithms = {*auth::algorithm_named(one.algorithm)};
        EXPECT_EQ(outcome(one.text, own, narrow), "ok");
        narrow.algorithms = {one.algorithm == "HS256" ? auth::algorithm::rs256
                                                      : auth::algorithm::hs256};
        EXPECT_EQ(outcome(one.text, own, narrow), "algorithm");
    }
}

auth::key_set jose_keys() {
    auto keys = *auth::key_set::from_jwks(vectors::jose::jwks);
    keys.add(*auth::key_set::from_secret(*auth::decode_base64url(vectors::jose::secret)));
    return keys;
}

TEST(AuthVectors, Node) {
    check_maker(vectors::node::tokens, node_keys(), jose_keys(), "ann");
    const auto claims =
        auth::verify(vectors::node::tokens[8].text, node_keys(),
                     rules_with(&auth::token_rules::role_claim, "role"), tokens::now);
    ASSERT_TRUE(claims);
    EXPECT_EQ(claims->role, "writer");
    ASSERT_EQ(claims->granted.subscribe.size(), 2U);
    EXPECT_EQ(claims->granted.subscribe[1].text(), "user.{sub}.*");
    ASSERT_EQ(claims->granted.publish.size(), 1U);
    EXPECT_EQ(claims->granted.publish[0].text(), "chat.*");
}

TEST(AuthVectors, Jose) {
    check_maker(vectors::jose::tokens, jose_keys(), node_keys(), "ben");
}

/// A PEM file's keys have no id and serve tokens with any.
TEST(AuthVectors, NodeByPem) {
    std::string all;
    for (const auto pem : {vectors::node::rsa_pem, vectors::node::p256_pem, vectors::node::p384_pem,
                           vectors::node::ed_pem})
        all += pem;
    auto keys = *auth::key_set::from_pem(all);
    EXPECT_EQ(keys.keys().size(), 4U);
    EXPECT_EQ(outcome(vectors::node::tokens[0].text, keys), "unknown_key");
    keys.add(*auth::key_set::from_secret(vectors::node::secret));
    check_maker(vectors::node::tokens, keys, jose_keys(), "ann");
}

} // namespace
