// RFC 7692 as bytes to a real daemon with websocket.compression: what inflates is answered, what
// inflates to too much is cut at websocket.max_frame, and a session costs little memory.
#include "tests/e2e/conformance.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/messages.hpp"

#include <boost/beast/zlib/deflate_stream.hpp>

#include <list>
#include <memory>
#include <string>

namespace {

namespace zlib = boost::beast::zlib;
using namespace std::chrono_literals;
using conformance::check;
using conformance::frame_case;
using conformance::max_frame;
using conformance::padded;
using conformance::raw_session;
using conformance::service;
using conformance::settings;
using conformance::verb;
using support::client_frame;

constexpr unsigned compressed = 0x40; ///< RSV1

const std::string offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// As a deflate stream, up to a byte's end (00 00 ff ff).
std::string deflated_whole(const std::string& text, zlib::Flush how = zlib::Flush::sync) {
    zlib::deflate_stream stream;
    std::string out(zlib::deflate_upper_bound(text.size()) + 64, '\0');
    zlib::z_params params;
    params.next_in = text.data();
    params.avail_in = text.size();
    params.next_out = out.data();
    params.avail_out = out.size();
    boost::beast::error_code error;
    stream.write(params, how, error);
    out.resize(params.total_out);
    return out;
}

/// As a message carries it.
std::string deflated(const std::string& text) {
    const std::string whole = deflated_whole(text);
    return whole.substr(0, whole.size() - 4);
}

std::string cut_up(const std::string& payload, std::size_t size) {
    std::string frames;
    for (std::size_t at = 0; at < payload.size(); at += size) {
        frames += client_frame(at == 0 ? 1 | compressed : 0, payload.substr(at, size),
                               at + size >= payload.size());
    }
    return frames;
}

/// 128 MiB when inflated.
std::string bomb() {
    const std::string piece = deflated_whole(std::string(1 << 20, ' '));
    std::string all;
    for (int i = 0; i < 128; ++i) {
        all += piece;
    }
    return all;
}

class ConformanceDeflate : public testing::Test {
protected:
    static void SetUpTestSuite() {
        shared = std::make_unique<service>(settings{{"WEBSOCKET_COMPRESSION", "true"}});
    }
    static void TearDownTestSuite() { shared.reset(); }
    static std::unique_ptr<service> shared;
};

std::unique_ptr<service> ConformanceDeflate::shared;

TEST_F(ConformanceDeflate, IsAgreedOnWhenOfferedOnly) {
    const raw_session with(*shared, offer);
    EXPECT_NE(with.answer.find("Sec-WebSocket-Extensions: permessage-deflate"), std::string::npos);
    const raw_session without(*shared);
    EXPECT_EQ(without.answer.find("Sec-WebSocket-Extensions"), std::string::npos);
    const raw_session other(*shared, "Sec-WebSocket-Extensions: x-unknown; a=b\r\n");
    EXPECT_EQ(other.answer.find("Sec-WebSocket-Extensions"), std::string::npos);
    check(*shared, {{"a compressed frame all the same",
                     client_frame(1 | compressed, deflated(verb("x"))),
                     {"close 1002"}}});
}

TEST_F(ConformanceDeflate, Messages) {
    const std::string text = deflated(verb("d"));
    const std::string empty_blocks = [] {
        std::string blocks;
        for (int i = 0; i < 200'000; ++i) {
            blocks += std::string("\0\0\0\xff\xff", 5);
        }
        return blocks;
    }();
    check(*shared,
          {
              {"one frame", client_frame(1 | compressed, text), {"ok d"}},
              {"not compressed", client_frame(1, verb("p")), {"ok p"}},
              {"both in turn",
               client_frame(1 | compressed, text) + client_frame(1, verb("p")) +
                   client_frame(1 | compressed, text),
               {"ok d", "ok p", "ok d"}},
              {"one byte a frame", cut_up(text, 1), {"ok d"}},
              {"an empty last frame",
               client_frame(1 | compressed, text, false) + client_frame(0, ""),
               {"ok d"}},
              {"a ping in between",
               client_frame(1 | compressed, text.substr(0, 4), false) + client_frame(9, "now") +
                   client_frame(0, text.substr(4)),
               {"pong now", "ok d"}},
              {"the bit on a continuation",
               client_frame(1 | compressed, text.substr(0, 4), false) +
                   client_frame(compressed, text.substr(4)),
               {"close 1002"}},
              {"the bit on a ping", client_frame(9 | compressed, ""), {"close 1002"}},
              {"the bit on a close", client_frame(8 | compressed, ""), {"close 1002"}},
              {"no UTF-8", client_frame(1 | compressed, deflated("\xff")), {"close 1007"}},
              {"ends inside a character",
               client_frame(1 | compressed, deflated("x\xe2\x82")),
               {"close 1007"}},
              {"binary", client_frame(2 | compressed, deflated("\xff")), {"error malformed"}},
              {"no deflate", client_frame(1 | compressed, std::string(20, '\xff')), {"close 1007"}},
              {"no deflate in the last fragment",
               client_frame(1 | compressed, "", false) + client_frame(0, std::string(20, '\xff')),
               {"close 1007"}},
              {"ends inside a block",
               client_frame(1 | compressed, text.substr(0, text.size() / 2)),
               {"close 1007"}},
              // RFC 7692 7.2.3.4, and 7.2.3.5 for what follows it.
              {"a last block",
               client_frame(1 | compressed, deflated_whole(verb("d"), zlib::Flush::finish) + '\0'),
               {"ok d"}},
              {"a last block, one byte a frame",
               cut_up(deflated_whole(verb("d"), zlib::Flush::finish) + '\0', 1),
               {"ok d"}},
              {"a last block, another stream, and the next message",
               client_frame(1 | compressed,
                            deflated_whole(verb("d").substr(0, 9), zlib::Flush::finish) +
                                deflated(verb("d").substr(9))) +
                   client_frame(1 | compressed, text),
               {"ok d", "ok d"}},
              {"a last block, and not what has to follow",
               client_frame(1 | compressed, deflated_whole(verb("d"), zlib::Flush::finish)),
               {"close 1007"}},
              {"a distance beyond the window's beginning",
               client_frame(1 | compressed, std::string("\x03\x02\x00", 3)),
               {"close 1007"}},
              {"a megabyte that inflates to nothing, then a verb",
               client_frame(1 | compressed, empty_blocks + text),
               {"ok d"}},
          },
          offer);
}

TEST_F(ConformanceDeflate, TheLimitIsOfWhatIsInflated) {
    check(
        *shared,
        {
            {"max_frame", client_frame(1 | compressed, deflated(padded(max_frame))), {"ok big"}},
            {"max_frame in fragments", cut_up(deflated(padded(max_frame)), 10), {"ok big"}},
            {"one more",
             client_frame(1 | compressed, deflated(padded(max_frame + 1))),
             {"close 1009"}},
            {"one more in fragments", cut_up(deflated(padded(max_frame + 1)), 10), {"close 1009"}},
        },
        offer);
}

TEST_F(ConformanceDeflate, ABombIsCutAtTheLimit) {
    const std::string payload = bomb();
    const long before = shared->daemon.resident_kib();
    for (const std::string& frames : {client_frame(1 | compressed, payload), cut_up(payload, 100),
                                      client_frame(2 | compressed, payload)}) {
        for (int i = 0; i < 20; ++i) {
            raw_session session(*shared, offer);
            session.client.write(frames);
            EXPECT_EQ(session.next(), "close 1009");
            EXPECT_TRUE(shared->still_serves());
        }
    }
    const long grown = shared->daemon.resident_kib() - before;
    RecordProperty("grown_kib", std::to_string(grown));
    if (!support::sanitized) {
        EXPECT_LT(grown, 4'096);
    }
}

/// What each of 500 sessions costs that has sent one verb.
long kib_each(const std::string& header, unsigned bits, const std::string& payload) {
    constexpr long sessions = 500;
    service on(settings{{"WEBSOCKET_COMPRESSION", "true"}});
    std::list<raw_session> all;
    const auto add = [&] {
        all.emplace_back(on, header);
        all.back().client.write(client_frame(1 | bits, payload));
        EXPECT_EQ(all.back().next().substr(0, 2), "ok");
    };
    for (int i = 0; i < 20; ++i) {
        add(); // what is taken once only
    }
    const long before = on.daemon.resident_kib();
    for (long i = 0; i < sessions; ++i) {
        add();
    }
    EXPECT_TRUE(on.still_serves());
    return (on.daemon.resident_kib() - before) / sessions;
}

TEST_F(ConformanceDeflate, ASessionCostsLittle) {
    if (support::sanitized) {
        GTEST_SKIP() << "a sanitizer's memory is not the daemon's";
    }
    const long plain = kib_each("", 0, verb("p"));
    const long small = kib_each(offer, compressed, deflated(verb("d")));
    const long large = kib_each(offer, compressed, deflated(padded(max_frame)));
    RecordProperty("plain_kib", std::to_string(plain));
    RecordProperty("small_kib", std::to_string(small));
    RecordProperty("large_kib", std::to_string(large));
    EXPECT_LT(plain, 30);
    EXPECT_LT(small, 100);
    EXPECT_LT(large, 100) << "a large message's memory is given back";
}

} // namespace
