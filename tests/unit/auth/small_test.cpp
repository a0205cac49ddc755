#include "auth/algorithm.hpp"
#include "auth/base64url.hpp"
#include "auth/numeric_date.hpp"
#include "auth/token.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

TEST(AuthAlgorithm, NamesGoBothWays) {
    for (const auto name :
         {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"}) {
        const auto which = auth::algorithm_named(name);
        ASSERT_TRUE(which) << name;
        EXPECT_EQ(auth::name_of(*which), name);
    }
    for (const auto name : {""sv, "none"sv, "None"sv, "hs256"sv, "EDDSA"sv, "Eddsa"sv, "HS256 "sv,
                            "HS256\0"sv, "HS"sv, "PS256"sv, "ES512"sv, "ES256K"sv, "Ed25519"sv})
        EXPECT_FALSE(auth::algorithm_named(name)) << name;
}

TEST(AuthTokenError, EachHasANameAndASentence) {
    std::set<std::string_view> names;
    std::set<std::string_view> sentences;
    for (const auto why :
         {auth::token_error::too_large, auth::token_error::malformed, auth::token_error::algorithm,
          auth::token_error::unknown_key, auth::token_error::signature, auth::token_error::expired,
          auth::token_error::not_yet, auth::token_error::issuer, auth::token_error::audience}) {
        names.insert(auth::name_of(why));
        sentences.insert(auth::explain(why));
        EXPECT_TRUE(auth::explain(why).ends_with('.'));
    }
    EXPECT_EQ(names.size(), 9U);
    EXPECT_EQ(sentences.size(), 9U);
    EXPECT_EQ(auth::name_of(auth::token_error::not_yet), "not_yet");
}

TEST(AuthBase64url, DecodesRfc4648) {
    EXPECT_EQ(auth::decode_base64url(""), "");
    EXPECT_EQ(auth::decode_base64url("Zg"), "f");
    EXPECT_EQ(auth::decode_base64url("Zm8"), "fo");
    EXPECT_EQ(auth::decode_base64url("Zm9v"), "foo");
    EXPECT_EQ(auth::decode_base64url("Zm9vYg"), "foob");
    EXPECT_EQ(auth::decode_base64url("Zm9vYmFy"), "foobar");
    EXPECT_EQ(auth::decode_base64url("A-z_4ECB"), "\x03\xec\xff\xe0\x40\x81"s);
    EXPECT_EQ(auth::decode_base64url("AAAA"), "\0\0\0"s);
    EXPECT_EQ(auth::decode_base64url("_w"), "\xff");
}

TEST(AuthBase64url, TakesOneSpellingOnly) {
    for (const auto text : {"Z"sv, "A"sv, "AAAAA"sv, "Zg="sv, "Zg=="sv, "Zm8="sv, "Zm9vY"sv, "="sv,
                            "===="sv, "Zm 9v"sv, " Zm9v"sv, "Zm9v\n"sv, "Zm9v\r\n"sv, "Zm9\0"sv,
                            "+/+/"sv, "Zm9+"sv, "Zm9/"sv, "Zm9\x80"sv, "Zm9\xff"sv,
                            // Left-over bits: "Zg" and "Zm8" with ones behind.
                            "Zh"sv, "Zv"sv, "Zm9"sv, "Zm-"sv, "AéA"sv})
        EXPECT_FALSE(auth::decode_base64url(text)) << text;
    // Each last character of a byte's text but those whose four low bits are zero.
    int taken = 0;
    for (const char c : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"sv)
        taken += auth::decode_base64url("A"s + c) ? 1 : 0;
    EXPECT_EQ(taken, 4);
}

TEST(AuthNumericDate, IsTheNumberWithoutItsFraction) {
    const struct {
        std::string_view number;
        std::int64_t seconds;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"0.0", 0},
        {"1", 1},
        {"1300819380", 1'300'819'380},
        {"1300819380.999999", 1'300'819'380},
        {"1.30081938e9", 1'300'819'380},
        {"1.30081938E+9", 1'300'819'380},
        {"13008193800000e-4", 1'300'819'380},
        {"0.00130081938e12", 1'300'819'380},
        {"1e0", 1},
        {"9.99e-1", 0},
        {"12e-1", 1},
        {"123.456e1", 1234},
        {"123.456e4", 1'234'560},
        {"0e99999999999999999999", 0},
        {"0.000e400", 0},
        {"1e-400", 0},
        {"1e-99999999999999999999", 0},
        {"-1", 0},
        {"-1e400", 0},
        {"253402300799", 253'402'300'799},
        {"253402300799.5", 253'402'300'799},
        {"253402300800", 253'402'300'799},
        {"9223372036854775807", 253'402'300'799},
        {"9223372036854775808", 253'402'300'799},
        {"18446744073709551616", 253'402'300'799},
        {"1e400", 253'402'300'799},
        {"1e99999999999999999999", 253'402'300'799},
        {"0.0000000001e999999999", 253'402'300'799},
        {"1e9223372036854775807", 253'402'300'799},
        {"1e-9223372036854775808", 0},
    };
    for (const auto& one : cases)
        EXPECT_EQ(auth::to_date(one.number).time_since_epoch().count(), one.seconds) << one.number;
    const std::string zeros(5'000, '0');
    EXPECT_EQ(auth::to_date("7" + zeros + "e-5000").time_since_epoch().count(), 7);
    EXPECT_EQ(auth::to_date("0." + zeros + "7e5001").time_since_epoch().count(), 7);
    EXPECT_EQ(auth::to_date("7" + zeros).time_since_epoch().count(), 253'402'300'799);
}

} // namespace
