// RFC 6455 from the handshake's end on, case by case, as bytes to a real daemon. After each case a
// session that was there before must still get its messages.
#include "tests/e2e/conformance.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/messages.hpp"

#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using conformance::check;
using conformance::frame_case;
using conformance::max_frame;
using conformance::padded;
using conformance::raw_session;
using conformance::service;
using conformance::verb;
using support::client_frame;

class ConformanceFrames : public testing::Test {
protected:
    static void SetUpTestSuite() { shared = std::make_unique<service>(); }
    static void TearDownTestSuite() { shared.reset(); }
    static std::unique_ptr<service> shared;
};

std::unique_ptr<service> ConformanceFrames::shared;

/// With other bits in the first byte than client_frame() sets.
std::string with_bits(std::string frame, unsigned bits) {
    frame[0] = static_cast<char>(static_cast<unsigned char>(frame[0]) | bits);
    return frame;
}

std::string unmasked(unsigned opcode, const std::string& payload) {
    return {std::string(1, static_cast<char>(0x80U | opcode)) + static_cast<char>(payload.size()) +
            payload};
}

std::string close_frame(unsigned code, const std::string& reason = {}) {
    return client_frame(8, std::string{static_cast<char>(code >> 8U), static_cast<char>(code)} +
                               reason);
}

/// A masked text frame's header with `bytes` for its length, and nothing behind it.
std::string header(std::uint64_t length, unsigned bytes, unsigned opcode = 1) {
    std::string out(1, static_cast<char>(0x80U | opcode));
    out += static_cast<char>(0x80U | (bytes == 2 ? 126U : 127U));
    for (unsigned i = bytes; i > 0; --i) {
        out += static_cast<char>(length >> (8 * (i - 1)));
    }
    return out + std::string(4, '\0');
}

TEST_F(ConformanceFrames, Fragments) {
    const std::string text = verb("f");
    std::string many;
    for (std::size_t i = 0; i < text.size(); ++i) {
        many += client_frame(i == 0 ? 1 : 0, text.substr(i, 1), i + 1 == text.size());
    }
    std::string thousand = client_frame(1, "", false);
    for (int i = 0; i < 1'000; ++i) {
        thousand += client_frame(0, "", false);
    }
    const std::string head = text.substr(0, 5);
    const std::string tail = text.substr(5);
    check(*shared,
          {
              {"one frame", client_frame(1, text), {"ok f"}},
              {"two", client_frame(1, head, false) + client_frame(0, tail), {"ok f"}},
              {"one a byte", many, {"ok f"}},
              {"empty first", client_frame(1, "", false) + client_frame(0, text), {"ok f"}},
              {"empty in between",
               client_frame(1, head, false) + client_frame(0, "", false) + client_frame(0, tail),
               {"ok f"}},
              {"empty last", client_frame(1, text, false) + client_frame(0, ""), {"ok f"}},
              {"a thousand empty ones", thousand + client_frame(0, text), {"ok f"}},
              {"two messages in a row",
               client_frame(1, head, false) + client_frame(0, tail) + client_frame(1, verb("g")),
               {"ok f", "ok g"}},
              {"an empty message", client_frame(1, ""), {"error malformed"}},
              {"an empty message of fragments",
               client_frame(1, "", false) + client_frame(0, ""),
               {"error malformed"}},
              {"a binary message", client_frame(2, text), {"error malformed"}},
              {"a binary message of fragments",
               client_frame(2, head, false) + client_frame(0, tail),
               {"error malformed"}},
              {"a continuation of nothing", client_frame(0, text), {"close 1002"}},
              {"a continuation of nothing, not the last",
               client_frame(0, text, false),
               {"close 1002"}},
              {"a text inside another",
               client_frame(1, head, false) + client_frame(1, tail),
               {"close 1002"}},
              {"a binary inside a text",
               client_frame(1, head, false) + client_frame(2, tail),
               {"close 1002"}},
          });
}

TEST_F(ConformanceFrames, ControlFrames) {
    const std::string longest(125, 'p');
    check(
        *shared,
        {
            {"a ping", client_frame(9, ""), {"pong "}},
            {"a ping with bytes",
             client_frame(9, std::string("\0\xff\x80", 3)),
             {"pong " + std::string("\0\xff\x80", 3)}},
            {"the longest ping", client_frame(9, longest), {"pong " + longest}},
            {"a ping that is too long", client_frame(9, longest + "p"), {"close 1002"}},
            {"a pong that is too long", client_frame(10, longest + "p"), {"close 1002"}},
            {"a close that is too long", client_frame(8, "\x03\xe8" + longest), {"close 1002"}},
            {"a ping of two fragments",
             client_frame(9, "a", false) + client_frame(0, "b"),
             {"close 1002"}},
            {"a pong that is not the last fragment", client_frame(10, "a", false), {"close 1002"}},
            {"a close that is not the last fragment",
             client_frame(8, "\x03\xe8", false),
             {"close 1002"}},
            {"pongs nobody asked for",
             client_frame(10, "") + client_frame(10, longest) + client_frame(1, verb("x")),
             {"ok x"}},
            {"ten pings in a row",
             [] {
                 std::string pings;
                 for (char each = '0'; each <= '9'; ++each) {
                     pings += client_frame(9, std::string(1, each));
                 }
                 return pings;
             }(),
             {"pong 0", "pong 1", "pong 2", "pong 3", "pong 4", "pong 5", "pong 6", "pong 7",
              "pong 8", "pong 9"}},
            {"pings and pongs between fragments",
             client_frame(1, R"({"type":"pi)", false) + client_frame(9, "one") +
                 client_frame(0, R"(ng","ref":)", false) + client_frame(10, "no") +
                 client_frame(9, "two") + client_frame(0, R"("f"})"),
             {"pong one", "pong two", "ok f"}},
            {"a close between fragments",
             client_frame(1, "{", false) + close_frame(1000),
             {"close 1000"}},
        });
    raw_session unfinished(*shared);
    unfinished.client.write(client_frame(1, "{", false) + client_frame(9, "now"));
    EXPECT_EQ(unfinished.next(), "pong now") << "must not wait for the message's end";
}

TEST_F(ConformanceFrames, ReservedBitsAndOpcodes) {
    std::vector<frame_case> cases;
    for (const unsigned bits : {0x10U, 0x20U, 0x40U, 0x70U}) {
        const std::string name = "bits " + std::to_string(bits);
        cases.push_back({name, with_bits(client_frame(1, verb("x")), bits), {"close 1002"}});
        cases.push_back(
            {name + " of a ping", with_bits(client_frame(9, "x"), bits), {"close 1002"}});
        cases.push_back({name + " of a close", with_bits(close_frame(1000), bits), {"close 1002"}});
        cases.push_back({name + " of a continuation",
                         client_frame(1, "{", false) + with_bits(client_frame(0, "}"), bits),
                         {"close 1002"}});
    }
    for (const unsigned opcode : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U}) {
        const std::string name = "opcode " + std::to_string(opcode);
        cases.push_back({name, client_frame(opcode, "x"), {"close 1002"}});
        cases.push_back({name + ", empty", client_frame(opcode, ""), {"close 1002"}});
        cases.push_back({name + " between fragments",
                         client_frame(1, "{", false) + client_frame(opcode, ""),
                         {"close 1002"}});
    }
    check(*shared, cases);
}

TEST_F(ConformanceFrames, Unmasked) {
    check(*shared,
          {
              {"a text", unmasked(1, verb("x")), {"close 1002"}},
              {"an empty text", unmasked(1, ""), {"close 1002"}},
              {"a ping", unmasked(9, ""), {"close 1002"}},
              {"a close", unmasked(8, "\x03\xe8"), {"close 1002"}},
              {"a continuation", client_frame(1, "{", false) + unmasked(0, "}"), {"close 1002"}},
          });
}

/// Answers that have not left when the protocol is broken may be dropped, so these are waited for.
TEST_F(ConformanceFrames, BehindAGoodMessage) {
    for (const std::string& bad : {unmasked(1, "{}"), client_frame(0, "{}"), client_frame(3, "")}) {
        raw_session session(*shared);
        session.client.write(client_frame(1, verb("x")));
        EXPECT_EQ(session.next(), "ok x");
        session.client.write(bad);
        EXPECT_EQ(session.next(), "close 1002");
        EXPECT_TRUE(shared->still_serves());
    }
}

TEST_F(ConformanceFrames, Lengths) {
    check(*shared,
          {
              {"125", client_frame(1, padded(125)), {"ok big"}},
              {"126", client_frame(1, padded(126)), {"ok big"}},
              {"127", client_frame(1, padded(127)), {"ok big"}},
              {"65535", client_frame(1, padded(65'535)), {"ok big"}},
              {"max_frame", client_frame(1, padded(max_frame)), {"ok big"}},
              {"max_frame in fragments",
               client_frame(1, padded(max_frame).substr(0, 40'000), false) +
                   client_frame(0, padded(max_frame).substr(40'000)),
               {"ok big"}},
              {"one more, its header alone", header(max_frame + 1, 8), {"close 1009"}},
              {"one more in fragments, the header of the last",
               client_frame(1, std::string(max_frame, ' '), false) +
                   client_frame(0, "x").substr(0, 6),
               {"close 1009"}},
              {"a gigabyte, its header alone", header(1ULL << 30U, 8), {"close 1009"}},
              {"a gigabyte of binary", header(1ULL << 30U, 8, 2), {"close 1009"}},
              {"the largest", header(0x7fff'ffff'ffff'ffffULL, 8), {"close 1009"}},
              {"the top bit", header(1ULL << 63U, 8), {"close 1002"}},
              {"all bits", header(~0ULL, 8), {"close 1002"}},
              {"all bits behind a fragment",
               client_frame(1, "{}", false) + header(~0ULL, 8, 0),
               {"close 1002"}},
              {"a short length in two bytes", header(2, 2) + "{}", {"close 1002"}},
              {"125 in two bytes", header(125, 2), {"close 1002"}},
              {"a short length in eight bytes", header(2, 8) + "{}", {"close 1002"}},
              {"65535 in eight bytes", header(65'535, 8), {"close 1002"}},
              {"a ping with its length in two bytes", header(2, 2, 9) + "{}", {"close 1002"}},
              {"a ping with its length in eight bytes", header(2, 8, 9) + "{}", {"close 1002"}},
          });
}

TEST_F(ConformanceFrames, Closes) {
    std::vector<frame_case> cases = {
        {"empty", client_frame(8, ""), {"close 1000"}},
        {"one byte", client_frame(8, "\x03"), {"close 1002"}},
        {"a reason", close_frame(1000, "caf\xc3\xa9"), {"close 1000"}},
        {"the longest reason", close_frame(1000, std::string(123, 'r')), {"close 1000"}},
        // RFC 6455 8.1 asks for the end and names no code.
        {"a reason that is no UTF-8", close_frame(1000, "caf\xc3"), {"close 1002"}},
        {"a reason with a surrogate", close_frame(1000, "\xed\xa0\x80"), {"close 1002"}},
        {"data behind it", close_frame(1000) + client_frame(1, verb("late")), {"close 1000"}},
        {"a ping behind it", close_frame(1000) + client_frame(9, "late"), {"close 1000"}},
        {"another behind it", close_frame(1000) + close_frame(1001), {"close 1000"}},
        {"noise behind it", close_frame(1000) + std::string(100, '\xff'), {"close 1000"}},
        {"behind a verb",
         client_frame(1, verb("last")) + close_frame(1001),
         {"ok last", "close 1001"}},
    };
    for (const unsigned code : {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1010U, 1011U,
                                3000U, 3999U, 4000U, 4999U}) {
        cases.push_back(
            {"code " + std::to_string(code), close_frame(code), {"close " + std::to_string(code)}});
    }
    for (const unsigned code :
         {0U, 1U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 1100U, 2000U, 2999U, 5000U, 65'535U}) {
        cases.push_back({"code " + std::to_string(code), close_frame(code), {"close 1002"}});
    }
    check(*shared, cases);
}

TEST_F(ConformanceFrames, Utf8) {
    std::vector<frame_case> cases;
    const auto quoted = [](const std::string& bytes) {
        return R"({"type":"ping","ref":")" + bytes + "\"}";
    };
    const std::vector<std::string> good = {"\xc3\xa9",         "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                           "\xf4\x8f\xbf\xbf", "\xee\x80\x80", "\xef\xbf\xbf"};
    for (const std::string& character : good) {
        const std::string text = quoted(character);
        const std::size_t begin = text.find(character);
        cases.push_back({"good", client_frame(1, text), {"ok " + character}});
        for (std::size_t cut = begin; cut <= begin + character.size(); ++cut) {
            cases.push_back({"good, cut",
                             client_frame(1, text.substr(0, cut), false) + client_frame(9, "") +
                                 client_frame(0, text.substr(cut)),
                             {"pong ", "ok " + character}});
        }
    }
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"a lone continuation", "\x80"},
        {"0xff", "\xff"},
        {"0xfe", "\xfe"},
        {"a first byte alone", "\xc3"},
        {"two of three bytes", "\xe2\x82"},
        {"three of four bytes", "\xf0\x9f\x98"},
        {"overlong in two", "\xc0\xaf"},
        {"overlong in two, 0x7f", "\xc1\xbf"},
        {"overlong in three", "\xe0\x80\xaf"},
        {"overlong in four", "\xf0\x80\x80\xaf"},
        {"an overlong NUL", "\xc0\x80"},
        {"the first surrogate", "\xed\xa0\x80"},
        {"the last surrogate", "\xed\xbf\xbf"},
        {"a pair of surrogates", "\xed\xa0\xbd\xed\xb8\x80"},
        {"beyond U+10FFFF", "\xf4\x90\x80\x80"},
        {"five bytes", "\xf8\x88\x80\x80\x80"},
        {"six bytes", "\xfc\x84\x80\x80\x80\x80"},
    };
    for (const auto& [name, bytes] : bad) {
        const std::string text = quoted(bytes);
        const std::size_t begin = text.find(bytes);
        cases.push_back({name, client_frame(1, text), {"close 1007"}});
        for (std::size_t cut = begin; cut <= begin + bytes.size(); ++cut) {
            cases.push_back(
                {name + ", cut",
                 client_frame(1, text.substr(0, cut), false) + client_frame(0, text.substr(cut)),
                 {"close 1007"}});
        }
    }
    for (const std::string part : {"\xc3", "\xe2\x82", "\xf0\x9f\x98"}) {
        cases.push_back({"ends inside a character", client_frame(1, "x" + part), {"close 1007"}});
        cases.push_back({"ends inside a character, an empty fragment last",
                         client_frame(1, "x" + part, false) + client_frame(0, ""),
                         {"close 1007"}});
    }
    cases.push_back({"binary may be anything", client_frame(2, "\xff\xc3"), {"error malformed"}});
    check(*shared, cases);
}

TEST_F(ConformanceFrames, HalfClosed) {
    for (const std::string& before :
         {std::string(), client_frame(1, "{", false), client_frame(1, "abc").substr(0, 3),
          client_frame(9, "abc").substr(0, 4), header(1'000, 2)}) {
        raw_session session(*shared);
        session.client.write(before);
        session.client.end_tcp();
        EXPECT_EQ(session.next(), "end");
        EXPECT_TRUE(shared->still_serves());
    }
    EXPECT_TRUE(
        support::eventually(20s, [] { return shared->daemon.metric("pgherald_sessions") == 1; }));
}

TEST_F(ConformanceFrames, APingFloodIsHeldAndHarmsNobody) {
    const std::string pings = [] {
        std::string all;
        for (int i = 0; i < 20'000; ++i) {
            all += client_frame(9, std::string(125, 'p'));
        }
        return all;
    }();
    const long before = shared->daemon.resident_kib();
    std::vector<std::unique_ptr<raw_session>> flooding;
    for (int i = 0; i < 5; ++i) {
        flooding.push_back(std::make_unique<raw_session>(*shared, "", 4'096));
        flooding.back()->client.write(pings, 5s);
        EXPECT_TRUE(shared->still_serves());
    }
    const long grown = shared->daemon.resident_kib() - before;
    RecordProperty("grown_kib", std::to_string(grown));
    if (!support::sanitized) { // which keeps for a while what was freed
        EXPECT_LT(grown, 4'096);
    }
    EXPECT_EQ(flooding.front()->next(), "pong " + std::string(125, 'p'));
    flooding.clear();
    EXPECT_TRUE(shared->still_serves());
}

TEST_F(ConformanceFrames, APingFloodThatIsReadIsAnsweredInOrder) {
    raw_session session(*shared);
    for (int i = 0; i < 20; ++i) {
        std::string pings;
        for (int j = 0; j < 1'000; ++j) {
            pings += client_frame(9, std::to_string(i * 1'000 + j));
        }
        session.client.write(pings);
        for (int j = 0; j < 1'000; ++j) {
            ASSERT_EQ(session.next(), "pong " + std::to_string(i * 1'000 + j));
        }
    }
    EXPECT_TRUE(shared->still_serves());
}

} // namespace
