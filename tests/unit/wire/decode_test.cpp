#include "wire/decode.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

template <typename Verb>
Verb taken(std::string_view text) {
    const auto frame = wire::decode(text);
    if (!frame) {
        ADD_FAILURE() << text << ": " << frame.error().failure.message;
        return {};
    }
    const auto* const verb = std::get_if<Verb>(&frame->verb);
    EXPECT_NE(verb, nullptr) << text;
    return verb == nullptr ? Verb{} : *verb;
}

/// The code a text is refused with, or nothing if it is taken.
std::optional<base::errc> refused(std::string_view text) {
    const auto frame = wire::decode(text);
    if (frame)
        return std::nullopt;
    EXPECT_FALSE(frame.error().failure.message.empty());
    EXPECT_EQ(frame.error().failure.message.back(), '.');
    return frame.error().failure.code;
}

std::string subscribe_with(std::string_view more) {
    return R"({"type":"subscribe","channel":"c",)" + std::string(more) + "}";
}

void expect_malformed(const std::string& text, std::string_view word) {
    const auto frame = wire::decode(text);
    ASSERT_FALSE(frame) << text;
    EXPECT_EQ(frame.error().failure.code, base::errc::malformed) << text;
    EXPECT_NE(frame.error().failure.message.find(word), std::string::npos)
        << text << ": " << frame.error().failure.message;
}

TEST(Decode, EveryVerb) {
    EXPECT_EQ(taken<wire::auth>(R"({"type":"auth","token":"e.y.J"})").token, "e.y.J");
    EXPECT_EQ(taken<wire::unsubscribe>(R"({"type":"unsubscribe","channel":"c"})").channel, "c");
    taken<wire::ping>(R"({"type":"ping"})");
    const auto ack = taken<wire::ack>(R"({"type":"ack","channel":"jobs","seq":131})");
    EXPECT_EQ(ack.channel, "jobs");
    EXPECT_EQ(ack.seq, 131);
    EXPECT_EQ(ack.epoch, std::nullopt);
    EXPECT_EQ(taken<wire::ack>(R"({"type":"ack","channel":"c","seq":1,"epoch":"e.1"})").epoch, "e.1");
}

TEST(Decode, SubscribeStarts) {
    const auto now = taken<wire::subscribe>(R"({"type":"subscribe","channel":"sp\u006frts"})");
    EXPECT_EQ(now.channel, "sports");
    EXPECT_TRUE(std::holds_alternative<wire::from_now>(now.start));
    EXPECT_FALSE(now.epoch || now.consumer || now.window);

    const auto start = taken<wire::subscribe>(subscribe_with(R"("after":"start")"));
    EXPECT_TRUE(std::holds_alternative<wire::from_start>(start.start));

    const auto after = taken<wire::subscribe>(subscribe_with(R"("after":120,"epoch":"e")"));
    EXPECT_EQ(std::get<wire::after_seq>(after.start).seq, 120);
    EXPECT_EQ(after.epoch, "e");

    const auto most = taken<wire::subscribe>(subscribe_with(R"("after":9223372036854775807)"));
    EXPECT_EQ(std::get<wire::after_seq>(most.start).seq, INT64_MAX);

    const auto durable = taken<wire::subscribe>(subscribe_with(R"("consumer":"i","window":100)"));
    EXPECT_EQ(durable.consumer, "i");
    EXPECT_EQ(durable.window, 100U);
}

TEST(Decode, SubscribeRefusesWrongValues) {
    for (const auto value : {"-1", "1.0", "1e3", "9223372036854775808", "1e400", "\"now\"", "null",
                             "[]", "{}", "true", "\"1\"", "\"Start\""})
        expect_malformed(subscribe_with(R"("after":)"s + value), "after");
    for (const auto value : {"0", "-1", "100001", "1.5", "\"1\"", "null", "1e400"})
        expect_malformed(subscribe_with(R"("window":)"s + value), "window");
    for (const auto value : {"1", "null", "{}"})
        expect_malformed(subscribe_with(R"("epoch":)"s + value), "epoch");
    for (const auto value : {"1", "null", "\"\"", "\"a\\nb\""})
        expect_malformed(subscribe_with(R"("consumer":)"s + value), "consumer");
    EXPECT_FALSE(refused(subscribe_with(R"("epoch":")" + std::string(128, 'e') + '"')));
    expect_malformed(subscribe_with(R"("epoch":")" + std::string(129, 'e') + '"'), "epoch");
    EXPECT_FALSE(refused(subscribe_with(R"("window":1)")));
    EXPECT_FALSE(refused(subscribe_with(R"("window":100000)")));
}

TEST(Decode, PublishKeepsDataByteForByte) {
    for (const auto data :
         {R"({ "b":1.0,"a" :[1e400, -0],"b":"\u00e9\/é" })"sv, "null"sv, "\"x\""sv, "1.50"sv,
          "[ ]"sv, "12345678901234567890.123"sv, "false"sv}) {
        const auto text =
            R"({"type":"publish","data": )" + std::string(data) + R"( ,"channel":"c"})";
        EXPECT_EQ(taken<wire::publish>(text).data, data);
    }
    EXPECT_EQ(refused(R"({"type":"publish","channel":"c"})"), base::errc::malformed);
    expect_malformed(R"({"type":"publish","channel":"c"})", "use null");
}

TEST(Decode, IdIsALoweredUuid) {
    const auto with_id = [](std::string_view id) {
        return R"({"type":"publish","channel":"c","data":1,"id":)" + std::string(id) + "}";
    };
    EXPECT_EQ(taken<wire::publish>(with_id(R"("0B7C1F0E-5d5b-4b0e-8F1E-2A9D3C4B5A69")")).id,
              "0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69");
    for (const auto id :
         {R"("")", R"("0b7c1f0e5d5b4b0e8f1e2a9d3c4b5a69")",
          R"("{0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69}")", R"("0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a6")",
          R"("0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a6g")", R"("0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a690")",
          R"("0b7c1f0e-5d5b-4b0e-8f1e02a9d3c4b5a69")", "1", "null"})
        expect_malformed(with_id(id), "id must");
}

TEST(Decode, HistoryHasDefaults) {
    const auto plain = taken<wire::history>(R"({"type":"history","channel":"c"})");
    EXPECT_TRUE(std::holds_alternative<wire::from_start>(plain.start));
    EXPECT_EQ(plain.limit, 100U);
    const auto page =
        taken<wire::history>(R"({"type":"history","channel":"c","after":0,"limit":1000})");
    EXPECT_EQ(std::get<wire::after_seq>(page.start).seq, 0);
    EXPECT_EQ(page.limit, 1000U);
    EXPECT_EQ(taken<wire::history>(R"({"type":"history","channel":"c","limit":5000000000})").limit,
              1000U);
    for (const auto limit : {"0", "-1", "1.5", "\"9\"", "null"})
        expect_malformed(R"({"type":"history","channel":"c","limit":)"s + limit + "}", "limit");
}

TEST(Decode, AckNeedsASeq) {
    for (const auto seq : {R"("seq":-1)", R"("seq":"1")", R"("seq":1.5)", R"("x":1)"})
        expect_malformed(R"({"type":"ack","channel":"c",)"s + seq + "}", "seq");
}

TEST(Decode, ChannelOfEveryVerbIsChecked) {
    for (const auto type : {"subscribe", "unsubscribe", "publish", "history", "ack"}) {
        const auto head = R"({"type":")"s + type + R"(","data":1,"seq":1)";
        EXPECT_EQ(refused(head + "}"), base::errc::malformed) << type;
        EXPECT_EQ(refused(head + R"(,"channel":1})"), base::errc::malformed) << type;
        EXPECT_EQ(refused(head + R"(,"channel":""})"), base::errc::invalid_channel) << type;
        EXPECT_EQ(refused(head + R"(,"channel":"a\u0000b"})"), base::errc::invalid_channel) << type;
        EXPECT_FALSE(refused(head + R"(,"channel":"c"})")) << type;
    }
}

TEST(Decode, RefIsEchoedAsItWasWritten) {
    for (const auto ref : {"1"sv, "-1.50e+3"sv, "1e400"sv, "\"\""sv, R"("a\u00e9\n")"sv, "\"é\""sv,
                           "12345678901234567890123456789012345678901234567890123456789012.4"sv}) {
        const auto text = R"({"type":"ping","ref": )" + std::string(ref) + " }";
        const auto frame = wire::decode(text);
        ASSERT_EQ(bool(frame), ref.size() <= 64) << ref;
        if (frame) {
            EXPECT_EQ(frame->ref.raw, ref);
        }
    }
    EXPECT_EQ(wire::decode(R"({"type":"ping"})")->ref.raw, "");
    EXPECT_TRUE(wire::decode(R"({"type":"ping","ref":")" + std::string(62, 'r') + "\"}"));
    expect_malformed(R"({"type":"ping","ref":")" + std::string(63, 'r') + "\"}", "64");
    for (const auto ref : {"null", "true", "[1]", "{}"})
        expect_malformed(R"({"type":"ping","ref":)"s + ref + "}", "ref");
}

TEST(Decode, ErrorsCarryTheRef) {
    for (const auto text : {R"({"ref":"r","type":"nothing"})"sv, R"({"type":1,"ref":"r"})"sv,
                            R"({"ref":"r"})"sv, R"({"type":"subscribe","channel":"","ref":"r"})"sv,
                            R"({"ref":"r","type":"ping","type":1})"sv,
                            R"({"ref":"r","type":"publish","channel":"c","data":[)"sv,
                            R"({"ref":"r","type":"publish","channel":"c","data":1,"id":7})"sv}) {
        const auto frame = wire::decode(text);
        ASSERT_FALSE(frame) << text;
        EXPECT_EQ(frame.error().ref.raw, "\"r\"") << text;
    }
    const auto deep = R"({"ref":7,"data":)" + std::string(100, '[');
    EXPECT_EQ(wire::decode(deep).error().ref.raw, "7");
    EXPECT_EQ(wire::decode("[1]").error().ref.raw, "");
    EXPECT_EQ(wire::decode(R"({"ref":null,"data":[})").error().ref.raw, "");
}

TEST(Decode, EnvelopeRules) {
    expect_malformed("", "JSON");
    expect_malformed("[]", "object");
    expect_malformed(R"({"type":"ping")", "JSON");
    expect_malformed("{\"type\":\"ping\",\"x\":\"\xff\"}", "UTF-8");
    expect_malformed(R"({"type":"subscribe","channel":"mine","channel":"theirs"})", "twice");
    expect_malformed(R"({"x":)" + std::string(64, '[') + std::string(64, ']') + "}", "64");
    EXPECT_FALSE(
        refused(R"({"type":"ping","x":)" + std::string(63, '[') + std::string(63, ']') + "}"));
    std::string keys = R"({"type":"ping")";
    for (int i = 0; i < 64; ++i)
        keys += ",\"" + std::to_string(i) + "\":0";
    expect_malformed(keys + "}", "64 keys");
    expect_malformed("{}", "type");
    expect_malformed(R"({"type":null})", "type");
    EXPECT_EQ(refused(R"({"type":"PING"})"), base::errc::unknown_type);
    EXPECT_EQ(refused(R"({"type":""})"), base::errc::unknown_type);
    EXPECT_FALSE(refused(R"({"type":"ping","unheard":{"of":1}})"));
    for (const auto token : {R"("token":1)", R"("token":null)", R"("x":1)"})
        expect_malformed(R"({"type":"auth",)"s + token + "}", "token");
}

TEST(Decode, MessagesDontEchoTheClient) {
    for (const auto text :
         {R"({"type":"evil\n"})"sv, R"({"type":"subscribe","channel":"evil\n"})"sv,
          R"({"type":"ping","ref":["evil"]})"sv, R"({"evil":1,"evil":2})"sv, R"({"evil")"sv}) {
        const auto frame = wire::decode(text);
        ASSERT_FALSE(frame);
        EXPECT_EQ(frame.error().failure.message.find("evil"), std::string::npos);
    }
}

TEST(ValidChannel, OneTo255BytesWithoutControls) {
    for (const auto channel : {"a"sv, "a\"b"sv, "a;drop table x"sv, "ünï😀"sv, " "sv, "\u00a0"sv,
                               "../x"sv, "\xc3\x80"sv, "\u2028"sv})
        EXPECT_TRUE(wire::valid_channel(channel)) << channel;
    EXPECT_TRUE(wire::valid_channel(std::string(255, 'c')));
    for (const auto channel : {""sv, "\0"sv, "a\nb"sv, "\x1f"sv, "\x7f"sv, "\u0080"sv, "x\u009fx"sv,
                               "\xff"sv, "\xc2"sv, "\xed\xa0\x80"sv})
        EXPECT_FALSE(wire::valid_channel(channel)) << channel;
    EXPECT_FALSE(wire::valid_channel(std::string(256, 'c')));
    EXPECT_FALSE(wire::valid_channel(std::string(254, 'c') + "é"));
}

TEST(Decode, ValueOfARefusedFrameThrows) {
    EXPECT_THROW(wire::decode("").value(), std::runtime_error);
}

} // namespace
