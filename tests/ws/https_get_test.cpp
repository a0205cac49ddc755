#include "tests/support/certificate.hpp"
#include "tests/support/https_server.hpp"
#include "ws/https_get.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using support::http_answer_text;
using support::https_server;

const support::certificate& shown() {
    static const auto one = support::make_certificate("keys");
    return one;
}

struct got {
    std::string body;
    std::string problem; ///< empty: none
};

got fetch(ws::https_request request) {
    ws::asio::io_context context;
    if (request.certificate_authorities.empty())
        request.certificate_authorities = shown().pem;
    auto answer = ws::asio::co_spawn(context, ws::https_get(context, std::move(request)),
                                     ws::asio::use_future);
    context.run();
    auto result = answer.get();
    return result ? got{std::move(*result), {}} : got{{}, result.error().reason};
}

got fetch(const std::string& url) {
    ws::https_request request;
    request.url = url;
    return fetch(std::move(request));
}

/// What is said where a server answers with this.
std::string problem_with(const std::string& answer) {
    const https_server server(shown(), [&](const auto&) { return answer; });
    const got result = fetch(server.url());
    EXPECT_EQ(result.body, "");
    // Which port it was doesn't matter here.
    auto text = result.problem;
    const auto port = ':' + std::to_string(server.port());
    if (const auto at = text.find(port); at != text.npos)
        text.erase(at, port.size());
    return text;
}

TEST(HttpsGet, GivesTheBody) {
    std::string asked;
    const https_server server(shown(), [&](const std::string& request) {
        asked = request;
        return http_answer_text("{\"keys\":[]}");
    });
    const got result = fetch(server.url("/a/keys?of=us"));
    EXPECT_EQ(result.body, "{\"keys\":[]}") << result.problem;
    EXPECT_EQ(asked.substr(0, asked.find("\r\n")), "GET /a/keys?of=us HTTP/1.1");
    EXPECT_NE(asked.find("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"), asked.npos)
        << asked;
}

TEST(HttpsGet, TakesChunksAndEndsWithTheConnection) {
    const https_server chunked(shown(), [](const auto&) {
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
               "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    });
    EXPECT_EQ(fetch(chunked.url()).body, "abcde");
    const https_server endless(shown(), [](const auto&) { return "HTTP/1.0 200 OK\r\n\r\nall"; });
    EXPECT_EQ(fetch(endless.url()).body, "all");
}

TEST(HttpsGet, ANameIsAskedForAndCheckedAgainstTheCertificate) {
    const https_server server(shown(), [](const auto&) { return http_answer_text("x"); });
    EXPECT_EQ(fetch(server.url("/", "localhost")).body, "x");
}

TEST(HttpsGet, OnlyACertificateThatIsTrustedAndOfTheHostWillDo) {
    const https_server server(shown(), [](const auto&) { return http_answer_text("x"); });
    ws::https_request request;
    request.url = server.url();
    request.certificate_authorities = support::make_certificate("somebody else").pem;
    EXPECT_NE(fetch(request).problem.find("certificate verify failed"), std::string::npos)
        << fetch(request).problem;
    EXPECT_EQ(server.requests(), 0) << "it got as far as asking";
    request.certificate_authorities = "no PEM";
    EXPECT_NE(fetch(request).problem.find("certificate authorities can't be read"),
              std::string::npos);
}

TEST(HttpsGet, ACertificateOfAnotherHostIsRefused) {
    const auto other = support::make_certificate("keys", nullptr, {}, 3600, "DNS:example.com");
    const https_server server(other, [](const auto&) { return http_answer_text("x"); });
    for (const auto* host : {"127.0.0.1", "localhost"}) {
        ws::https_request request;
        request.url = server.url("/", host);
        request.certificate_authorities = other.pem;
        EXPECT_NE(fetch(request).problem.find("certificate verify failed"), std::string::npos)
            << host << ": " << fetch(request).problem;
    }
    EXPECT_EQ(server.requests(), 0);
}

TEST(HttpsGet, SaysWhatIsWrongWithAnAnswer) {
    EXPECT_EQ(problem_with(http_answer_text("", "404 Not Found")), "127.0.0.1 answers with 404");
    EXPECT_EQ(problem_with(http_answer_text("", "500 Oh")), "127.0.0.1 answers with 500");
    EXPECT_EQ(problem_with(http_answer_text("", "302 Found", "Location: https://127.0.0.1/x\r\n")),
              "127.0.0.1 answers with a redirect (302), which is not followed: name the place "
              "itself");
    const std::string broken = "the answer of 127.0.0.1 is broken: ";
    for (const auto* answer :
         {"no HTTP\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"})
        EXPECT_EQ(problem_with(answer).substr(0, broken.size()), broken) << answer;
}

TEST(HttpsGet, AnAnswerHasALimit) {
    const std::string much(256 * 1024 + 1, 'x');
    const std::string too_large = "the answer of 127.0.0.1 is larger than 256 KiB";
    EXPECT_EQ(problem_with(http_answer_text(much)), too_large);
    EXPECT_EQ(problem_with("HTTP/1.1 200 OK\r\n\r\n" + much), too_large);
    const std::string header = "X-Much: " + std::string(20'000, 'x') + "\r\n";
    EXPECT_NE(problem_with(http_answer_text("x", "200 OK", header)), "");
    const std::string all = much.substr(1);
    const https_server server(shown(), [&](const auto&) { return http_answer_text(all); });
    EXPECT_EQ(fetch(server.url()).body.size(), all.size());
}

TEST(HttpsGet, DoesNotWaitForEver) {
    const https_server server(shown(), [](const auto&) { return std::string(); });
    ws::https_request request;
    request.url = server.url();
    request.timeout = 300ms;
    const auto begun = std::chrono::steady_clock::now();
    const got result = fetch(request);
    EXPECT_NE(result.problem.find("it took too long"), std::string::npos) << result.problem;
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 300ms);
}

TEST(HttpsGet, NobodyThere) {
    std::string url;
    {
        const https_server server(shown(), [](const auto&) { return http_answer_text("x"); });
        url = server.url();
    }
    EXPECT_NE(fetch(url).problem.find("no connection to 127.0.0.1"), std::string::npos)
        << fetch(url).problem;
}

TEST(HttpsGet, RefusesWhatIsNoAddress) {
    for (const auto* url : {"", "http://127.0.0.1/", "https://", "https:///x", "https://a:b/",
                            "https://a:0/", "https://a:99999/", "https://u:p@a/", "https://[::1/",
                            "https://a/\r\nX: y", "https://a/ b"})
        EXPECT_EQ(fetch(url).problem, "the address must be https://host[:port]/path") << url;
}

} // namespace
