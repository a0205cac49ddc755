#include "ws/https_get.hpp"

#include "ws/deadline.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace ws {
namespace {

namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;

using answer = boost::system::result<std::string, fetch_problem>;
using tls_stream = ssl::stream<tcp_socket>;

constexpr std::uint32_t max_header = 16 * 1024;

struct parsed_url {
    std::string host; ///< without the brackets of an IPv6 address
    std::string port;
    std::string authority; ///< as in Host
    std::string target;
};

std::optional<parsed_url> parse(std::string_view url) {
    constexpr std::string_view scheme = "https://";
    if (!url.starts_with(scheme))
        return std::nullopt;
    url.remove_prefix(scheme.size());
    url = url.substr(0, url.find('#'));
    const auto path = std::min(url.find_first_of("/?"), url.size());
    const auto authority = url.substr(0, path);
    parsed_url parsed;
    parsed.authority = authority;
    parsed.target = url.substr(path);
    if (!parsed.target.starts_with('/'))
        parsed.target.insert(0, 1, '/');
    const auto is_bad = [](char c) { return c <= ' ' || c >= 0x7f; };
    if (authority.find('@') != authority.npos || std::ranges::any_of(url, is_bad))
        return std::nullopt;
    const bool bracketed = authority.starts_with('[');
    const auto host_end = bracketed ? authority.find(']') : authority.find(':');
    parsed.host = authority.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
    const auto colon = authority.find(':', bracketed ? host_end : 0);
    parsed.port = colon == authority.npos ? "443" : std::string(authority.substr(colon + 1));
    std::uint16_t port = 0;
    const char* const end = parsed.port.data() + parsed.port.size();
    const auto [stopped, wrong] = std::from_chars(parsed.port.data(), end, port);
    if (parsed.host.empty() || wrong != std::errc() || stopped != end || port == 0 ||
        (bracketed && host_end == authority.npos))
        return std::nullopt;
    return parsed;
}

/// One fetch: an error at any step is said in the words of that step.
class fetch {
public:
    fetch(asio::io_context& context, const parsed_url& url, const https_request& request)
        : resolver_(context),
          tls_(ssl::context::tls_client),
          url_(url),
          request_(request),
          context_(context) {}

    asio::awaitable<answer> run() {
        if (auto why = prepare())
            co_return fetch_problem{std::move(*why)};
        using clock = std::chrono::steady_clock;
        const auto until = clock::now() + request_.timeout;
        auto [unknown, endpoints] =
            co_await resolver_.async_resolve(url_.host, url_.port, as_result);
        if (unknown)
            co_return problem("the name " + url_.host + " can't be resolved", unknown);
        error_code error = asio::error::host_unreachable;
        for (const auto& each : endpoints) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
            if (left.count() <= 0)
                break;
            stream_.emplace(context_, tls_);
            deadline_.emplace(stream_->next_layer());
            deadline_->start(left, deadline::action::close);
            const auto [failed] =
                co_await stream_->next_layer().async_connect(each.endpoint(), as_result);
            error = failed;
            if (!error)
                break;
        }
        if (error)
            co_return problem("no connection to " + url_.authority, error);
        auto got = co_await talk();
        co_return got;
    }

private:
    /// What can't be worked with; nothing: it can.
    std::optional<std::string> prepare() {
        error_code error;
        const auto& authorities = request_.certificate_authorities;
        if (authorities.empty())
            tls_.set_default_verify_paths(error);
        else
            tls_.add_certificate_authority(asio::buffer(authorities), error);
        if (error)
            return "the certificate authorities can't be read: " + error.message();
        tls_.set_verify_mode(ssl::verify_peer);
        SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
        return std::nullopt;
    }

    asio::awaitable<answer> talk() {
        error_code unverified;
        stream_->set_verify_callback(ssl::host_name_verification(url_.host), unverified);
        error_code no_address;
        asio::ip::make_address(url_.host, no_address);
        constexpr unsigned char protocols[] = "\x08http/1.1";
        SSL_set_alpn_protos(stream_->native_handle(), protocols, sizeof(protocols) - 1);
        if (no_address) // SNI is for names
            SSL_set_tlsext_host_name(stream_->native_handle(), url_.host.c_str());
        const auto [refused] =
            co_await stream_->async_handshake(ssl::stream_base::client, as_result);
        if (refused)
            co_return problem("the TLS handshake with " + url_.authority + " failed", refused);

        http::request<http::empty_body> ask(http::verb::get, url_.target, 11);
        ask.set(http::field::host, url_.authority);
        ask.set(http::field::accept, "application/json");
        ask.set(http::field::user_agent, "pgherald");
        ask.keep_alive(false);
        const auto [unsent, sent] = co_await http::async_write(*stream_, ask, as_result);
        if (unsent)
            co_return problem("the request to " + url_.authority + " failed", unsent);

        boost::beast::flat_buffer buffer(request_.max_body + max_header);
        http::response_parser<http::string_body> parser;
        parser.header_limit(max_header);
        parser.body_limit(request_.max_body);
        const auto [broken, count] = co_await http::async_read(*stream_, buffer, parser, as_result);
        if (broken == http::error::body_limit || broken == http::error::buffer_overflow)
            co_return fetch_problem{"the answer of " + url_.authority + " is larger than " +
                                    std::to_string(request_.max_body / 1024) + " KiB"};
        if (broken)
            co_return problem("the answer of " + url_.authority + " is broken", broken);
        const unsigned status = parser.get().result_int();
        if (status >= 300 && status < 400)
            co_return fetch_problem{url_.authority + " answers with a redirect (" +
                                    std::to_string(status) +
                                    "), which is not followed: name the place itself"};
        if (status != 200)
            co_return fetch_problem{url_.authority + " answers with " + std::to_string(status)};
        co_return answer(boost::system::in_place_value, std::move(parser.get().body()));
    }

    answer problem(std::string what, const error_code& why) const {
        const bool late = deadline_ && deadline_->passed();
        return fetch_problem{std::move(what) + ": " +
                             (late ? std::string("it took too long") : why.message())};
    }

    tcp::resolver resolver_;
    ssl::context tls_;
    const parsed_url& url_;
    const https_request& request_;
    asio::io_context& context_;
    std::optional<tls_stream> stream_;
    std::optional<deadline> deadline_; ///< of the socket above it
};

} // namespace

void throw_exception_from_error(const fetch_problem& error, const boost::source_location&) {
    throw std::runtime_error(error.reason);
}

asio::awaitable<answer> https_get(asio::io_context& context, https_request request) {
    const auto url = parse(request.url);
    if (!url)
        co_return fetch_problem{"the address must be https://host[:port]/path"};
    fetch one(context, *url, request);
    auto got = co_await one.run();
    co_return got;
}

} // namespace ws
