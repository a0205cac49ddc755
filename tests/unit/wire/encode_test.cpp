#include "wire/encode.hpp"

#include "wire/close_code.hpp"
#include "json/reader.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

/// Compares a frame with the text it must be. With PGHERALD_FRAMES_OUT set it also appends the
/// frame to that file, for tests/arch/protocol_schema.py.
void expect_frame(const std::string& frame, std::string_view expected) {
    EXPECT_EQ(frame, expected);
    EXPECT_TRUE(json::parse_object(frame)) << frame;
    if (const char* const out = std::getenv("PGHERALD_FRAMES_OUT"))
        std::ofstream(out, std::ios::app) << frame << '\n';
}

constexpr base::message_view goal{.seq = 121,
                                  .channel = "sports",
                                  .id = "0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69",
                                  .data = R"({ "home":1.0,"n":1e400 })",
                                  .created_at = "2026-01-31T18:04:05.678901+00:00"};

template <typename Append, typename... Args>
std::string made(Append append, const Args&... args) {
    std::string out;
    append(out, args...);
    return out;
}

TEST(ServerFrames, Welcome) {
    expect_frame(made(wire::append_welcome, wire::welcome{.session = "5f0c",
                                                          .epoch = "e\"1",
                                                          .head = 131,
                                                          .auth_required = false,
                                                          .ping_interval_seconds = 25,
                                                          .max_frame = 65536,
                                                          .server = "pgherald/0.1.0"}),
                 R"({"type":"welcome","session":"5f0c","epoch":"e\"1","head":131,"auth":"none",)"
                 R"("ping_interval":25,"max_frame":65536,"server":"pgherald/0.1.0"})");
    expect_frame(made(wire::append_welcome, wire::welcome{.session = "",
                                                          .epoch = "",
                                                          .head = 0,
                                                          .auth_required = true,
                                                          .ping_interval_seconds = 0,
                                                          .max_frame = 1,
                                                          .server = ""}),
                 R"({"type":"welcome","session":"","epoch":"","head":0,"auth":"required",)"
                 R"("ping_interval":0,"max_frame":1,"server":""})");
}

TEST(ServerFrames, Message) {
    expect_frame(made(wire::append_message, goal),
                 R"({"type":"message","channel":"sports","seq":121,)"
                 R"("id":"0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69",)"
                 R"("data":{ "home":1.0,"n":1e400 },)"
                 R"("created_at":"2026-01-31T18:04:05.678901+00:00"})");
}

TEST(ServerFrames, MessageWithASender) {
    auto sent = goal;
    sent.sender = "a\"nn\n😀";
    expect_frame(made(wire::append_message, sent),
                 R"({"type":"message","channel":"sports","seq":121,)"
                 R"("id":"0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69",)"
                 R"("data":{ "home":1.0,"n":1e400 },)"
                 R"("created_at":"2026-01-31T18:04:05.678901+00:00","sender":"a\"nn\n😀"})");
    sent.data = {};
    sent.too_large = true;
    sent.sender = "ann";
    expect_frame(made(wire::append_message, sent),
                 R"({"type":"message","channel":"sports","seq":121,)"
                 R"("id":"0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69","too_large":true,)"
                 R"("created_at":"2026-01-31T18:04:05.678901+00:00","sender":"ann"})");
}

TEST(ServerFrames, MessageTooLarge) {
    auto large = goal;
    large.channel = "a\"b\\é😀";
    large.data = {};
    large.too_large = true;
    expect_frame(made(wire::append_message, large),
                 R"({"type":"message","channel":"a\"b\\é😀","seq":121,)"
                 R"("id":"0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69","too_large":true,)"
                 R"("created_at":"2026-01-31T18:04:05.678901+00:00"})");
}

TEST(ServerFrames, Ok) {
    const std::string id(goal.id);
    expect_frame(made(wire::append_ok, wire::ok{}), R"({"type":"ok"})");
    expect_frame(made(wire::append_ok, wire::ok{.ref = {R"("a\n")"}}),
                 R"({"type":"ok","ref":"a\n"})");
    expect_frame(made(wire::append_ok, wire::ok{.ref = {"3"}, .channel = "sports", .head = 0}),
                 R"({"type":"ok","ref":3,"channel":"sports","head":0})");
    expect_frame(made(wire::append_ok, wire::ok{.ref = {"7"}, .id = id, .seq = INT64_MAX}),
                 R"({"type":"ok","ref":7,"id":"0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69",)"
                 R"("seq":9223372036854775807})");
    expect_frame(made(wire::append_ok, wire::ok{.id = id, .seq = 132, .duplicate = true}),
                 R"({"type":"ok","id":"0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69",)"
                 R"("seq":132,"duplicate":true})");
}

TEST(ServerFrames, Live) {
    expect_frame(made(wire::append_live, "sports"sv, base::seq{131}),
                 R"({"type":"live","channel":"sports","seq":131})");
}

TEST(ServerFrames, AMessageFitsIntoTheRoomForIt) {
    const std::string sender(255, 's');
    base::message_view longest{.seq = std::numeric_limits<base::seq>::max(),
                               .channel = "sports",
                               .id = "0b7c1f0e-5d5b-4b0e-8f1e-2a9d3c4b5a69",
                               .data = "{}",
                               .created_at = "2026-01-31T18:04:05.678901+00:00",
                               .too_large = true};
    const auto expect_room = [&longest] {
        std::string out;
        out.reserve(wire::room_for_message(longest));
        const auto room = out.capacity();
        wire::append_message(out, longest);
        EXPECT_EQ(out.capacity(), room) << "a frame that had to grow takes twice its size";
    };
    expect_room();
    longest.sender = sender;
    expect_room();
    longest.sender = "";
    expect_room();
}

TEST(ServerFrames, Expiring) {
    expect_frame(made(wire::append_expiring, std::int64_t{30}), R"({"type":"expiring","in":30})");
}

TEST(ServerFrames, Unsubscribed) {
    expect_frame(made(wire::append_unsubscribed, "user.\"ann\""sv, "forbidden"sv),
                 R"({"type":"unsubscribed","channel":"user.\"ann\"","reason":"forbidden"})");
}

TEST(ServerFrames, Epoch) {
    expect_frame(made(wire::append_epoch, "7d1f.2"sv), R"({"type":"epoch","epoch":"7d1f.2"})");
}

TEST(ServerFrames, Reset) {
    const struct {
        base::reset_reason reason;
        std::string_view name;
    } reasons[] = {{base::reset_reason::trimmed, "trimmed"},
                   {base::reset_reason::epoch, "epoch"},
                   {base::reset_reason::ahead, "ahead"}};
    for (const auto& [reason, name] : reasons)
        expect_frame(made(wire::append_reset, "sports"sv, reason, base::seq{90}, base::seq{131}),
                     R"({"type":"reset","channel":"sports","reason":")" + std::string(name) +
                         R"(","oldest":90,"head":131})");
}

TEST(ServerFrames, History) {
    const auto first = made(wire::append_message, goal);
    auto next = goal;
    next.seq = 122;
    next.data = "null";
    const auto second = made(wire::append_message, next);
    const std::vector<std::string_view> both{first, second};
    expect_frame(made(wire::append_history, wire::ref{"8"}, both, true),
                 R"({"type":"ok","ref":8,"messages":[)" + first + "," + second +
                     R"(],"more":true})");
    expect_frame(made(wire::append_history, wire::ref{}, std::vector<std::string_view>{}, false),
                 R"({"type":"ok","messages":[],"more":false})");
}

TEST(ServerFrames, Error) {
    expect_frame(made(wire::append_error, wire::ref{"7"},
                      base::failure{base::errc::forbidden, "Not \"here\".\n"}),
                 R"({"type":"error","ref":7,"code":"forbidden","message":"Not \"here\".\n",)"
                 R"("retry":false})");
    for (int code = 0; code <= static_cast<int>(base::errc::internal); ++code) {
        const auto errc = static_cast<base::errc>(code);
        expect_frame(made(wire::append_error, wire::ref{}, base::failure{errc, "Why."}),
                     R"({"type":"error","code":")" + std::string(base::name_of(errc)) +
                         R"(","message":"Why.","retry":)" +
                         (base::can_retry(errc) ? "true}" : "false}"));
    }
}

TEST(Encode, AppendsBehindWhatIsThere) {
    std::string out = "before";
    wire::append_live(out, "c", 1);
    EXPECT_EQ(out, R"(before{"type":"live","channel":"c","seq":1})");
}

TEST(Encode, ControlCharactersOfAChannelAreEscaped) {
    EXPECT_EQ(made(wire::append_live, "a\x01\n"sv, base::seq{1}),
              R"({"type":"live","channel":"a\u0001\n","seq":1})");
}

TEST(CloseCode, ReasonsFitAControlFrame) {
    int known = 0;
    for (int code = 1000; code < 5000; ++code) {
        const auto reason = wire::reason_of(static_cast<wire::close_code>(code));
        known += reason.empty() ? 0 : 1;
        EXPECT_LE(reason.size(), 123U);
    }
    EXPECT_EQ(known, 10);
}

} // namespace
