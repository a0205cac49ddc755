// The reader of frames alone: what it tells of bytes must not depend on how they are cut.
#include "tests/support/ws_client.hpp"
#include "ws/frame_reader.hpp"

#include <boost/beast/zlib/deflate_stream.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using support::client_frame;
using ws::frame_reader;
using event = frame_reader::event;

constexpr std::size_t limit = 1000;

std::string in_words(event what, const frame_reader& reader) {
    const std::string payload(reader.payload());
    switch (what) {
    case event::message:
        return (reader.is_binary() ? "binary " : "text ") + payload;
    case event::ping:
        return "ping " + payload;
    case event::pong:
        return "pong " + payload;
    case event::close:
        return "close " + std::to_string(reader.code());
    case event::violation:
        return "violation " + std::to_string(reader.code());
    case event::none:
        break;
    }
    return "none";
}

/// What a reader tells of these bytes, cut into pieces of that size.
std::vector<std::string> told(const std::string& bytes, std::size_t piece,
                              const std::optional<ws::deflate_terms>& terms = std::nullopt) {
    frame_reader reader(limit, terms);
    std::vector<std::string> all;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        std::string copy = bytes.substr(at, piece); // a buffer of its own, for the sanitizer
        std::span<char> rest(copy);
        while (!rest.empty()) {
            const auto what = reader.take(rest);
            if (what == event::none)
                continue;
            all.push_back(in_words(what, reader));
            if (what == event::violation)
                return all;
        }
        reader.release();
    }
    return all;
}

void expect(const std::string& bytes, const std::vector<std::string>& events,
            const std::optional<ws::deflate_terms>& terms = std::nullopt) {
    for (const std::size_t piece : {bytes.size(), std::size_t{1}, std::size_t{2}, std::size_t{3},
                                    std::size_t{7}, std::size_t{11}, std::size_t{64}})
        EXPECT_EQ(told(bytes, piece, terms), events) << piece;
}

std::string deflated(const std::string& text) {
    namespace zlib = boost::beast::zlib;
    zlib::deflate_stream stream;
    std::string out(zlib::deflate_upper_bound(text.size()) + 64, '\0');
    zlib::z_params params;
    params.next_in = text.data();
    params.avail_in = text.size();
    params.next_out = out.data();
    params.avail_out = out.size();
    boost::beast::error_code error;
    stream.write(params, zlib::Flush::sync, error);
    out.resize(params.total_out - 4);
    return out;
}

TEST(FrameReader, MessagesAndControlFramesInTheirOrder) {
    expect(client_frame(1, "one") + client_frame(2, std::string("\0\xff", 2)) +
               client_frame(1, "tw", false) + client_frame(9, "now") + client_frame(0, "", false) +
               client_frame(10, "") + client_frame(0, "o") + client_frame(1, "") +
               client_frame(9, std::string(125, 'p')) + client_frame(8, "\x0f\xa1why"),
           {"text one", "binary " + std::string("\0\xff", 2), "ping now", "pong ", "text two",
            "text ", "ping " + std::string(125, 'p'), "close 4001"});
    expect(client_frame(8, ""), {"close 1005"});
}

TEST(FrameReader, LengthsOfAllForms) {
    for (const std::size_t size : {0U, 1U, 7U, 8U, 9U, 125U, 126U, 127U, 999U, 1000U}) {
        const std::string text(size, 'x');
        expect(client_frame(1, text) + client_frame(1, "behind"), {"text " + text, "text behind"});
    }
    expect(client_frame(1, std::string(1001, 'x')), {"violation 1009"});
    expect(client_frame(1, std::string(600, 'x'), false) + client_frame(0, std::string(401, 'x')),
           {"violation 1009"});
    frame_reader large(70'000);
    std::string bytes = client_frame(2, std::string(70'000, 'y'));
    std::span<char> rest(bytes);
    ASSERT_EQ(large.take(rest), event::message);
    EXPECT_EQ(large.payload(), std::string(70'000, 'y'));
}

// That it isn't copied is what the speed is owed to.
TEST(FrameReader, AMessageInOnePieceStaysWhereItIs) {
    frame_reader reader(limit);
    std::string bytes = client_frame(1, "first") + client_frame(1, "second");
    std::span<char> rest(bytes);
    for (const std::string_view wanted : {"first", "second"}) {
        ASSERT_EQ(reader.take(rest), event::message);
        EXPECT_EQ(reader.payload(), wanted);
        EXPECT_GE(reader.payload().data(), bytes.data());
        EXPECT_LT(reader.payload().data(), bytes.data() + bytes.size());
    }
    EXPECT_TRUE(rest.empty());
}

TEST(FrameReader, ALengthIsRefusedBeforeItsBytesCome) {
    frame_reader reader(limit);
    std::string header = client_frame(2, std::string(1001, 'x')).substr(0, 8);
    std::span<char> rest(header);
    EXPECT_EQ(reader.take(rest), event::violation);
    EXPECT_EQ(reader.code(), 1009);
}

TEST(FrameReader, TextIsRefusedAsSoonAsItCannotBecomeValid) {
    frame_reader reader(limit);
    std::string bytes = client_frame(1, "caf\xc3(", false);
    std::span<char> rest(bytes);
    EXPECT_EQ(reader.take(rest), event::violation);
    EXPECT_EQ(reader.code(), 1007);
    expect(client_frame(1, "caf\xc3", false) + client_frame(0, "\xa9"), {"text caf\xc3\xa9"});
    expect(client_frame(1, "caf\xc3", false) + client_frame(0, ""), {"violation 1007"});
    // What one message leaves unfinished is nothing to the next.
    expect(client_frame(2, "\xc3") + client_frame(1, "a"), {"binary \xc3", "text a"});
}

TEST(FrameReader, CompressedMessages) {
    const ws::deflate_terms terms;
    const std::string text = "a message, a message, a message";
    const std::string small = deflated(text);
    expect(client_frame(0x41, small) + client_frame(1, "plain") +
               client_frame(0x41, small.substr(0, 5), false) + client_frame(9, "p") +
               client_frame(0, small.substr(5)),
           {"text " + text, "text plain", "ping p", "text " + text}, terms);
    expect(client_frame(0x41, deflated(std::string(1000, 'x'))), {"text " + std::string(1000, 'x')},
           terms);
    expect(client_frame(0x41, deflated(std::string(1001, 'x'))), {"violation 1009"}, terms);
    expect(client_frame(0x41, small.substr(0, small.size() / 2)), {"violation 1007"}, terms);
    expect(client_frame(0x41, std::string(20, '\xff')), {"violation 1007"}, terms);
    expect(client_frame(0x41, deflated("caf\xc3")), {"violation 1007"}, terms);
    expect(client_frame(0x42, deflated("caf\xc3")), {"binary caf\xc3"}, terms);
    expect(client_frame(0x41, small), {"violation 1002"});
}

// The bytes are those of RFC 7692 7.2.3.4, a block that says it is the last and an empty one.
TEST(FrameReader, ACompressedMessageMayEndItsStream) {
    const ws::deflate_terms terms;
    const std::string hello("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
    expect(client_frame(0x41, hello) + client_frame(0x41, hello), {"text Hello", "text Hello"},
           terms);
    const std::string ended = hello.substr(0, 7);
    expect(client_frame(0x41, ended + ended + hello), {"text HelloHelloHello"}, terms);
    // Wherever it is cut: a byte of the next stream may have been read for the bits of this one.
    for (std::size_t at = 0; at <= hello.size(); ++at) {
        expect(client_frame(0x41, ended + hello.substr(0, at), false) +
                   client_frame(0, hello.substr(at)),
               {"text HelloHello"}, terms);
    }
    expect(client_frame(0x41, ended), {"violation 1007"}, terms);
}

/// Two messages of one stream: the second refers to the first.
TEST(FrameReader, AWindowIsKeptOrNotAsWasAgreed) {
    namespace zlib = boost::beast::zlib;
    zlib::deflate_stream stream;
    const auto next = [&](const std::string& text) {
        std::string out(1000, '\0');
        zlib::z_params params;
        params.next_in = text.data();
        params.avail_in = text.size();
        params.next_out = out.data();
        params.avail_out = out.size();
        boost::beast::error_code error;
        stream.write(params, zlib::Flush::sync, error);
        out.resize(params.total_out - 4);
        return out;
    };
    const std::string text = "far from being compressible: 0123456789abcdefghijklmnopqrstuvwxyz";
    const std::string first = client_frame(0x41, next(text));
    const std::string second = client_frame(0x41, next(text));
    ASSERT_LT(second.size(), first.size() / 2);
    expect(first + second, {"text " + text, "text " + text}, ws::deflate_terms{true});
    expect(first + second, {"text " + text, "violation 1007"}, ws::deflate_terms{false});
}

} // namespace
