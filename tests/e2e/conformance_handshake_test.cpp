// The opening handshake of RFC 6455 and the HTTP around it, case by case, as bytes to a real
// daemon. After each case a session that was there before must still get its messages.
#include "tests/e2e/conformance.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/messages.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using conformance::raw_session;
using conformance::service;
using conformance::settings;
using conformance::verb;
using support::client_frame;
using support::plain_handshake;

struct request_case {
    std::string name;
    std::string bytes;
    std::string status; ///< of the first answer; empty: none, the connection just ends
};

std::string status_of(const std::string& answer) {
    return answer.size() < 12 ? answer : answer.substr(9, 3);
}

void check(service& on, const std::vector<request_case>& cases) {
    for (const request_case& one : cases) {
        SCOPED_TRACE(one.name);
        support::raw_client client("127.0.0.1", on.port());
        client.write(one.bytes);
        const std::string answer = client.read_until("\r\n\r\n");
        EXPECT_EQ(status_of(answer), one.status) << answer;
        EXPECT_TRUE(on.still_serves());
    }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

class ConformanceHandshake : public testing::Test {
protected:
    static void SetUpTestSuite() {
        shared = std::make_unique<service>(settings{{"LIMITS_HANDSHAKE_TIMEOUT", "1s"}});
    }
    static void TearDownTestSuite() { shared.reset(); }
    static std::unique_ptr<service> shared;
};

std::unique_ptr<service> ConformanceHandshake::shared;

const std::string good = plain_handshake();
const std::string host_line = "Host: localhost\r\n";
const std::string upgrade_line = "Upgrade: websocket\r\n";
const std::string connection_line = "Connection: Upgrade\r\n";
const std::string key_line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string version_line = "Sec-WebSocket-Version: 13\r\n";

std::string without(const std::string& line) {
    return replaced(good, line, "");
}
std::string with(const std::string& lines) {
    return plain_handshake("/ws", lines);
}

TEST_F(ConformanceHandshake, WhatRfc6455Asks) {
    const auto with_key = [](const std::string& value) {
        return replaced(good, "dGhlIHNhbXBsZSBub25jZQ==", value);
    };
    check(
        *shared,
        {
            {"good", good, "101"},
            {"names and values in other cases",
             replaced(replaced(replaced(good, "Upgrade: websocket", "UPGRADE: WebSocket"),
                               "Connection: Upgrade", "connection: upGRADE"),
                      "Sec-WebSocket-Key", "sec-websocket-KEY"),
             "101"},
            {"upgrade among others",
             replaced(good, connection_line, "Connection: keep-alive, Upgrade\r\n"), "101"},
            {"upgrade in a second field",
             replaced(good, connection_line, "Connection: keep-alive\r\nConnection: Upgrade\r\n"),
             "101"},
            {"websocket in a second field",
             replaced(good, upgrade_line, "Upgrade: h2c\r\nUpgrade: websocket\r\n"), "101"},
            {"websocket behind a protocol with a version",
             replaced(good, upgrade_line, "Upgrade: HTTP/2.0, websocket\r\n"), "101"},
            {"rubbish behind websocket", replaced(good, upgrade_line, "Upgrade: websocket\xbc\r\n"),
             "426"},
            {"rubbish behind upgrade",
             replaced(good, connection_line, "Connection: Upgrade\xbc, close\r\n"), "400"},
            {"POST", replaced(good, "GET", "POST"), "400"},
            {"HEAD", replaced(good, "GET", "HEAD"), "400"},
            {"OPTIONS", replaced(good, "GET", "OPTIONS"), "400"},
            {"an unknown method", replaced(good, "GET", "BREW"), "400"},
            {"no Upgrade", without(upgrade_line), "426"},
            {"another Upgrade", replaced(good, upgrade_line, "Upgrade: h2c\r\n"), "426"},
            {"no Connection", without(connection_line), "426"},
            {"Connection without upgrade",
             replaced(good, connection_line, "Connection: keep-alive\r\n"), "426"},
            {"no key", without(key_line), "400"},
            {"an empty key", with_key(""), "400"},
            {"a short key", with_key("dGhlIHNhbXA="), "400"},
            {"a long key", with_key("dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ=="), "400"},
            {"a very long key", with_key(std::string(8'000, 'A')), "400"},
            {"a key that is no base64", with_key("dGhlIHNhbXBs!SBub25jZQ=="), "400"},
            {"a key without padding", with_key("dGhlIHNhbXBsZSBub25jZQ"), "400"},
            {"the key twice", with(key_line), "400"},
            {"another key as well", with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), "400"},
            {"no version", without(version_line), "426"},
            {"version 8", replaced(good, "Version: 13", "Version: 8"), "426"},
            {"version 14", replaced(good, "Version: 13", "Version: 14"), "426"},
            {"version 013", replaced(good, "Version: 13", "Version: 013"), "426"},
            {"version x", replaced(good, "Version: 13", "Version: x"), "426"},
            {"versions", replaced(good, "Version: 13", "Version: 13, 8"), "426"},
            {"the version twice", with(version_line), "426"},
            {"a body", with("Content-Length: 3\r\n") + "abc", "400"},
            {"a chunked body", with("Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n0\r\n\r\n",
             "501"},
            {"an unknown extension", with("Sec-WebSocket-Extensions: x-one; a=1, x-two\r\n"),
             "101"},
            {"nonsense for extensions", with("Sec-WebSocket-Extensions: ;;,=\"\r\n"), "101"},
            {"nonsense for subprotocols", with("Sec-WebSocket-Protocol: ,,(\x01),\"\r\n"), "400"},
        });
}

TEST_F(ConformanceHandshake, AnotherVersionIsToldWhichToUse) {
    support::raw_client client("127.0.0.1", shared->port());
    client.write(replaced(good, "Version: 13", "Version: 12"));
    const std::string answer = client.read_until("\r\n\r\n");
    EXPECT_NE(answer.find("\r\nSec-WebSocket-Version: 13\r\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("\r\nUpgrade: websocket\r\n"), std::string::npos) << answer;
}

TEST_F(ConformanceHandshake, TheHttpAroundIt) {
    check(
        *shared,
        {
            {"HTTP/1.0", replaced(good, "HTTP/1.1", "HTTP/1.0"), "400"},
            {"HTTP/1.2", replaced(good, "HTTP/1.1", "HTTP/1.2"), "400"},
            {"HTTP/2.0", replaced(good, "HTTP/1.1", "HTTP/2.0"), "400"},
            {"HTTP/0.9", "GET /ws\r\n\r\n", "400"},
            {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
            {"an absolute target", plain_handshake("http://localhost/ws"), "400"},
            {"an absolute target of ws", plain_handshake("ws://localhost/ws"), "400"},
            {"an asterisk", plain_handshake("*"), "400"},
            {"an authority", replaced(good, "GET /ws", "CONNECT localhost:80"), "400"},
            {"no target", replaced(good, "GET /ws", "GET "), "400"},
            {"a space in the target", plain_handshake("/ws x"), "400"},
            {"a query", plain_handshake("/ws?a=b"), "101"},
            {"a fragment", plain_handshake("/ws#x"), "404"},
            {"another path", plain_handshake("/other"), "404"},
            {"a path with dots", plain_handshake("/x/../ws"), "404"},
            {"an escaped path", plain_handshake("/%77s"), "404"},
            {"two slashes", plain_handshake("//ws"), "404"},
            {"no Host", without(host_line), "400"},
            {"an empty Host", replaced(good, host_line, "Host:\r\n"), "101"},
            {"two Hosts", with("Host: other\r\n"), "400"},
            {"the same Host twice", with(host_line), "400"},
            {"two Origins", with("Origin: http://a\r\nOrigin: http://b\r\n"), "400"},
            {"two Authorizations", with("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
             "400"},
            {"two lengths", with("Content-Length: 0\r\nContent-Length: 5\r\n"), "400"},
            {"two equal lengths", with("Content-Length: 0\r\nContent-Length: 0\r\n"), "400"},
            {"a list of lengths", with("Content-Length: 0, 0\r\n"), "400"},
            {"a length below zero", with("Content-Length: -1\r\n"), "400"},
            {"a length with a sign", with("Content-Length: +1\r\n"), "400"},
            {"a length in hex", with("Content-Length: 0x1\r\n"), "400"},
            {"a length beyond 64 bits", with("Content-Length: 18446744073709551616\r\n"), "400"},
            {"a large length", with("Content-Length: 1000000\r\n"), "413"},
            {"encoding and length", with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
             "400"},
            {"length and encoding", with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
             "400"},
            {"another encoding", with("Transfer-Encoding: gzip\r\n"), "400"},
            {"chunked and another", with("Transfer-Encoding: chunked, identity\r\n"), "400"},
            {"two encodings",
             with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
             "400"},
            {"an encoding in HTTP/1.0",
             replaced(with("Transfer-Encoding: chunked\r\n"), "HTTP/1.1", "HTTP/1.0") + "0\r\n\r\n",
             "400"},
            {"a chunk of a strange size", with("Transfer-Encoding: chunked\r\n") + "zz\r\nx\r\n",
             "501"},
            {"a chunk of a huge size",
             with("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\nx\r\n", "501"},
            {"what counts behind a chunked body",
             replaced(replaced(good, host_line, "Transfer-Encoding: chunked\r\n"), upgrade_line,
                      "") +
                 "0\r\n" + host_line + upgrade_line + "\r\n",
             "501"},
            {"an address behind a chunked body",
             with("Transfer-Encoding: chunked\r\n") + "0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
             "501"},
            {"a folded line", with("X-Folded: a\r\n b\r\n"), "101"},
            {"a folded first line", replaced(good, host_line, " x\r\n" + host_line), "400"},
            {"NUL in a value", with(std::string("X: a\0b\r\n", 8)), "400"},
            {"NUL in a name", with(std::string("X\0: a\r\n", 7)), "400"},
            {"NUL in the target", plain_handshake(std::string("/w\0s", 4)), "400"},
            {"a lone CR in a value", with("X: a\rb\r\n"), "400"},
            {"a bell in a value", with("X: a\ab\r\n"), "400"},
            {"a space before the colon", replaced(good, "Host:", "Host :"), "400"},
            {"a space in a name", with("X Y: a\r\n"), "400"},
            {"no name", with(": a\r\n"), "400"},
            {"no colon", with("X\r\n"), "400"},
            {"bytes above 127 in a value", with("X: caf\xc3\xa9\r\n"), "101"},
            {"a long line", with("X: " + std::string(17'000, 'x') + "\r\n"), "431"},
            {"a long name", with(std::string(17'000, 'x') + ": x\r\n"), "431"},
            {"a long target", plain_handshake("/ws?" + std::string(17'000, 'x')), "431"},
            {"10,000 fields",
             [] {
                 std::string fields;
                 for (int i = 0; i < 10'000; ++i) {
                     fields += "a:b\r\n";
                 }
                 return with(fields);
             }(),
             "431"},
            {"a long token as a subprotocol",
             with("Sec-WebSocket-Protocol: pgherald.v1, bearer." + std::string(8'000, 't') +
                  "\r\n"),
             "101"},
            {"1,000 subprotocols",
             [] {
                 std::string names = "Sec-WebSocket-Protocol: a";
                 for (int i = 0; i < 1'000; ++i) {
                     names += ", a";
                 }
                 return with(names + "\r\n");
             }(),
             "101"},
            {"the start of TLS",
             std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), "400"},
            {"noise", std::string(1'000, '\xff') + "\r\n\r\n", "400"},
            {"zeros", std::string(1'000, '\0') + "\r\n\r\n", "400"},
        });
}

TEST_F(ConformanceHandshake, ManyFieldsInALargeHeader) {
    service roomy(settings{{"LIMITS_MAX_HEADER", "1MiB"}});
    std::string fields;
    for (int i = 0; i < 10'000; ++i) {
        fields += "field-" + std::to_string(i) + ": value\r\n";
    }
    check(roomy,
          {{"10,000 fields", with(fields), "431"},
           {"1,000,000 bytes of fields",
            [&] {
                std::string large;
                for (int i = 0; i < 20; ++i) {
                    large += "X: " + std::string(50'000, 'x') + "\r\n";
                }
                return with(large);
            }(),
            "101"},
           {"a field beyond 64 KiB", with("X: " + std::string(70'000, 'x') + "\r\n"), "431"}});
}

TEST_F(ConformanceHandshake, WhatComesBehindIsTheSessions) {
    const auto answer_to = [](const std::string& behind) {
        raw_session session(*shared, "", 0, behind);
        return session.next();
    };
    EXPECT_EQ(answer_to(client_frame(1, verb("eager"))), "ok eager");
    EXPECT_EQ(answer_to("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "close 1002");
    EXPECT_EQ(answer_to(std::string(1'000, '\xff')), "close 1002");
    EXPECT_EQ(answer_to(good), "close 1002");
    EXPECT_TRUE(shared->still_serves());
}

TEST_F(ConformanceHandshake, ARefusedOneEndsOrGoesOnButIsNeverMistaken) {
    // Bytes behind a broken request must not be taken for a request.
    support::raw_client broken("127.0.0.1", shared->port());
    broken.write(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") +
                 "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string answer = broken.read_to_end();
    EXPECT_TRUE(broken.closed());
    EXPECT_EQ(status_of(answer), "400");
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << answer;
    // A request that is only no handshake leaves the connection as it is.
    support::raw_client other("127.0.0.1", shared->port());
    other.write(without(key_line) + good);
    EXPECT_EQ(status_of(other.read_until("\r\n\r\n")), "400");
    EXPECT_NE(other.read_until("HTTP/1.1 101"), "");
    EXPECT_FALSE(other.closed());
    EXPECT_TRUE(shared->still_serves());
}

TEST_F(ConformanceHandshake, WhoTricklesIsCutInTime) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<support::raw_client> slow;
    for (int i = 0; i < 50; ++i) {
        slow.emplace_back("127.0.0.1", shared->port());
    }
    std::vector<std::string> answers(slow.size());
    for (std::size_t at = 0; at < good.size() - 1; ++at) { // never the last byte
        for (std::size_t i = 0; i < slow.size(); ++i) {
            if (!slow[i].closed()) {
                slow[i].write(good.substr(at, 1));
                answers[i] += slow[i].read_to_end(1ms);
            }
        }
        const bool all =
            std::ranges::all_of(slow, [](const auto& client) { return client.closed(); });
        if (all) {
            break;
        }
    }
    for (std::size_t i = 0; i < slow.size(); ++i) {
        answers[i] += slow[i].read_to_end();
        EXPECT_TRUE(slow[i].closed());
        EXPECT_EQ(status_of(answers[i]), "408");
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    slow.clear(); // each is counted when it has gone
    EXPECT_TRUE(support::eventually(20s, [] {
        return shared->daemon.metric(R"(pgherald_limited_total{limit="handshake_time"})") >= 50;
    }));
    EXPECT_TRUE(shared->still_serves());
}

TEST_F(ConformanceHandshake, HalfClosed) {
    for (const std::string& before :
         {std::string(), std::string("G"), good.substr(0, 40), good.substr(0, good.size() - 1)}) {
        support::raw_client client("127.0.0.1", shared->port());
        client.write(before);
        client.end_tcp();
        client.read_to_end();
        EXPECT_TRUE(client.closed());
        EXPECT_TRUE(shared->still_serves());
    }
    support::raw_client whole("127.0.0.1", shared->port());
    whole.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    whole.end_tcp();
    EXPECT_EQ(status_of(whole.read_to_end()), "200") << "who asks and says no more is answered";
}

/// Connections that say nothing.
class silent_crowd {
public:
    silent_crowd(std::uint16_t port, std::size_t count) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (std::size_t i = 0; i < count; ++i) {
            const int one = socket(AF_INET, SOCK_STREAM, 0);
            if (one < 0 || connect(one, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
                throw std::runtime_error("connection " + std::to_string(i) + " failed");
            }
            sockets_.push_back(one);
        }
    }
    silent_crowd(const silent_crowd&) = delete;
    silent_crowd& operator=(const silent_crowd&) = delete;
    ~silent_crowd() {
        for (const int one : sockets_) {
            ::close(one);
        }
    }

private:
    std::vector<int> sockets_;
};

TEST(ConformanceCrowd, TenThousandThatSayNothing) {
    const long count = support::sanitized ? 2'000 : 10'000;
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max; // the daemon gets the same
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < static_cast<rlim_t>(count) + 500) {
        GTEST_SKIP() << "this machine allows " << files.rlim_max << " open files";
    }
    service on(settings{{"LIMITS_HANDSHAKE_TIMEOUT", "20s"}});
    const long before = on.open_files();
    const long resident = on.daemon.resident_kib();
    const silent_crowd crowd(on.port(), static_cast<std::size_t>(count));
    EXPECT_TRUE(support::eventually(20s, [&] { return on.open_files() >= count; }));
    ::testing::Test::RecordProperty("kib_each",
                                    std::to_string((on.daemon.resident_kib() - resident) / count));

    const auto begin = std::chrono::steady_clock::now();
    support::herald_client newcomer(on.daemon.port());
    newcomer.call(verb("new"), "ok");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_TRUE(on.still_serves());
    EXPECT_GE(on.open_files(), count) << "they were there meanwhile";

    EXPECT_TRUE(support::eventually(90s, [&] { return on.open_files() <= before + 1; }));
    EXPECT_GE(on.daemon.metric(R"(pgherald_limited_total{limit="handshake_time"})"), count);
    newcomer.call(verb("still"), "ok");
    EXPECT_TRUE(on.still_serves());
}

} // namespace
