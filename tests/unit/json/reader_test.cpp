#include "json/reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

boost::system::error_code error_of(std::string_view text, const json::limits& limits = {}) {
    const auto parsed = json::parse_object(text, limits);
    return parsed ? boost::system::error_code() : parsed.error();
}

boost::system::error_code check_error(std::string_view text, std::size_t depth = 64) {
    const auto checked = json::check(text, depth);
    return checked ? boost::system::error_code() : checked.error();
}

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

std::string in_object(std::string_view value) {
    return R"({"v":)" + std::string(value) + "}";
}

/// The inputs that crash RapidJSON 1.1.0 with other flags.
TEST(JsonVectors, NumbersThatOverflowRapidJsonAreText) {
    for (const auto number :
         {"0.00000000001e-2147483639"sv, "128.74836467836484838364836483643636483648e-336"sv,
          "12345678901234567890.123"sv, "1e400"sv, "-1e400"sv, "1e-99999999999"sv,
          "1e99999999999"sv, "-0"sv, "1E+2"sv, "1.5e-7"sv}) {
        EXPECT_FALSE(check_error("["s + std::string(number) + "]")) << number;
        const auto text = in_object(number);
        const auto parsed = json::parse_object(text);
        ASSERT_TRUE(parsed) << number;
        EXPECT_EQ(parsed->find("v")->raw, number);
        EXPECT_EQ(parsed->find("v")->kind, json::kind::number);
    }
}

/// RapidJSON 1.1.0 takes some of them when it is built to use vector instructions.
TEST(JsonVectors, ControlCharactersInStringsAreRefusedWhereverTheyStand) {
    for (char control = 0x01; control < 0x20; ++control) {
        for (std::size_t before = 0; before < 33; ++before) {
            const auto text =
                "\"" + std::string(before, 'x') + control + std::string(32, 'y') + "\"";
            EXPECT_TRUE(check_error(text)) << int{control} << " after " << before;
        }
    }
}

TEST(JsonVectors, IntegerOfThousandDigitsIsKept) {
    const std::string digits(1000, '7');
    const auto text = R"({"a":1, "v" : )" + digits + R"( ,"s":"1e400 \" 1e400","n":[1e500,{"x":-)" +
                      digits + R"(}]})";
    const auto parsed = json::parse_object(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->find("a")->raw, "1");
    EXPECT_EQ(parsed->find("v")->raw, digits);
    EXPECT_EQ(parsed->find("s")->text, "1e400 \" 1e400");
    EXPECT_EQ(parsed->find("n")->raw, "[1e500,{\"x\":-" + digits + "}]");
}

/// The second look at a text with a big number must not mend what is wrong elsewhere in it.
TEST(JsonVectors, BigNumberDoesNotExcuseABadOne) {
    for (const auto number : {"01", "-", "-01", "1.", "1.e1", ".5", "+1", "1e", "1e+", "1.2.3",
                              "1-2", "00", "0x1", "1e4e4", "--1", "1 2"}) {
        EXPECT_EQ(check_error("[1e400,"s + number + "]"), json::errc::syntax) << number;
        EXPECT_EQ(check_error("["s + number + ",1e400]"), json::errc::syntax) << number;
    }
    EXPECT_EQ(check_error("[1e400,\"a\\\"]"), json::errc::syntax);
    EXPECT_FALSE(check_error("[1e400,\"01\\\\\",1e400,0,-1,10,0.5e-3]"));
}

TEST(JsonVectors, MillionBrackets) {
    const std::string brackets(1'000'000, '[');
    EXPECT_EQ(check_error(brackets), json::errc::too_deep);
    EXPECT_EQ(error_of(in_object(brackets)), json::errc::too_deep);
    std::string braces;
    for (int i = 0; i < 200'000; ++i)
        braces += R"({"a":)";
    EXPECT_EQ(error_of(braces), json::errc::too_deep);
}

TEST(JsonReader, RawRangesAreTheBytesOfEachValue) {
    const auto text = "\t{ \"a\" : 1 , \"b\":\"x\\n\\u00e9y\" ,\"c\" :[ 1, {\"d\" : [] } ] , "
                      "\"e\":{ } ,\"f\":null,\"g\": true\n,\"h\":-1.50e+3,\"\":false, "
                      "\"k\\\"\\u006b\" : \"}\" } \r\n"s;
    const auto parsed = json::parse_object(text);
    ASSERT_TRUE(parsed);
    const struct {
        std::string_view key, raw, text;
        json::kind kind;
    } expected[] = {
        {"a", "1", "", json::kind::number},
        {"b", R"("x\n\u00e9y")", "x\néy", json::kind::string},
        {"c", R"([ 1, {"d" : [] } ])", "", json::kind::array},
        {"e", "{ }", "", json::kind::object},
        {"f", "null", "", json::kind::null},
        {"g", "true", "", json::kind::boolean},
        {"h", "-1.50e+3", "", json::kind::number},
        {"", "false", "", json::kind::boolean},
        {"k\"k", R"("}")", "}", json::kind::string},
    };
    ASSERT_EQ(parsed->members().size(), std::size(expected));
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        const auto& member = parsed->members()[i];
        EXPECT_EQ(member.key, expected[i].key);
        EXPECT_EQ(member.raw, expected[i].raw);
        EXPECT_EQ(member.text, expected[i].text);
        EXPECT_EQ(member.kind, expected[i].kind);
        EXPECT_GE(member.raw.data(), text.data());
        EXPECT_LE(member.raw.data() + member.raw.size(), text.data() + text.size());
    }
    EXPECT_EQ(parsed->find("none"), nullptr);
}

TEST(JsonReader, RefusesWhatIsNotJson) {
    for (const auto text : {""sv,
                            " "sv,
                            "{"sv,
                            "}"sv,
                            "{\"a\":1"sv,
                            "{\"a\":1}}"sv,
                            "{\"a\"}"sv,
                            "{a:1}"sv,
                            "{\"a\":1,}"sv,
                            "{\"a\":01}"sv,
                            "{\"a\":1.}"sv,
                            "{\"a\":.5}"sv,
                            "{\"a\":+1}"sv,
                            "{\"a\":1e}"sv,
                            "{\"a\":1e400x}"sv,
                            "{\"a\":1e400 01}"sv,
                            "{\"a\":-}"sv,
                            "{\"a\":NaN}"sv,
                            "{\"a\":Infinity}"sv,
                            "{\"a\":tru}"sv,
                            "{'a':1}"sv,
                            "{\"a\":1} x"sv,
                            "{\"a\":1}{\"a\":1}"sv,
                            "{\"a\":1/**/}"sv,
                            "{\"a\":\"\n\"}"sv,
                            "{\"a\":\"\\x\"}"sv,
                            "{\"a\":\"\\u12\"}"sv,
                            "{\"a\":\"abc}"sv,
                            "\xef\xbb\xbf{\"a\":1}"sv,
                            "{\"a\":1e400,\"a"sv,
                            "{\"a\":[1,]}"sv,
                            "{\"a\":00000}"sv})
        EXPECT_EQ(error_of(text), json::errc::syntax) << text;
}

TEST(JsonReader, NulBytesAreNoEnd) {
    for (const auto text : {"{\"a\":1}\0"sv, "{\"a\":1}\0x"sv, "\0{\"a\":1}"sv, "{\"a\0\":1}"sv,
                            "{\"a\":\"\0\"}"sv, "{\"a\":1\0}"sv, "{\"a\":1e400}\0"sv, "\0"sv})
        EXPECT_EQ(error_of(text), json::errc::syntax);
    const auto escaped = json::parse_object(R"({"a":"x\u0000y"})");
    ASSERT_TRUE(escaped);
    EXPECT_EQ(escaped->find("a")->text, "x\0y"sv);
}

TEST(JsonReader, LoneSurrogatesAreRefused) {
    for (const auto text :
         {R"({"a":"\ud800"})"sv, R"({"a":"\udc00"})"sv, R"({"a":"\ud800x"})"sv,
          R"({"a":"\ud800\n"})"sv, R"({"a":"\ud800\ud800"})"sv, R"({"a":"\udc00\ud800"})"sv,
          R"({"\udfff":1})"sv, R"({"a":[{"\udc00":1}]})"sv, R"({"a":["\udc00"]})"sv})
        EXPECT_EQ(error_of(text), json::errc::syntax) << text;
    EXPECT_EQ(json::parse_object(R"({"a":"\ud83d\ude00"})")->find("a")->text, "😀");
}

TEST(JsonReader, InvalidUtf8IsRefusedEverywhere) {
    for (const auto text :
         {"{\"a\":\"\xff\"}"sv, "{\"\xc0\x80\":1}"sv, "{\"a\":[\"\xed\xa0\x80\"]}"sv,
          "{\"a\":\"\xf0\x9f\x98"sv, "{\"a\":1}\x80"sv, "{\"a\":\"\xe2\x82\"}"sv})
        EXPECT_EQ(error_of(text), json::errc::syntax);
}

TEST(JsonReader, OutermostValueMustBeAnObject) {
    for (const auto text : {"[]"sv, "1"sv, "\"a\""sv, "null"sv, "[{\"a\":1}]"sv, " true "sv})
        EXPECT_EQ(error_of(text), json::errc::not_an_object) << text;
    EXPECT_TRUE(json::parse_object("{}")->members().empty());
}

TEST(JsonReader, DuplicateKeysOfTheOutermostObjectAreRefused) {
    EXPECT_EQ(error_of(R"({"a":1,"b":2,"a":1})"), json::errc::duplicate_key);
    EXPECT_EQ(error_of(R"({"a":1,"\u0061":2})"), json::errc::duplicate_key);
    EXPECT_FALSE(error_of(R"({"a":{"x":1,"x":2},"x":3})"));
}

TEST(JsonReader, LimitsHoldExactly) {
    EXPECT_FALSE(check_error(nested(64)));
    EXPECT_EQ(check_error(nested(65)), json::errc::too_deep);
    EXPECT_FALSE(check_error(nested(3), 3));
    EXPECT_EQ(check_error(nested(4), 3), json::errc::too_deep);
    EXPECT_FALSE(error_of(in_object(nested(63))));
    EXPECT_EQ(error_of(in_object(nested(64))), json::errc::too_deep);
    // Neighbours don't add up.
    EXPECT_FALSE(check_error("[[],[],{},[[]]]", 3));

    std::string keys;
    for (int i = 0; i < 64; ++i)
        keys += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
    EXPECT_FALSE(error_of("{" + keys + "}"));
    EXPECT_EQ(error_of("{" + keys + ",\"more\":0}"), json::errc::too_many_keys);
    EXPECT_FALSE(error_of("{\"a\":{" + keys + ",\"more\":0}}"));
}

TEST(JsonReader, AfterAnErrorTheMembersBeforeItAreThere) {
    json::object out;
    const auto text = R"({"type":"x","ref":7,"data":[[[)"s;
    EXPECT_EQ(json::parse_object(text, out), json::errc::syntax);
    ASSERT_NE(out.find("ref"), nullptr);
    EXPECT_EQ(out.find("ref")->raw, "7");
    EXPECT_EQ(out.find("data"), nullptr);
    EXPECT_FALSE(json::parse_object("{}", out));
    EXPECT_TRUE(out.members().empty());
}

TEST(JsonArray, RawRangesAreTheBytesOfEachValue) {
    const auto text = " [ 1e400 ,\"x\\n\\u00e9\",[ 1, {\"a\" : []} ] , { \"b\":[2] },null\n,\t"
                      "true,[],\"]\" , -1.50e+3 ]\r\n"s;
    const auto parsed = json::parse_array(text);
    ASSERT_TRUE(parsed);
    const struct {
        std::string_view raw, text;
        json::kind kind;
    } expected[] = {
        {"1e400", "", json::kind::number},
        {R"("x\n\u00e9")", "x\né", json::kind::string},
        {R"([ 1, {"a" : []} ])", "", json::kind::array},
        {R"({ "b":[2] })", "", json::kind::object},
        {"null", "", json::kind::null},
        {"true", "", json::kind::boolean},
        {"[]", "", json::kind::array},
        {R"("]")", "]", json::kind::string},
        {"-1.50e+3", "", json::kind::number},
    };
    ASSERT_EQ(parsed->size(), std::size(expected));
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        const auto& member = (*parsed)[i];
        EXPECT_EQ(member.key, "");
        EXPECT_EQ(member.raw, expected[i].raw);
        EXPECT_EQ(member.text, expected[i].text);
        EXPECT_EQ(member.kind, expected[i].kind);
        EXPECT_GE(member.raw.data(), text.data());
        EXPECT_LE(member.raw.data() + member.raw.size(), text.data() + text.size());
    }
    EXPECT_TRUE(json::parse_array(" [ ] ")->empty());
}

TEST(JsonArray, LimitsAndErrors) {
    const auto error = [](std::string_view text, const json::limits& limits = {}) {
        const auto parsed = json::parse_array(text, limits);
        return parsed ? boost::system::error_code() : parsed.error();
    };
    for (const auto text : {R"({"a":[1]})"sv, R"({"a":1,"a":2})"sv, "1"sv, "\"[]\""sv, "null"sv})
        EXPECT_EQ(error(text), json::errc::not_an_array) << text;
    for (const auto text : {""sv, "["sv, "[1,]"sv, "[,1]"sv, "[1 2]"sv, "[1]]"sv, "[1][2]"sv,
                            "[\"\\udc00\"]"sv, "[1]\0"sv, "[01]"sv})
        EXPECT_EQ(error(text), json::errc::syntax) << text;
    EXPECT_FALSE(error("[1,[],3]", {.keys = 3}));
    EXPECT_EQ(error("[1,2,3,[]]", {.keys = 3}), json::errc::too_many_keys);
    EXPECT_FALSE(error("[[1,2,3,4]]", {.keys = 3}));
    EXPECT_FALSE(error(nested(64)));
    EXPECT_EQ(error(nested(65)), json::errc::too_deep);
    // Their keys are nobody's business here.
    EXPECT_FALSE(error(R"([{"a":1,"a":2}])"));
}

TEST(JsonCheck, TakesAnyOneValue) {
    for (const auto text : {"null"sv, " 1 "sv, "\"a\""sv, "[]"sv, R"({"a":1,"a":2})"sv, "1e400"sv})
        EXPECT_FALSE(check_error(text)) << text;
    for (const auto text : {""sv, "1 2"sv, "nul"sv, "[1"sv, "\"\xff\""sv, "1\0"sv})
        EXPECT_EQ(check_error(text), json::errc::syntax) << text;
}

TEST(JsonInteger, OnlyWholeNumbersOfSixtyFourBits) {
    EXPECT_EQ(json::to_integer("0"), 0);
    EXPECT_EQ(json::to_integer("-12"), -12);
    EXPECT_EQ(json::to_integer("9223372036854775807"), INT64_MAX);
    EXPECT_EQ(json::to_integer("-9223372036854775808"), INT64_MIN);
    for (const auto raw :
         {"9223372036854775808", "1.0", "1e3", "1e400", "", "\"1\"", "x", "1 ", " 1", "+1", "-"})
        EXPECT_EQ(json::to_integer(raw), std::nullopt) << raw;
}

TEST(JsonString, EscapesOnlyWhatJsonNeeds) {
    const auto written = [](std::string_view text) {
        std::string out = ">";
        json::append_string(out, text);
        return out;
    };
    EXPECT_EQ(written(""), R"(>"")");
    EXPECT_EQ(written("é€😀/\x7f"), ">\"é€😀/\x7f\"");
    EXPECT_EQ(written("a\"b\\c"), R"(>"a\"b\\c")");
    EXPECT_EQ(written("\b\f\n\r\t"), R"(>"\b\f\n\r\t")");
    EXPECT_EQ(written("\0\x01\x1f"sv), R"(>"\u0000\u0001\u001F")");
}

TEST(JsonString, WhatIsWrittenIsReadBack) {
    std::string all;
    for (int c = 0; c < 128; ++c)
        all.push_back(static_cast<char>(c));
    all += "é€😀";
    std::string out = R"({"v":)";
    json::append_string(out, all);
    out += '}';
    const auto parsed = json::parse_object(out);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->find("v")->text, all);
}

TEST(JsonError, SaysWhatIsWrong) {
    for (const auto code :
         {json::errc::syntax, json::errc::too_deep, json::errc::not_an_object,
          json::errc::not_an_array, json::errc::duplicate_key, json::errc::too_many_keys})
        EXPECT_NE(json::make_error_code(code).message(), "unknown error");
    EXPECT_EQ(json::category().name(), "json"sv);
}

} // namespace
