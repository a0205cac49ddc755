#include "auth/base64url.hpp"
#include "auth/key.hpp"
#include "tokens.hpp"
#include "vectors.hpp"

#include <gtest/gtest.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using tokens::base64url;
using tokens::node_keys;
using tokens::outcome;
using tokens::rules_with;

constexpr std::string_view good_claims = R"({"sub":"ann"})";

std::string_view node_token(std::string_view algorithm) {
    for (const auto& one : vectors::node::tokens) {
        if (one.algorithm == algorithm)
            return one.text;
    }
    return "";
}

std::string signature_of(std::string_view token) {
    return *auth::decode_base64url(token.substr(token.rfind('.') + 1));
}

std::string with_signature(std::string_view token, std::string_view signature) {
    return std::string(token.substr(0, token.rfind('.') + 1)) + base64url(signature);
}

std::string with_header(std::string_view token, std::string_view header) {
    return base64url(header) + std::string(token.substr(token.find('.')));
}

std::string header_with(std::string_view member) {
    return "{" + std::string(member) + R"(,"typ":"JWT"})";
}

TEST(AuthHostile, TheTestsOwnTokenIsGood) {
    EXPECT_EQ(outcome(tokens::with_claims(good_claims), tokens::secret_set()), "ok");
    EXPECT_EQ(
        outcome(tokens::sign(header_with(R"("alg":"HS256")"), good_claims), tokens::secret_set()),
        "ok");
}

TEST(AuthHostile, AlgorithmsThatAreNone) {
    for (const auto name :
         {"none"sv,     "None"sv,    "NONE"sv,       "nOnE"sv,
          "nonE"sv,     ""sv,        "null"sv,       "hs256"sv,
          "Hs256"sv,    "HS256 "sv,  " HS256"sv,     "HS256\\u0000"sv,
          "HS256\\n"sv, "HS-256"sv,  "HS1"sv,        "PS256"sv,
          "PS384"sv,    "PS512"sv,   "ES512"sv,      "ES256K"sv,
          "EdDsa"sv,    "Ed25519"sv, "RSA-OAEP"sv,   "RSA1_5"sv,
          "dir"sv,      "A128KW"sv,  "HS256,none"sv, "http://example.com/HS256"sv}) {
        const auto header = header_with(R"("alg":")" + std::string(name) + R"(")");
        // Signed as if it were HS256, without a signature, and with any.
        const auto token = tokens::sign(header, good_claims);
        for (const auto& keys : {tokens::secret_set(), node_keys(), auth::key_set()}) {
            EXPECT_EQ(outcome(token, keys), "algorithm") << name;
            EXPECT_EQ(outcome(with_signature(token, ""), keys), "algorithm") << name;
            EXPECT_EQ(outcome(with_signature(token, "x"), keys), "algorithm") << name;
        }
    }
}

TEST(AuthHostile, HeadersThatAreNone) {
    const auto keys = tokens::secret_set();
    for (const auto header : {R"()"sv,
                              R"({})"sv,
                              R"([])"sv,
                              R"("HS256")"sv,
                              R"(null)"sv,
                              R"({"alg":null})"sv,
                              R"({"alg":256})"sv,
                              R"({"alg":true})"sv,
                              R"({"alg":["HS256"]})"sv,
                              R"({"alg":{}})"sv,
                              R"({"Alg":"HS256"})"sv,
                              R"({"alg":"HS256")"sv,
                              R"({"alg":"HS256"}})"sv,
                              R"({"alg":"HS256"} x)"sv,
                              "{\"alg\":\"HS256\"}\0"sv,
                              R"({alg:"HS256"})"sv,
                              "{\"alg\":\"HS256\",\"x\":\"\xff\"}"sv,
                              R"({"alg":"none","alg":"HS256"})"sv,
                              R"({"alg":"HS256","alg":"HS256"})"sv,
                              R"({"alg":"HS256","\u0061lg":"HS256"})"sv,
                              R"({"alg":"HS256","crit":["exp"]})"sv,
                              R"({"alg":"HS256","crit":[]})"sv,
                              R"({"alg":"HS256","crit":null})"sv,
                              R"({"alg":"HS256","crit":["b64"],"b64":false})"sv,
                              R"({"alg":"none","crit":["x"]})"sv,
                              R"({"alg":"HS256","kid":1})"sv,
                              R"({"alg":"HS256","kid":null})"sv,
                              R"({"alg":"HS256","kid":["a"]})"sv})
        EXPECT_EQ(outcome(tokens::sign(header, good_claims), keys), "malformed") << header;
    const auto deep = [](std::size_t depth) {
        return header_with(R"("alg":"HS256","x":)" + std::string(depth, '[') +
                           std::string(depth, ']'));
    };
    EXPECT_EQ(outcome(tokens::sign(deep(63), good_claims), keys), "ok");
    EXPECT_EQ(outcome(tokens::sign(deep(64), good_claims), keys), "malformed");
    EXPECT_EQ(outcome(tokens::sign(deep(1'000'000), good_claims), keys,
                      rules_with(&auth::token_rules::max_bytes, 9'000'000)),
              "malformed");
    std::string many = R"("alg":"HS256")";
    for (int i = 0; i < 100; ++i)
        many += ",\"" + std::to_string(i) + "\":0";
    EXPECT_EQ(outcome(tokens::sign(header_with(many), good_claims), keys), "malformed");
}

TEST(AuthHostile, ShapesThatAreNone) {
    const auto keys = tokens::secret_set();
    const std::string good = tokens::with_claims(good_claims);
    const auto first = good.find('.');
    const auto second = good.rfind('.');
    const auto header = good.substr(0, first);
    const auto payload = good.substr(first + 1, second - first - 1);
    const auto signature = good.substr(second + 1);
    for (const auto& token : std::vector<std::string>{"",
                                                      ".",
                                                      "..",
                                                      "...",
                                                      "....",
                                                      header,
                                                      header + ".",
                                                      header + "." + payload,
                                                      good + ".",
                                                      "." + good,
                                                      good + ".x",
                                                      header + ".." + payload + "." + signature,
                                                      good.substr(0, second) + ".." + signature,
                                                      header + "." + payload + ".a.b",
                                                      " " + good,
                                                      good + " ",
                                                      good + "\n",
                                                      good + "=",
                                                      good + "==",
                                                      "\0"s + good,
                                                      good + "\0"s,
                                                      header + "=." + payload + "." + signature,
                                                      "Bearer " + good,
                                                      "{\"payload\":\"\",\"signature\":\"\"}",
                                                      good + "," + good,
                                                      std::string(1'000, '.'),
                                                      std::string(8'192, 'A'),
                                                      std::string(8'192, '.'),
                                                      std::string(8'192, '\xff')})
        EXPECT_EQ(outcome(token, keys), "malformed") << token;
    // Behind the first dot a change is a wrong signature before it is anything else.
    for (const auto& token :
         {header + "." + payload + "=." + signature, header + "." + payload + " ." + signature,
          header + ".." + signature, header + "." + payload + "\n." + signature})
        EXPECT_EQ(outcome(token, keys), "signature") << token;
    EXPECT_EQ(outcome(header + "." + payload + ".", keys), "signature");
    for (std::size_t i = 0; i < good.size(); ++i)
        EXPECT_NE(outcome(std::string_view(good).substr(0, i), keys), "ok") << i;
}

TEST(AuthHostile, OneSpellingOfEachPart) {
    const auto keys = tokens::secret_set();
    // 43 characters for 32 bytes: the last one has two bits to spare.
    const std::string good = tokens::with_claims(good_claims);
    const std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    int taken = 0;
    for (const char c : alphabet) {
        auto other = good;
        other.back() = c;
        const auto said = outcome(other, keys);
        taken += said == "ok" ? 1 : 0;
        const bool spare = alphabet.find(c) % 4 != 0;
        EXPECT_EQ(said, other == good ? "ok" : spare ? "malformed" : "signature") << c;
    }
    EXPECT_EQ(taken, 1);
    // A payload in other spellings, each with its own right signature.
    const auto signed_as = [](std::string_view payload) {
        const auto text = base64url(R"({"alg":"HS256"})") + "." + std::string(payload);
        return text + "." + base64url(tokens::hmac_sha256(tokens::secret, text));
    };
    EXPECT_EQ(outcome(signed_as("e30"), keys), "ok");
    for (const auto payload :
         {"e30="sv, "e31"sv, "e30 "sv, "e3 0"sv, "e30\n"sv, ""sv, "e"sv, "e30\0"sv, "+/+/"sv})
        EXPECT_EQ(outcome(signed_as(payload), keys), "malformed") << payload;
}

TEST(AuthHostile, PublicKeyIsNoSecret) {
    // The classic: whoever knows the public key signs with it, and says HS256.
    for (const auto pem :
         {vectors::node::rsa_pem, vectors::node::p256_pem, vectors::node::ed_pem}) {
        std::string der;
        for (const char c : pem.substr(27, pem.rfind("-----END") - 28))
            der += c == '\n' ? "" : std::string(1, c);
        for (const auto& material : {std::string(pem), std::string(pem.substr(0, pem.size() - 1)),
                                     der, std::string(vectors::node::jwks)}) {
            const auto token = tokens::sign(R"({"alg":"HS256"})", good_claims, material);
            const auto named =
                tokens::sign(R"({"alg":"HS256","kid":"node-rsa"})", good_claims, material);
            EXPECT_EQ(outcome(token, *auth::key_set::from_pem(pem)), "unknown_key");
            EXPECT_EQ(outcome(named, *auth::key_set::from_jwks(vectors::node::jwks)),
                      "unknown_key");
            EXPECT_EQ(outcome(token, node_keys()), "signature");
            EXPECT_EQ(outcome(named, node_keys()), "unknown_key");
        }
    }
    // Keys of a header are not looked at.
    for (const auto header :
         {R"({"alg":"HS256","jwk":{"kty":"oct","k":"YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCA0MCBieXRlcw"}})",
          R"({"alg":"HS256","jku":"https://attacker.example/","x5u":"https://attacker.example/"})"})
        EXPECT_EQ(outcome(tokens::sign(header, good_claims, "a secret of the attacker"),
                          tokens::secret_set()),
                  "signature");
}

TEST(AuthHostile, HeaderOfAnotherAlgorithm) {
    const auto keys = node_keys();
    for (const auto& one : vectors::node::tokens) {
        for (const auto& other : vectors::node::tokens) {
            if (other.algorithm == one.algorithm)
                continue;
            const auto said =
                outcome(with_header(one.text, header_with(R"("alg":")" +
                                                          std::string(other.algorithm) + R"(")")),
                        keys);
            EXPECT_EQ(said, "signature") << one.algorithm << " as " << other.algorithm;
        }
    }
}

TEST(AuthHostile, KeyIdChoosesTheKey) {
    const auto keys = *auth::key_set::from_jwks(vectors::node::jwks);
    const auto token = node_token("RS256");
    EXPECT_EQ(outcome(token, keys), "ok");
    // Of another type, unknown, empty: in each case the signature doesn't matter any more.
    for (const auto id : {"node-p256", "node-ed", "nobody", "", "../../dev/null", "' or 1=1 --"})
        EXPECT_EQ(outcome(with_header(token, R"({"alg":"RS256","kid":")" + std::string(id) + "\"}"),
                          keys),
                  "unknown_key")
            << id;
    EXPECT_EQ(outcome(with_header(token, R"({"alg":"RS256","kid":"node-rsa"})"), keys),
              "signature");
    EXPECT_EQ(outcome(with_header(token, R"({"alg":"RS256"})"), keys), "signature");
    EXPECT_EQ(outcome(token, {}), "unknown_key");
}

TEST(AuthHostile, IdThatIsMissingAmongKeysWithIdsMayBeNew) {
    // A secret serves tokens with any id. But where a JWK Set is in use too, an id that it doesn't
    // have is the sign that it has a new key.
    auto keys = tokens::secret_set();
    const auto wrong =
        tokens::sign(R"({"alg":"HS256","kid":"new"})", good_claims, "not the secret, but as long");
    EXPECT_EQ(outcome(tokens::sign(R"({"alg":"HS256","kid":"new"})", good_claims), keys), "ok");
    EXPECT_EQ(outcome(wrong, keys), "signature");
    keys.add(*auth::key_set::from_jwks(vectors::node::jwks));
    EXPECT_EQ(outcome(tokens::sign(R"({"alg":"HS256","kid":"new"})", good_claims), keys), "ok");
    EXPECT_EQ(outcome(wrong, keys), "unknown_key");
}

TEST(AuthHostile, EveryByteOfASignatureCounts) {
    const auto keys = node_keys();
    for (const auto& one : vectors::node::tokens) {
        const auto signature = signature_of(one.text);
        ASSERT_EQ(outcome(with_signature(one.text, signature), keys), "ok");
        for (std::size_t i = 0; i < signature.size(); ++i) {
            auto changed = signature;
            changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
            ASSERT_EQ(outcome(with_signature(one.text, changed), keys), "signature")
                << one.algorithm << ' ' << i;
        }
        for (const auto& other :
             {""s, signature.substr(1), signature.substr(0, signature.size() - 1), signature + "x",
              "\0"s + signature, signature + "\0"s, signature + signature,
              std::string(signature.size(), '\0'), std::string(signature.size(), '\xff'),
              std::string(4'000, 'x')})
            EXPECT_EQ(outcome(with_signature(one.text, other), keys), "signature")
                << one.algorithm << ' ' << other.size();
    }
}

TEST(AuthHostile, EveryCharacterOfATokenCounts) {
    const auto keys = node_keys();
    for (const auto name : {"HS256", "RS256", "ES256", "EdDSA"}) {
        const std::string token(node_token(name));
        ASSERT_EQ(outcome(token, keys), "ok");
        for (std::size_t i = 0; i < token.size(); ++i) {
            auto changed = token;
            changed[i] = changed[i] == 'A' ? 'Q' : 'A';
            ASSERT_NE(outcome(changed, keys), "ok") << name << ' ' << i;
        }
    }
}

TEST(AuthHostile, ShapesOfEcdsaSignatures) {
    const auto keys = node_keys();
    for (const auto name : {"ES256"sv, "ES384"sv}) {
        const auto token = node_token(name);
        const auto signature = signature_of(token);
        const std::size_t half = signature.size() / 2;
        const auto r = signature.substr(0, half);
        const auto s = signature.substr(half);
        const std::string zero(half, '\0');
        const std::string one = std::string(half - 1, '\0') + '\x01';
        const std::string order = *auth::decode_base64url(
            name == "ES256" ? "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE"
                            : "________________________________x2NNgfQ3Ld9YGg2ySLCneuzsGWrMxSlz");
        ASSERT_EQ(order.size(), half);

        ECDSA_SIG* const numbers = ECDSA_SIG_new();
        ECDSA_SIG_set0(numbers,
                       BN_bin2bn(reinterpret_cast<const unsigned char*>(r.data()),
                                 static_cast<int>(half), nullptr),
                       BN_bin2bn(reinterpret_cast<const unsigned char*>(s.data()),
                                 static_cast<int>(half), nullptr));
        unsigned char* bytes = nullptr;
        const int length = i2d_ECDSA_SIG(numbers, &bytes);
        const std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(length));
        OPENSSL_free(bytes);
        ECDSA_SIG_free(numbers);

        for (const auto& wrong :
             {zero + s, r + zero, zero + zero, one + one, order + s, r + order, order + order,
              s + r, r + r, "\0"s + r + "\0"s + s, r.substr(1) + s, r + s.substr(1), r, der,
              der.substr(0, 2 * half)})
            EXPECT_EQ(outcome(with_signature(token, wrong), keys), "signature") << name;
    }
}

TEST(AuthHostile, Ed25519NumbersAreTakenOnce) {
    // S and S plus the order of the group give the same point.
    const auto token = node_token("EdDSA");
    auto signature = signature_of(token);
    const std::string order = "\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14"s +
                              std::string(15, '\0') + "\x10";
    ASSERT_EQ(order.size(), 32U);
    unsigned carry = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        carry += static_cast<unsigned char>(signature[32 + i]);
        carry += static_cast<unsigned char>(order[i]);
        signature[32 + i] = static_cast<char>(carry & 0xff);
        carry >>= 8;
    }
    EXPECT_EQ(carry, 0U);
    EXPECT_EQ(outcome(with_signature(token, signature), node_keys()), "signature");
}

TEST(AuthHostile, WrongKeyOfTheRightType) {
    const auto others = *auth::key_set::from_jwks(vectors::jose::jwks);
    for (const auto name : {"RS256", "RS384", "RS512", "ES256", "ES384"})
        EXPECT_EQ(outcome(node_token(name), others), "signature") << name;
    EXPECT_EQ(outcome(node_token("EdDSA"), others), "unknown_key");
    EXPECT_EQ(outcome(node_token("EdDSA"), *auth::key_set::from_pem(vectors::pem::ed25519_public)),
              "signature");
    EXPECT_EQ(outcome(tokens::with_claims(good_claims),
                      *auth::key_set::from_secret("another secret of the tests, as long...")),
              "signature");
}

TEST(AuthHostile, SizeHasALimit) {
    const auto keys = tokens::secret_set();
    const auto token = tokens::with_claims(good_claims);
    EXPECT_EQ(outcome(token, keys, rules_with(&auth::token_rules::max_bytes, token.size())), "ok");
    EXPECT_EQ(outcome(token, keys, rules_with(&auth::token_rules::max_bytes, token.size() - 1)),
              "too_large");
    EXPECT_EQ(outcome(std::string(8'193, 'A'), keys), "too_large");
    EXPECT_EQ(outcome(std::string(10'000'000, '.'), keys), "too_large");
    const auto long_claims = R"({"x":")" + std::string(100'000, 'x') + R"("})";
    EXPECT_EQ(outcome(tokens::with_claims(long_claims), keys), "too_large");
    EXPECT_EQ(outcome(tokens::with_claims(long_claims), keys,
                      rules_with(&auth::token_rules::max_bytes, 1'000'000)),
              "ok");
}

TEST(AuthHostile, OnlyAcceptedAlgorithms) {
    const auto keys = node_keys();
    const auto rules =
        rules_with(&auth::token_rules::algorithms,
                   std::vector<auth::algorithm>{auth::algorithm::rs256, auth::algorithm::eddsa});
    for (const auto& one : vectors::node::tokens) {
        const bool accepted = one.algorithm == "RS256" || one.algorithm == "EdDSA";
        EXPECT_EQ(outcome(one.text, keys, rules), accepted ? "ok" : "algorithm") << one.algorithm;
    }
}

TEST(AuthHostile, JwkWithAnAlgorithmServesThatOneOnly) {
    const std::string_view set = vectors::jose::jwks;
    std::string narrowed(set);
    narrowed.insert(narrowed.find(R"("kty":"RSA")"), R"("alg":"RS384",)");
    const auto keys = *auth::key_set::from_jwks(narrowed);
    for (const auto& one : vectors::jose::tokens) {
        if (one.algorithm.starts_with("RS")) {
            EXPECT_EQ(outcome(one.text, keys), one.algorithm == "RS384" ? "ok" : "unknown_key");
        }
    }
}

TEST(AuthHostile, KeyIsAskedForItsAlgorithmsOnly) {
    const auto token = node_token("RS256");
    const auto text = token.substr(0, token.rfind('.'));
    const auto check = [&](std::string_view jwks, auth::algorithm which) {
        const auto keys = *auth::key_set::from_jwks(jwks);
        return keys.keys().front()->verifies(which, text, signature_of(token));
    };
    std::string narrowed(vectors::node::jwks);
    ASSERT_LT(narrowed.find(R"("kty":"RSA")"), narrowed.find(R"("kty":"EC")"));
    narrowed.insert(narrowed.find(R"("kty":"RSA")"), R"("alg":"RS384",)");
    EXPECT_TRUE(check(vectors::node::jwks, auth::algorithm::rs256));
    EXPECT_FALSE(check(narrowed, auth::algorithm::rs256));
    for (const auto which : {auth::algorithm::hs256, auth::algorithm::rs384, auth::algorithm::es256,
                             auth::algorithm::es384, auth::algorithm::eddsa})
        EXPECT_FALSE(check(vectors::node::jwks, which)) << auth::name_of(which);
}

/// What is left there would be found by the TLS of the same thread.
TEST(AuthHostile, OpensslsQueueOfErrorsIsAsBefore) {
    ERR_clear_error();
    const auto everything = [] {
        EXPECT_EQ(outcome(with_signature(node_token("RS256"), "x"), node_keys()), "signature");
        EXPECT_EQ(
            outcome(with_signature(node_token("ES256"), std::string(64, '\xff')), node_keys()),
            "signature");
        EXPECT_EQ(outcome(node_token("EdDSA"), node_keys()), "ok");
        EXPECT_FALSE(auth::key_set::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA"));
        EXPECT_FALSE(auth::key_set::from_pem(vectors::pem::rsa_1024));
        EXPECT_FALSE(auth::key_set::from_jwks(R"({"keys":[{"kty":"OKP","crv":"Ed25519"}]})"));
    };
    everything();
    EXPECT_EQ(ERR_peek_error(), 0U);
    ERR_raise(ERR_LIB_USER, 7);
    everything();
    EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), 7);
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(AuthHostile, ThreadsShareKeys) {
    const auto keys = node_keys();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&keys] {
            for (int round = 0; round < 5; ++round) {
                for (const auto& one : vectors::node::tokens) {
                    EXPECT_EQ(outcome(one.text, keys), "ok");
                    EXPECT_EQ(outcome(with_signature(one.text, "x"), keys), "signature");
                }
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
}

} // namespace
