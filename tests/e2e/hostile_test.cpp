// Thousands of broken frames and handshakes from a generator, several clients at a time. Meanwhile
// a session from before gets its messages, and new ones are served; afterwards nothing is left.
// PGHERALD_SEED chooses other ones.
#include "tests/e2e/conformance.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/messages.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <future>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using support::client_frame;
using support::sanitized;
using clock = std::chrono::steady_clock;

std::uint64_t chosen_seed() {
    const char* const given = std::getenv("PGHERALD_SEED");
    return given == nullptr ? 6'455 : std::strtoull(given, nullptr, 10);
}

/// What a client could get wrong, and what it could try.
class generator {
public:
    explicit generator(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t end) { return random_() % end; }
    bool one_in(std::size_t count) { return below(count) == 0; }

    std::string bytes(std::size_t count) {
        std::string out(count, '\0');
        for (char& each : out) {
            each = static_cast<char>(random_());
        }
        return out;
    }

    /// The payload of a text frame.
    std::string text() {
        switch (below(8)) {
        case 0:
            return bytes(below(300));
        case 1: {
            std::string out;
            append_json(out, 6);
            return out;
        }
        default: {
            std::string out(verb());
            for (std::size_t times = 1 + below(3); times > 0; --times) {
                mutate(out);
            }
            return out;
        }
        }
    }

    /// A text in a frame as it should be: what it says is the matter.
    std::string text_frame() { return client_frame(1, text()); }

    /// A frame that is wrong as one.
    std::string broken_frame() {
        std::string frame =
            client_frame(static_cast<unsigned>(below(16)), one_in(4) ? bytes(below(200)) : verb());
        switch (below(7)) {
        case 0: // reserved bits, a fragment, another opcode
            frame[0] = static_cast<char>(random_());
            return frame;
        case 1: // unmasked, or another length
            frame[1] = static_cast<char>(random_());
            return frame;
        case 2:
            return with_length(126, bytes(2), frame);
        case 3:
            return with_length(127, bytes(8), frame);
        case 4: { // lengths that are nearly something
            constexpr std::array<unsigned char, 6> firsts = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
            std::string length(8, one_in(2) ? '\0' : '\xff');
            length[below(8)] = static_cast<char>(firsts[below(firsts.size())]);
            return with_length(127, length, frame);
        }
        case 5:
            flip(frame);
            flip(frame);
            return frame;
        default:
            return bytes(2 + below(40));
        }
    }

    /// A handshake, its lines changed one by one.
    std::string handshake() {
        std::vector<std::string> lines = {"GET /ws HTTP/1.1",
                                          "Host: localhost",
                                          "Upgrade: websocket",
                                          "Connection: Upgrade",
                                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                                          "Sec-WebSocket-Version: 13"};
        for (std::size_t times = 1 + below(3); times > 0; --times) {
            change_line(lines);
        }
        std::string out;
        for (const std::string& line : lines) {
            constexpr std::array<std::string_view, 4> ends = {"\n", "\r", "\r\r\n", "\n\r"};
            out += line;
            out += one_in(40) ? ends[below(ends.size())] : "\r\n";
        }
        out += one_in(20) ? "" : "\r\n";
        if (one_in(4)) {
            constexpr std::array<std::string_view, 5> bodies = {
                "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "1;x=\"\r\n",
                "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"};
            out += bodies[below(bodies.size())];
        }
        if (one_in(10)) {
            out += bytes(below(100));
        }
        return out;
    }

private:
    std::string verb() {
        constexpr std::array<std::string_view, 9> verbs = {
            R"({"type":"subscribe","ref":1,"channel":"hostile"})",
            R"({"type":"subscribe","channel":"hostile.a","after":12,"epoch":"1.2"})",
            R"({"type":"subscribe","channel":"hostile.c","consumer":"me","window":10,"after":"start"})",
            R"({"type":"unsubscribe","ref":"x","channel":"hostile"})",
            R"({"type":"publish","ref":2,"channel":"hostile","data":{"a":[1,2.5e3,"é😀"],"b":null}})",
            R"({"type":"ack","channel":"hostile.c","seq":7})",
            R"({"type":"history","ref":3,"channel":"hostile","after":0,"limit":10})",
            R"({"type":"auth","ref":4,"token":"eyJhbGciOiJub25lIn0.e30."})",
            R"({"type":"ping","ref":5})"};
        return std::string(verbs[below(verbs.size())]);
    }

    void flip(std::string& text) {
        if (!text.empty()) {
            char& one = text[below(text.size())];
            one = static_cast<char>(static_cast<unsigned char>(one) ^ (1U << below(8)));
        }
    }

    void mutate(std::string& text) {
        constexpr std::array<std::string_view, 16> odd = {"\xc0\xaf",
                                                          "\xed\xa0\x80",
                                                          "\xf4\x90\x80\x80",
                                                          "\xff",
                                                          "\x80",
                                                          "\xe2\x82",
                                                          "\xef\xbb\xbf",
                                                          "\\ud800",
                                                          "\\u0000",
                                                          "\\x41",
                                                          "\n",
                                                          "\x7f",
                                                          "\xef\xbf\xbf",
                                                          "/**/",
                                                          "\xe2\x80\xa8",
                                                          std::string_view("\0", 1)};
        constexpr std::array<std::string_view, 10> numbers = {
            "1e400", "-1e-400", "99999999999999999999", "-9223372036854775809", "0x10", "01", "1.",
            "NaN",   "-0",      "1e2147483648"};
        constexpr std::array<std::string_view, 6> keys = {
            R"("type":"ping",)", R"("type":"publish",)",  R"("channel":"hostile",)",
            R"("ref":[[]],)",    R"("data":1,"data":2,)", R"("":"",)"};
        const std::size_t at = below(text.size() + 1);
        switch (below(9)) {
        case 0:
            flip(text);
            break;
        case 1:
            text.resize(at);
            break;
        case 2:
            text.insert(at, bytes(1 + below(8)));
            break;
        case 3:
            text.insert(std::min<std::size_t>(1, text.size()), keys[below(keys.size())]);
            break;
        case 4: {
            const std::size_t depth = 1 + below(one_in(4) ? 5'000 : 100);
            const std::string_view open = one_in(2) ? "[" : R"({"a":)";
            std::string nested;
            for (std::size_t i = 0; i < depth; ++i) {
                nested += open;
            }
            replace_value(text, nested + (one_in(2) ? "" : "1" + std::string(depth, ']')));
            break;
        }
        case 5:
            replace_value(text, std::string(numbers[below(numbers.size())]));
            break;
        case 6:
            text.insert(at, odd[below(odd.size())]);
            break;
        case 7:
            text += verb();
            break;
        default:
            replace_value(text, '"' + std::string(below(one_in(50) ? 70'000 : 400), 'x') + '"');
        }
    }

    /// Behind one of the colons, up to the next comma or brace.
    void replace_value(std::string& text, const std::string& value) {
        const auto colon = text.find(':', below(text.size() + 1));
        if (colon == std::string::npos) {
            text += value;
            return;
        }
        const auto end = std::min(text.find_first_of(",}", colon), text.size());
        text.replace(colon + 1, end - colon - 1, value);
    }

    void append_json(std::string& out, int depth) {
        switch (below(depth > 0 ? 7 : 4)) {
        case 0:
            out += std::to_string(static_cast<std::int64_t>(random_()));
            break;
        case 1:
            out += support::herald_client::quoted(std::string(below(20), 'j'));
            break;
        case 2:
            out += "null";
            break;
        case 3:
            out += "true";
            break;
        case 4:
            out += '[';
            for (std::size_t i = 0, count = below(5); i < count; ++i) {
                out += i == 0 ? "" : ",";
                append_json(out, depth - 1);
            }
            out += ']';
            break;
        default:
            constexpr std::array<std::string_view, 8> keys = {
                "\"type\":", "\"channel\":", "\"ref\":",   "\"after\":",
                "\"data\":", "\"seq\":",     "\"limit\":", "\"\\u0074ype\":"};
            out += '{';
            for (std::size_t i = 0, count = below(6); i < count; ++i) {
                out += i == 0 ? "" : ",";
                out += keys[below(keys.size())];
                append_json(out, depth - 1);
            }
            out += '}';
        }
    }

    std::string with_length(unsigned kind, const std::string& length, const std::string& frame) {
        return std::string{frame[0], static_cast<char>(0x80U | kind)} + length + frame.substr(2);
    }

    void change_line(std::vector<std::string>& lines) {
        constexpr std::array<std::string_view, 20> added = {
            "Host: elsewhere",
            "Content-Length: 5",
            "Content-Length: 18446744073709551616",
            "Content-Length: -1",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Expect: 100-continue",
            "Origin: http://elsewhere.example",
            "Origin: null",
            "Upgrade: h2c",
            "Connection: close",
            "Sec-WebSocket-Version: 8",
            "Sec-WebSocket-Key: AAAA",
            "Sec-WebSocket-Protocol: ,,,",
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
            "X-Forwarded-For: 1.2.3.4, ::, \"",
            "Authorization: Bearer x.y.z",
            " folded",
            ": no name",
            "no colon"};
        constexpr std::array<std::string_view, 14> requests = {"POST /ws HTTP/1.1",
                                                               "GET /ws HTTP/1.0",
                                                               "GET /ws HTTP/2.0",
                                                               "GET /ws HTTP/9999999999.1",
                                                               "GET http://localhost/ws HTTP/1.1",
                                                               "GET //ws HTTP/1.1",
                                                               "CONNECT localhost:80 HTTP/1.1",
                                                               "OPTIONS * HTTP/1.1",
                                                               "GET /ws?token=x#y HTTP/1.1",
                                                               "GET /../../etc/passwd HTTP/1.1",
                                                               "GET  /ws  HTTP/1.1",
                                                               "GET /ws",
                                                               "PRI * HTTP/2.0",
                                                               "\x16\x03\x01\x02"};
        std::string& line = lines[below(lines.size())];
        switch (below(9)) {
        case 0:
            line.clear(); // ends the header here
            break;
        case 1:
            std::swap(line, lines[below(lines.size())]);
            break;
        case 2:
            flip(line);
            break;
        case 3:
            line.insert(below(line.size() + 1), bytes(1 + below(4)));
            break;
        case 4:
            line.resize(below(line.size() + 1));
            break;
        case 5:
            line += std::string(below(one_in(10) ? 70'000 : 3'000), 'h');
            break;
        case 6:
            lines.front() = requests[below(requests.size())];
            break;
        case 7: {
            const std::string copy = line;
            lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(below(lines.size())), copy);
            break;
        }
        default:
            lines.insert(lines.begin() + 1 + static_cast<std::ptrdiff_t>(below(lines.size())),
                         std::string(added[below(added.size())]));
        }
    }

    std::mt19937_64 random_;
};

/// What came back on one connection.
struct tally {
    std::size_t fine = 0;
    std::size_t refused = 0;

    void operator+=(const tally& other) {
        fine += other.fine;
        refused += other.refused;
    }
};

/// The frames that a server sends: whole ones, unmasked, without reserved bits, of JSON objects.
tally read_frames(std::string_view bytes) {
    tally found;
    while (bytes.size() >= 2) {
        const unsigned first = static_cast<unsigned char>(bytes[0]);
        std::size_t length = static_cast<unsigned char>(bytes[1]);
        const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (bytes.size() < 2 + more) {
            break;
        }
        if (more > 0) {
            length = 0;
            for (const char each : bytes.substr(2, more)) {
                length = length << 8U | static_cast<unsigned char>(each);
            }
        }
        if (bytes.size() - 2 - more < length) {
            break; // the connection was reset in the middle
        }
        const std::string payload(bytes.substr(2 + more, length));
        bytes.remove_prefix(2 + more + length);
        switch (first) {
        case 0x81: {
            const std::string type = support::frame(payload).type();
            EXPECT_FALSE(type.empty()) << payload;
            ++(type == "error" ? found.refused : found.fine);
            break;
        }
        case 0x88: {
            const unsigned code = payload.size() < 2
                                      ? 1005
                                      : static_cast<unsigned char>(payload[0]) * 256U +
                                            static_cast<unsigned char>(payload[1]);
            // Another one is the echo of what the client said.
            found.refused += code == 1002 || code == 1007 || code == 1009 ? 1 : 0;
            EXPECT_TRUE(code == 1005 ? payload.empty() : code >= 1000 && code < 5000) << code;
            EXPECT_TRUE(bytes.empty()) << "nothing may come behind a close";
            break;
        }
        case 0x89:
        case 0x8a:
            EXPECT_LE(length, 125U);
            break;
        default:
            ADD_FAILURE() << "a frame that begins with " << first;
            return found;
        }
    }
    return found;
}

/// Writes it, now and then in slices, and reads what comes until the server ends the connection;
/// now and then only resets it.
std::string exchange(generator& draw, std::uint16_t port, const std::string& bytes) {
    support::raw_client client("127.0.0.1", port);
    if (draw.one_in(8)) {
        const std::size_t slice = 1 + draw.below(bytes.size() / 8 + 1);
        for (std::size_t at = 0; at < bytes.size(); at += slice) {
            client.write(std::string_view(bytes).substr(at, slice));
        }
    } else {
        client.write(bytes);
    }
    if (draw.one_in(16)) {
        client.abort();
        return {};
    }
    client.end_tcp();
    std::string answer = client.read_to_end();
    EXPECT_TRUE(client.closed()) << "still open, after it said " << answer.substr(0, 200);
    return answer;
}

tally attack_with_frames(generator& draw, std::uint16_t port) {
    std::string bytes = support::plain_handshake();
    if (draw.one_in(4)) {
        bytes += draw.one_in(2) ? draw.text_frame() : "";
        bytes += draw.broken_frame();
    } else {
        for (int i = 0; i < 12; ++i) { // the tenth is one too many
            bytes += draw.text_frame();
        }
    }
    const std::string answer = exchange(draw, port, bytes + client_frame(8, "\x03\xe8"));
    const auto end = answer.find("\r\n\r\n");
    if (end == std::string::npos) {
        return {}; // reset before it was read
    }
    EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 101");
    return read_frames(std::string_view(answer).substr(end + 4));
}

tally attack_with_handshake(generator& draw, std::uint16_t port) {
    const std::string bytes = draw.handshake();
    const std::string answer = exchange(draw, port, bytes);
    if (answer.empty()) {
        return {.refused = 1};
    }
    EXPECT_EQ(answer.substr(0, 9), "HTTP/1.1 ") << answer;
    const std::string status = answer.substr(9, 3);
    const bool known = std::ranges::any_of(
        std::array{"101", "200", "400", "404", "405", "408", "413", "426", "431", "501"},
        [&](const char* each) { return status == each; });
    EXPECT_TRUE(known) << answer << "\nto " << bytes.substr(0, 2'000);
    return status == "101" || status == "200" ? tally{.fine = 1} : tally{.refused = 1};
}

class Hostile : public testing::Test {
protected:
    using attack = std::function<tally(generator&, std::uint16_t)>;

    /// Until so many were refused, by two clients at a time.
    void run(std::size_t count, const attack& one) {
        const auto begun = clock::now();
        perform(count / 20 + 1, one, seed_ + 1); // what is allocated once
        settle();
        const long files = on_.open_files();
        const long memory = on_.daemon.resident_kib();

        const std::size_t refused = perform(count, one, seed_);
        EXPECT_GE(refused, count);

        EXPECT_TRUE(support::eventually(10s, [&] { return on_.open_files() <= files; }))
            << on_.open_files() << " files, " << files << " before";
        settle();
        const auto grown = [&] { return on_.daemon.resident_kib() - memory; };
        if (!sanitized) {
            EXPECT_TRUE(support::eventually(10s, [&] { return grown() < 8 * 1'024; }))
                << grown() << " KiB more than before";
        }
        EXPECT_TRUE(on_.still_serves());
        RecordProperty("refused", std::to_string(refused));
        RecordProperty("fine", std::to_string(fine_));
        RecordProperty("grown_kib", std::to_string(grown()));
        RecordProperty("slowest_probe_ms", std::to_string(slowest_.count()));
        RecordProperty("probes", std::to_string(probes_));
        RecordProperty("seconds", std::to_string((clock::now() - begun) / 1s));
    }

private:
    /// Number of clients at a time.
    static constexpr std::uint64_t clients = 2;

    std::size_t perform(std::size_t count, const attack& one, std::uint64_t seed) {
        std::atomic<std::size_t> refused = 0;
        std::atomic<std::size_t> fine = 0;
        std::vector<std::future<void>> working;
        for (std::uint64_t client = 0; client < clients; ++client) {
            working.push_back(std::async(std::launch::async, [&, client] {
                for (std::uint64_t turn = client; refused < count && !HasFailure();
                     turn += clients) {
                    SCOPED_TRACE("PGHERALD_SEED=" + std::to_string(seed_) + ", number " +
                                 std::to_string(turn));
                    try {
                        generator draw(seed * 1'000'003 + turn);
                        const tally found = one(draw, on_.port());
                        refused += found.refused;
                        fine += found.fine;
                    } catch (const std::exception& error) {
                        ADD_FAILURE() << error.what();
                    }
                }
            }));
        }
        SCOPED_TRACE("PGHERALD_SEED=" + std::to_string(seed_));
        const auto done = [&] {
            return std::ranges::all_of(working, [](auto& each) {
                return each.wait_for(10ms) == std::future_status::ready;
            });
        };
        while (!done() && !HasFailure()) {
            EXPECT_TRUE(on_.still_serves());
            probe();
        }
        working.clear(); // waits
        fine_ += fine;
        return refused;
    }

    /// Somebody new comes, subscribes and is given a message, soon.
    void probe() {
        const auto begun = clock::now();
        try {
            support::herald_client client(on_.daemon.port());
            client.subscribe("probe");
            on_.db.exec("insert into queue.message (channel) values ('probe')");
            client.next("message");
            client.socket.close();
        } catch (const std::exception& error) {
            ADD_FAILURE() << "a new session: " << error.what();
        }
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - begun);
        EXPECT_LT(took, 10s);
        slowest_ = std::max(slowest_, took);
        ++probes_;
    }

    /// Only the witness is left.
    void settle() {
        EXPECT_TRUE(
            support::eventually(10s, [&] { return on_.daemon.metric("pgherald_sessions") == 1; }));
    }

    conformance::service on_{{{"LIMITS_HANDSHAKE_TIMEOUT", "1s"}, {"LOG_LEVEL", "info"}}};
    const std::uint64_t seed_ = chosen_seed();
    std::size_t fine_ = 0;
    std::size_t probes_ = 0;
    std::chrono::milliseconds slowest_{};
};

// Sanitizers see fewer: they take ten times as long for each, and the fuzzers try the same code.

TEST_F(Hostile, TwentyThousandMalformedFrames) {
    run(support::sanitized ? 3'000 : 20'000, attack_with_frames);
}

TEST_F(Hostile, TwoThousandMalformedHandshakes) {
    run(support::sanitized ? 400 : 2'000, attack_with_handshake);
}

} // namespace
