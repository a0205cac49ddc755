#include "auth/key.hpp"
#include "auth/key_set.hpp"
#include "tokens.hpp"
#include "vectors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace {

using auth::key_set;

/// "" when taken.
std::string refusal(const boost::system::result<key_set, auth::key_problem>& made) {
    return made ? "" : made.error().reason;
}

std::string from_jwk(std::string_view jwk) {
    return refusal(key_set::from_jwks(R"({"keys":[)" + std::string(jwk) + "]}"));
}

/// One with other numbers, but the labels of the RFC's key.
std::string rsa_jwk(std::string_view n, std::string_view e) {
    return R"({"kty":"RSA","n":")" + tokens::base64url(n) + R"(","e":")" + tokens::base64url(e) +
           R"("})";
}

std::string odd_number(std::size_t bytes) {
    return std::string(bytes, '\xc5');
}

void expect_part(const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), text.npos) << text << " lacks " << part;
}

TEST(AuthSecret, NeedsThirtyTwoBytes) {
    EXPECT_EQ(refusal(key_set::from_secret(std::string(32, 'x'))), "");
    expect_part(refusal(key_set::from_secret(std::string(31, 'x'))), "32 bytes");
    expect_part(refusal(key_set::from_secret("")), "32 bytes");
}

TEST(AuthSecret, IsForHmacOnly) {
    const auto keys = *key_set::from_secret(tokens::secret);
    ASSERT_EQ(keys.keys().size(), 1U);
    for (const auto which :
         {auth::algorithm::hs256, auth::algorithm::hs384, auth::algorithm::hs512})
        EXPECT_TRUE(keys.keys()[0]->fits(which));
    for (const auto which :
         {auth::algorithm::rs256, auth::algorithm::rs384, auth::algorithm::rs512,
          auth::algorithm::es256, auth::algorithm::es384, auth::algorithm::eddsa})
        EXPECT_FALSE(keys.keys()[0]->fits(which));
}

TEST(AuthSecret, IsNoPublicKey) {
    expect_part(refusal(key_set::from_secret(vectors::node::rsa_pem)), "PEM");
    expect_part(refusal(key_set::from_secret("\n\n" + std::string(vectors::pem::certificate))),
                "PEM");
}

TEST(AuthPem, TakesKeysAndCertificates) {
    for (const auto pem : {vectors::node::rsa_pem, vectors::node::p256_pem, vectors::node::p384_pem,
                           vectors::node::ed_pem, vectors::pem::ed25519_public,
                           vectors::pem::certificate, vectors::pem::rsa_pkcs1})
        EXPECT_EQ(refusal(key_set::from_pem(pem)), "") << pem;
    const auto keys = *key_set::from_pem(
        "comments are passed over\n" + std::string(vectors::pem::certificate) + "\n\nmore\n" +
        std::string(vectors::node::rsa_pem) + std::string(vectors::node::ed_pem) + "the end");
    ASSERT_EQ(keys.keys().size(), 3U);
    EXPECT_TRUE(keys.keys()[0]->fits(auth::algorithm::es256));
    EXPECT_TRUE(keys.keys()[1]->fits(auth::algorithm::rs512));
    EXPECT_TRUE(keys.keys()[2]->fits(auth::algorithm::eddsa));
    for (const auto& key : keys.keys())
        EXPECT_EQ(key->id(), std::nullopt);
}

TEST(AuthPem, TypeDecidesTheAlgorithms) {
    const struct {
        std::string_view pem;
        std::vector<auth::algorithm> fit;
    } cases[] = {
        {vectors::node::rsa_pem,
         {auth::algorithm::rs256, auth::algorithm::rs384, auth::algorithm::rs512}},
        {vectors::node::p256_pem, {auth::algorithm::es256}},
        {vectors::node::p384_pem, {auth::algorithm::es384}},
        {vectors::node::ed_pem, {auth::algorithm::eddsa}},
    };
    for (const auto& one : cases) {
        const auto keys = *key_set::from_pem(one.pem);
        for (int i = 0; i <= static_cast<int>(auth::algorithm::eddsa); ++i) {
            const auto which = static_cast<auth::algorithm>(i);
            const bool expected = std::ranges::count(one.fit, which) == 1;
            EXPECT_EQ(keys.keys()[0]->fits(which), expected) << auth::name_of(which);
        }
    }
}

TEST(AuthPem, RefusesWhatIsNotSafeOrNotUsed) {
    const struct {
        std::string_view pem, part;
    } cases[] = {
        {vectors::pem::ed25519_private, "private"},
        {vectors::pem::rsa_1024, "2048"},
        {vectors::pem::rsa_pss, "RSA, EC or Ed25519"},
        {vectors::pem::p521, "P-256 or P-384"},
        {vectors::pem::secp256k1, "P-256 or P-384"},
        {vectors::pem::x25519, "RSA, EC or Ed25519"},
        {vectors::pem::own_generator, "P-256 or P-384"},
        {vectors::pem::infinity, "no point of its curve"},
        {"", "no PEM text"},
        {"garbage", "no PEM text"},
        {vectors::node::jwks, "no PEM text"},
        {"-----BEGIN PUBLIC KEY-----\n", "cut short or broken"},
        {"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n", "broken"},
        {"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "broken"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no readable public key"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no readable"},
        {"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n", "neither"},
    };
    for (const auto& one : cases) {
        expect_part(refusal(key_set::from_pem(one.pem)), one.part);
        // A good key doesn't make up for it.
        if (one.pem.starts_with('-'))
            expect_part(refusal(key_set::from_pem(std::string(vectors::node::rsa_pem) +
                                                  std::string(one.pem))),
                        one.part);
    }
    // Half a key behind a good one must not pass for the text's end.
    expect_part(refusal(key_set::from_pem(std::string(vectors::node::rsa_pem) +
                                          std::string(vectors::node::p256_pem.substr(0, 100)))),
                "cut short");
    expect_part(refusal(key_set::from_pem(std::string(vectors::node::ed_pem) +
                                          std::string(256 * 1024, '\n'))),
                "256 KiB");
}

TEST(AuthPem, BytesBehindAKeyInItsBlockAreRefused) {
    const std::string_view pem = vectors::pem::ed25519_public;
    const auto mark = pem.find("\n-----END");
    // 44 bytes end in "/YI=": one more fills the last group.
    std::string longer(pem);
    ASSERT_EQ(longer.substr(mark - 4, 4), "/YI=");
    longer.replace(mark - 1, 1, "A");
    expect_part(refusal(key_set::from_pem(longer)), "no readable public key");
}

TEST(AuthPem, ReasonsHoldNothingOfTheKey) {
    const auto reason = refusal(key_set::from_pem(vectors::pem::ed25519_private));
    EXPECT_EQ(reason.find("MC4"), reason.npos);
    EXPECT_EQ(refusal(key_set::from_secret("hush")).find("hush"), std::string::npos);
    const auto jwks = refusal(key_set::from_jwks(R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})"));
    EXPECT_EQ(jwks.find("c2V"), jwks.npos);
}

TEST(AuthJwks, KeysThatCanNotBeUsedArePassedOver) {
    const std::string_view p256 = vectors::rfc7515::a3_jwk;
    const auto with = [](std::string_view jwk, std::string_view more) {
        return std::string(jwk.substr(0, jwk.size() - 1)) + "," + std::string(more) + "}";
    };
    EXPECT_EQ(from_jwk(p256), "");
    for (const auto more :
         {R"("use":"sig")", R"("key_ops":["verify"])", R"("key_ops":["sign","verify"])",
          R"("alg":"ES256")", R"("kid":"")", R"("kid":"x","x5c":["AAAA"],"other":{"a":[1]})"})
        EXPECT_EQ(from_jwk(with(p256, more)), "") << more;

    const struct {
        std::string jwk;
        std::string_view part;
    } cases[] = {
        {with(p256, R"("use":"enc")"), "not for signatures"},
        {with(p256, R"("use":1)"), "not for signatures"},
        {with(p256, R"("key_ops":["sign"])"), "not for signatures"},
        {with(p256, R"("key_ops":[])"), "not for signatures"},
        {with(p256, R"("key_ops":"verify")"), "not for signatures"},
        {with(p256, R"("use":"sig","key_ops":["encrypt"])"), "not for signatures"},
        {with(p256, R"("alg":"ES384")"), "not for its type"},
        {with(p256, R"("alg":"HS256")"), "not for its type"},
        {with(p256, R"("alg":"ECDH-ES")"), "not used here"},
        {with(p256, R"("alg":"none")"), "not used here"},
        {with(p256, R"("alg":256)"), "no JWK"},
        {with(p256, R"("kid":1)"), "no JWK"},
        {with(p256, R"("kty":"EC")"), "no JWK"},
        {with(p256, R"("d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")"), "private"},
        {R"({"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"})", "secrets"},
        {R"({"kty":"oct","alg":"HS256","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"})",
         "secrets"},
        {"1", "no JWK"},
        {"{}", "none of RSA"},
        {R"({"kty":"XX"})", "none of RSA"},
        {R"({"kty":["EC"]})", "none of RSA"},
        {R"({"kty":"EC","crv":"P-256"})", "none of RSA"},
        {R"({"kty":"OKP","crv":"Ed25519"})", "none of RSA"},
        {R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"})",
         "none of RSA"},
        {R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
         "none of RSA"},
        {R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="})",
         "none of RSA"},
        // Not on the curve; a coordinate without its leading zero.
        {R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
         R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"})",
         "none of RSA"},
        {R"({"kty":"EC","crv":"P-384","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
         R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
         "none of RSA"},
        {R"({"kty":"EC","crv":"secp256k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
         R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
         "none of RSA"},
        // The right bytes, cut at the wrong place.
        {R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVA",)"
         R"("y":"RcfxRM0bvZt-hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt"})",
         "none of RSA"},
        {R"({"kty":"RSA","e":"AQAB"})", "none of RSA"},
        {R"({"kty":"RSA","n":"","e":""})", "none of RSA"},
        {rsa_jwk(odd_number(255), "\x03"), "2048"},
        {rsa_jwk(odd_number(1025), "\x03"), "8192"},
        {rsa_jwk(odd_number(30'000), "\x03"), "8192"},
        {rsa_jwk(odd_number(256), "\x01"), "exponent"},
        {rsa_jwk(odd_number(256), "\x02"), "exponent"},
        {rsa_jwk(odd_number(256), std::string(1, '\0')), "exponent"},
    };
    for (const auto& one : cases) {
        expect_part(from_jwk(one.jwk), one.part);
        const auto both = key_set::from_jwks(R"({"keys":[)" + one.jwk + "," +
                                             std::string(vectors::rfc8037::a2_jwk) + "]}");
        ASSERT_TRUE(both) << one.jwk;
        ASSERT_EQ(both->keys().size(), 1U);
        EXPECT_TRUE(both->keys()[0]->fits(auth::algorithm::eddsa));
    }
    EXPECT_EQ(from_jwk(rsa_jwk(odd_number(256), "\x03")), "");
    EXPECT_EQ(from_jwk(rsa_jwk(std::string(1, '\0') + odd_number(256), "\x01\x01")), "");
    EXPECT_EQ(from_jwk(rsa_jwk(odd_number(1024), "\x03")), "");
}

TEST(AuthJwks, RefusesWhatIsNoSet) {
    const struct {
        std::string json;
        std::string_view part;
    } cases[] = {
        {"", "not valid JSON"},
        {"<html>", "not valid JSON"},
        {"[]", "not a JSON object"},
        {"{}", "no array"},
        {R"({"keys":{}})", "no array"},
        {R"({"keys":"x"})", "no array"},
        {R"({"keys":[]})", "no keys"},
        {R"({"keys":[],"keys":[]})", "twice"},
        {R"({"keys":)" + std::string(70, '[') + std::string(70, ']') + "}", "too deep"},
        {std::string(vectors::rfc7515::a3_jwk), "no array"},
        {R"({"keys":[]})" + std::string(256 * 1024, ' '), "256 KiB"},
    };
    for (const auto& one : cases)
        expect_part(refusal(key_set::from_jwks(one.json)), one.part);

    const auto of = [](int count) {
        std::string out = R"({"keys":[)";
        for (int i = 0; i < count; ++i)
            out += std::string(i > 0 ? "," : "") + std::string(vectors::rfc8037::a2_jwk);
        return key_set::from_jwks(out + "]}");
    };
    ASSERT_TRUE(of(100));
    EXPECT_EQ(of(100)->keys().size(), 100U);
    expect_part(refusal(of(101)), "100 keys");
}

TEST(AuthKeySet, AddSharesKeys) {
    auto keys = *key_set::from_secret(tokens::secret);
    const auto more = *key_set::from_pem(vectors::node::ed_pem);
    keys.add(more);
    keys.add({});
    ASSERT_EQ(keys.keys().size(), 2U);
    EXPECT_EQ(keys.keys()[1], more.keys()[0]);
    keys.add(keys);
    EXPECT_EQ(keys.keys().size(), 4U);
    EXPECT_TRUE(key_set().empty());
    EXPECT_FALSE(keys.empty());
}

} // namespace
