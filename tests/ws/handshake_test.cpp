#include "tests/ws/ws_server.hpp"
#include "ws/handshake.hpp"

#include <gtest/gtest.h>

#include <boost/beast/http/parser.hpp>

#include <string>
#include <vector>

namespace {

using namespace ws_test;

using WsHandshake = over_both;
INSTANTIATE_TEST_SUITE_P(over, WsHandshake, testing::Bool(), over_both::name);
using support::plain_handshake;

unsigned status_of(const std::string& answer) {
    return answer.size() < 12 ? 0 : static_cast<unsigned>(std::stoul(answer.substr(9, 3)));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

TEST_P(WsHandshake, NamesServerAndSubprotocol) {
    server echoing;
    support::ws_options options;
    options.subprotocol = "pgherald.v1, other";
    EXPECT_EQ(echoing.client(options).answer_field("Sec-WebSocket-Protocol"), "pgherald.v1");
    const auto plain = echoing.client();
    EXPECT_EQ(plain.answer_field("Sec-WebSocket-Protocol"), "");
    EXPECT_EQ(plain.answer_field("Server"), "test/1");
}

TEST_P(WsHandshake, RefusesWhatIsNoValidHandshake) {
    server echoing;
    const auto good = plain_handshake();
    const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const std::string version = "Sec-WebSocket-Version: 13\r\n";
    const struct {
        std::string name, request;
        unsigned status;
    } cases[] = {
        {"good", good, 101},
        {"no key", replaced(good, key, ""), 400},
        {"empty key", replaced(good, "dGhlIHNhbXBsZSBub25jZQ==", ""), 400},
        {"8 bytes", replaced(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXA="), 400},
        {"not base64", replaced(good, "dGhl", "d-_l"), 400},
        {"two keys", replaced(good, key, key + key), 400},
        {"no version", replaced(good, version, ""), 426},
        {"version 8", replaced(good, "Version: 13", "Version: 8"), 426},
        {"two versions", replaced(good, version, version + version), 426},
        {"POST", replaced(good, "GET", "POST"), 400},
        {"HTTP/1.0", replaced(good, "HTTP/1.1", "HTTP/1.0"), 400},
        {"HTTP/1.2", replaced(good, "HTTP/1.1", "HTTP/1.2"), 400},
        {"body", replaced(good, version, version + "Content-Length: 1\r\n") + "x", 400},
        {"no Host", replaced(good, "Host: localhost\r\n", ""), 400},
        {"two Hosts", replaced(good, version, version + "Host: b\r\n"), 400},
        {"two Origins", plain_handshake("/ws", "Origin: http://a\r\nOrigin: http://b\r\n"), 400},
        {"absolute target", plain_handshake("http://localhost/ws"), 400},
        {"two lengths", plain_handshake("/", "Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
        {"length and encoding",
         plain_handshake("/", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
        {"encoding and length",
         plain_handshake("/", "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), 400},
        {"a list of lengths", plain_handshake("/", "Content-Length: 0, 0\r\n"), 400},
        {"Connection twice", plain_handshake("/ws", "Connection: keep-alive\r\n"), 101},
        {"Connection twice, upgrade last",
         replaced(good, "Connection:", "Connection: keep-alive\r\nConnection:"), 101},
        {"Upgrade twice, websocket last",
         replaced(good, "Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"), 101},
        {"chunked", plain_handshake("/", "Transfer-Encoding: chunked\r\n"), 501},
        {"other encoding", plain_handshake("/", "Transfer-Encoding: gzip\r\n"), 400},
        {"long header", plain_handshake("/ws", "X: " + std::string(17'000, 'x') + "\r\n"), 431},
        {"many fields",
         [] {
             std::string fields;
             for (int i = 0; i < 2000; ++i)
                 fields += "a:b\r\n";
             return plain_handshake("/ws", fields);
         }(),
         431},
        {"large body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", 413},
        {"noise", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), 400},
        {"space before colon", replaced(good, "Host:", "Host :"), 400},
    };
    for (const auto& one : cases) {
        auto client = echoing.raw();
        client.write(one.request);
        const auto answer = client.read_until("\r\n\r\n");
        EXPECT_EQ(status_of(answer), one.status) << one.name << ": " << answer;
        if (one.status != 101) {
            EXPECT_NE(answer.find("X-Content-Type-Options: nosniff"), std::string::npos);
        }
    }
    EXPECT_EQ(echoing.client().answer_field("Upgrade"), "websocket");
}

TEST_P(WsHandshake, RefusesFieldsThatAreTooLargeForBeast) {
    ws::door_options options;
    options.max_header = 1024 * 1024;
    server echoing(echo, {}, options);
    const std::string large(70'000, 'x');
    const std::string small(60'000, 'x');
    const struct {
        std::string request;
        unsigned status;
    } cases[] = {
        {plain_handshake("/ws", "X: " + small + "\r\nY: " + small + "\r\n"), 101},
        {plain_handshake("/ws", "X: " + large + "\r\n"), 431},
        {plain_handshake("/ws", large + ": x\r\n"), 431},
    };
    for (const auto& one : cases) {
        auto client = echoing.raw();
        client.write(one.request);
        EXPECT_EQ(status_of(client.read_until("\r\n\r\n")), one.status);
    }
}

TEST_P(WsHandshake, PassesOnWhatFollowsTheHandshake) {
    server echoing;
    for (const std::size_t size : {1u, 100u, 3000u}) {
        auto client = echoing.raw();
        client.write(plain_handshake() + support::client_frame(1, std::string(size, 'x')) +
                     support::client_frame(1, "second"));
        EXPECT_EQ(status_of(client.read_until("\r\n\r\n")), 101u);
        const auto header = size < 126 ? 2u : 4u;
        EXPECT_EQ(client.read_exactly(header + size).substr(header), std::string(size, 'x'));
        EXPECT_EQ(client.read_exactly(8), "\x81\x06second");
    }
}

TEST_P(WsHandshake, EndsSlowRequestsHoweverTheyTrickle) {
    ws::door_options options;
    options.request_timeout = 1s;
    server echoing(echo, {}, options);

    auto half = echoing.raw();
    half.write("GET / HTT");
    EXPECT_EQ(status_of(half.read_to_end()), 408u);
    EXPECT_TRUE(half.closed());

    auto trickling = echoing.raw();
    std::string answer;
    const auto request = plain_handshake();
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < request.size() && !trickling.closed(); ++i) {
        trickling.write(request.substr(i, 1));
        answer += trickling.read_to_end(20ms);
    }
    EXPECT_EQ(status_of(answer), 408u);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);

    auto silent = echoing.raw();
    EXPECT_EQ(silent.read_to_end(), "");
    EXPECT_TRUE(silent.closed());
    EXPECT_TRUE(echoing.becomes_empty());
}

TEST_P(WsHandshake, TellsWhatItRefused) {
    ws::door_options options;
    options.request_timeout = 500ms;
    server hasty(echo, {}, options);
    server echoing;
    const auto refused_by = [](server& at, const std::string& bytes, bool and_ends = false) {
        const auto before = at.refusals().size();
        auto client = at.raw();
        client.write(bytes);
        if (and_ends) {
            client.read_until("\r\n\r\n", 100ms);
            client.end_tcp();
        }
        client.read_to_end();
        client.end_tcp(); // or it would be waited for
        EXPECT_TRUE(at.becomes_empty());
        const auto all = at.refusals();
        EXPECT_EQ(all.size(), before + 1);
        return all.back();
    };
    const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
    EXPECT_EQ(refused_by(hasty, ""), 408u) << "nothing came";
    EXPECT_EQ(refused_by(hasty, "G"), 408u);
    EXPECT_EQ(refused_by(hasty, request), 408u);
    EXPECT_EQ(refused_by(hasty, request + "\r\n"), 0u) << "served, then idle";
    EXPECT_EQ(refused_by(hasty, request + "\r\nG"), 408u) << "served, then slow";
    const std::string large = "X: " + std::string(17'000, 'x') + "\r\n";
    EXPECT_EQ(refused_by(echoing, request + large), 431u);
    EXPECT_EQ(refused_by(echoing, "nonsense\r\n\r\n"), 400u);
    EXPECT_EQ(refused_by(echoing, "GET / HTTP/1.1\r\n\r\n"), 400u) << "no Host";
    EXPECT_EQ(refused_by(echoing, request + "Content-Length: 5000\r\n\r\n"), 413u);
    EXPECT_EQ(refused_by(echoing, "", true), 0u) << "went away";
    EXPECT_EQ(refused_by(echoing, request, true), 0u) << "went away in the middle";
    EXPECT_EQ(refused_by(echoing, request + "\r\n", true), 0u) << "went away when served";
    EXPECT_EQ(refused_by(echoing, request + "\r\nnonsense\r\n\r\n"), 400u);
    EXPECT_EQ(refused_by(echoing, request + "Connection: close\r\n\r\n"), 0u);
}

TEST_P(WsHandshake, KeepsPlainConnectionsOpen) {
    server echoing;
    auto client = echoing.raw();
    client.write("GET /one?x=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(status_of(client.read_until("\r\n\r\n")), 200u);
    EXPECT_EQ(client.read_exactly(4), "/one");
    EXPECT_EQ(status_of(client.read_until("\r\n\r\n")), 200u);
    EXPECT_EQ(client.read_exactly(4), "/two");
    client.write("HEAD /three HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(client.read_until("\r\n\r\n").find("Content-Length: 6"), std::string::npos);
    client.write("POST /four HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                 "GET /five HTTP/1.0\r\n\r\n");
    EXPECT_EQ(status_of(client.read_until("\r\n\r\n")), 200u);
    EXPECT_EQ(client.read_exactly(5), "/four");
    EXPECT_NE(client.read_until("\r\n\r\n").find("Connection: close"), std::string::npos);
    EXPECT_EQ(client.read_to_end(), "/five");
    EXPECT_TRUE(client.closed());
    EXPECT_TRUE(echoing.becomes_empty());
}

ws::http_request described(const std::string& bytes) {
    namespace http = boost::beast::http;
    http::request_parser<http::string_body> parser;
    parser.header_limit(64 * 1024);
    ws::error_code error;
    parser.put(ws::asio::buffer(bytes), error);
    EXPECT_FALSE(error) << error.message();
    return ws::describe_request(parser.get());
}

TEST(DescribedRequest, KeepsWhatProxiesSayInOrder) {
    const auto seen =
        described(plain_handshake("/ws?a=b", "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n"
                                             "Forwarded: for=192.0.2.3;proto=https\r\n"
                                             "x-forwarded-for: 192.0.2.4\r\n"
                                             "X-Forwarded-For:\r\n"
                                             "forwarded: for=\"[2001:db8::1]:80\"\r\n"));
    const std::vector<std::string> names{"192.0.2.1, 192.0.2.2", "192.0.2.4", ""};
    EXPECT_EQ(seen.forwarded_for, names);
    const std::vector<std::string> forwarded{"for=192.0.2.3;proto=https",
                                             "for=\"[2001:db8::1]:80\""};
    EXPECT_EQ(seen.forwarded, forwarded);
    EXPECT_EQ(seen.path, "/ws");
    EXPECT_EQ(seen.target, "/ws?a=b");
    const auto without = described(plain_handshake());
    EXPECT_TRUE(without.forwarded_for.empty());
    EXPECT_TRUE(without.forwarded.empty());
}

TEST(DeflateAgreed, IsWhatTheAnswerSays) {
    EXPECT_FALSE(ws::deflate_agreed(""));
    EXPECT_TRUE(ws::deflate_agreed("permessage-deflate; server_no_context_takeover")->keeps_window);
    EXPECT_FALSE(
        ws::deflate_agreed("permessage-deflate; client_no_context_takeover")->keeps_window);
}

TEST(DescribedRequest, TakesALongTokenWhole) {
    std::string token = "bearer.";
    for (int i = 0; i < 8'000; ++i)
        token += "eyJ-_.09"[i % 8];
    const std::vector<std::string> both{"pgherald.v1", token};
    const auto offer = [](const std::string& value) {
        return described(plain_handshake("/ws", "Sec-WebSocket-Protocol: " + value + "\r\n"))
            .subprotocols;
    };
    EXPECT_EQ(offer("pgherald.v1, " + token), both);
    EXPECT_EQ(offer("pgherald.v1\r\nSec-WebSocket-Protocol: " + token), both);
    std::string many = "a";
    for (int i = 0; i < 1'000; ++i)
        many += ",a";
    EXPECT_EQ(offer(many).size(), 16u);
}

TEST_P(WsHandshake, AnswersAGet) {
    server echoing;
    const auto answer =
        support::http_get("127.0.0.1", echoing.port(), "/metrics", {}, echoing.trusting());
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.body, "/metrics");
    EXPECT_EQ(answer.field("content-type"), "text/plain; charset=utf-8");
    EXPECT_EQ(answer.field("server"), "");
}

TEST_P(WsHandshake, SaysWhyItCannotListen) {
    ws::asio::io_context context;
    const ws::acceptor first(context, "127.0.0.1:0");
    for (const auto& address : {first.local_address(), std::string("nonsense"),
                                std::string("127.0.0.1:70000"), std::string("::1:80")})
        try {
            ws::acceptor second(context, address);
            ADD_FAILURE() << address;
        } catch (const boost::system::system_error& error) {
            EXPECT_NE(std::string(error.what()).find(address), std::string::npos);
        }
    EXPECT_NE(ws::acceptor(context, ":0").local_address(), "");
    EXPECT_NE(ws::acceptor(context, "localhost:0").local_address(), "");
}

} // namespace
