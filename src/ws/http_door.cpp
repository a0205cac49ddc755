#include "ws/http_door.hpp"

#include "ws/deadline.hpp"
#include "ws/handshake.hpp"
#include "ws/outbox.hpp"
#include "ws/socket_impl.hpp"
#include "ws/transport.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace ws {
namespace {

namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;

constexpr std::size_t max_body = 4 * 1024;
constexpr std::size_t request_chunk = 4 * 1024;

/// How long and how much we read from a peer after its last answer, so that closing does not
/// destroy the answer on its way.
constexpr std::chrono::milliseconds linger_time{1'000};
constexpr std::size_t linger_bytes = 256 * 1024;

std::string address_of(const tcp_socket& socket) {
    error_code error;
    auto address = socket.remote_endpoint(error).address();
    if (error)
        return "unknown"; // gone already
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return address.to_string();
}

refusal refusal_for(const error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return {431, "the header is too large"};
    if (error == http::error::body_limit)
        return {413, "the body is too large"};
    return {400, "this is no HTTP request"};
}

} // namespace

class http_door::impl {
public:
    impl(tcp_socket socket, flush_turn& turn, const door_options& options)
        : transport_(std::move(socket), options.tls),
          secured_(!transport_.is_secure()),
          deadline_(transport_.tcp()),
          turn_(turn),
          options_(options),
          buffer_(options.max_header + max_body + request_chunk),
          peer_(address_of(transport_.tcp())) {}

    const std::string& peer() const { return peer_; }
    error_code tls_failure() const { return tls_failure_; }
    unsigned refused() const { return refused_; }
    asio::awaitable<boost::system::result<http_request>> read();
    asio::awaitable<error_code> respond(http_response response);
    asio::awaitable<boost::system::result<socket>>
    upgrade(socket_options options, std::string subprotocol, std::string server_name);

private:
    asio::awaitable<error_code> secure();
    asio::awaitable<error_code> parse();
    error_code feed_parser();
    asio::awaitable<error_code> refuse(refusal why);
    asio::awaitable<void> finish();

    transport transport_;
    bool secured_; ///< nothing stands in the way of a request
    error_code tls_failure_;
    deadline deadline_;
    flush_turn& turn_;
    door_options options_;
    boost::beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    std::string peer_;
    unsigned refused_ = 0;
    bool answered_ = false; ///< a request, at least
    bool keeps_alive_ = true;
    bool is_head_ = false;
};

asio::awaitable<boost::system::result<http_request>> http_door::impl::read() {
    if (!transport_.tcp().is_open())
        co_return error_code(asio::error::eof);
    deadline_.start(options_.request_timeout, deadline::action::cancel);
    error_code error = co_await secure();
    if (!error)
        error = co_await parse();
    deadline_.stop();
    if (error)
        co_return error;
    const auto& request = parser_->get();
    keeps_alive_ = request.keep_alive();
    is_head_ = request.method() == http::verb::head;
    co_return describe_request(request);
}

/// The TLS handshake, once. It shares its deadline with the first request.
asio::awaitable<error_code> http_door::impl::secure() {
    if (std::exchange(secured_, true))
        co_return error_code();
    auto [error, none] = co_await transport_.async_handshake(as_result);
    if (!error)
        co_return error;
    const bool slow = deadline_.passed();
    if (slow)
        error = asio::error::timed_out;
    if (slow || error.category() == tls_category())
        tls_failure_ = error;
    co_await finish(); // an alert is on its way
    co_return error;
}

/// Reads until the parser is done. Answers what it can't take.
asio::awaitable<error_code> http_door::impl::parse() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(options_.max_header));
    parser_->body_limit(max_body);
    parser_->eager(true);
    is_head_ = false;
    bool begun = false;
    bool checked = false;
    for (;;) {
        if (buffer_.size() > 0) {
            begun = true;
            const error_code error = feed_parser();
            if (parser_->is_header_done() && !std::exchange(checked, true))
                if (auto why = check_request(parser_->get()); why.status != 0)
                    co_return co_await refuse(std::move(why));
            if (error && error != http::error::need_more)
                co_return co_await refuse(refusal_for(error));
            if (parser_->is_done())
                co_return error_code();
        }
        error_code error = asio::error::operation_aborted;
        if (!deadline_.passed()) {
            std::size_t count = 0;
            std::tie(error, count) =
                co_await transport_.async_read_some(buffer_.prepare(request_chunk), as_result);
            buffer_.commit(count);
        }
        if (begun && deadline_.passed()) {
            refusal slow{408, "the request took too long"};
            co_return co_await refuse(std::move(slow));
        }
        if (error) {
            if (deadline_.passed() && !answered_)
                refused_ = 408; // nobody waits for the answer to a question not asked
            error_code ignored;
            transport_.tcp().close(ignored);
            co_return error;
        }
    }
}

error_code http_door::impl::feed_parser() {
    error_code error;
    try {
        buffer_.consume(parser_->put(buffer_.data(), error));
    } catch (const std::length_error&) { // of one field: Beast counts in 16 bits
        error = http::error::header_limit;
    }
    return error;
}

asio::awaitable<error_code> http_door::impl::refuse(refusal why) {
    keeps_alive_ = false;
    refused_ = why.status;
    http_response response;
    response.status = why.status;
    response.body = std::move(why.text) + "\n";
    const error_code error = co_await respond(std::move(response));
    co_return error ? error : error_code(asio::error::connection_aborted);
}

asio::awaitable<error_code> http_door::impl::respond(http_response response) {
    http::response<http::string_body> answer;
    answer.version(11);
    answer.result(response.status);
    answer.set(http::field::content_type, response.content_type);
    answer.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers)
        answer.set(name, value);
    answer.content_length(response.body.size());
    answer.keep_alive(keeps_alive_);
    answered_ = true;
    if (!is_head_)
        answer.body() = std::move(response.body);

    deadline_.start(options_.request_timeout, deadline::action::close);
    const auto [error, count] = co_await http::async_write(transport_, answer, as_result);
    deadline_.stop();
    if (error || !keeps_alive_)
        co_await finish();
    co_return error;
}

asio::awaitable<void> http_door::impl::finish() {
    tcp_socket& tcp = transport_.tcp();
    transport_.shutdown_send();
    deadline_.start(linger_time, deadline::action::close);
    buffer_.clear();
    for (std::size_t discarded = 0; tcp.is_open() && discarded < linger_bytes;) {
        const auto [error, count] =
            co_await tcp.async_read_some(buffer_.prepare(request_chunk), as_result);
        if (error)
            break;
        discarded += count;
    }
    deadline_.stop();
    error_code ignored;
    tcp.close(ignored);
}

/// Beast answers the handshake; what comes behind it is ours.
asio::awaitable<boost::system::result<socket>>
http_door::impl::upgrade(socket_options options, std::string subprotocol, std::string server_name) {
    auto handshake = parser_->release();
    handshake.erase(http::field::expect); // a GET has nothing to continue with
    // They were found wherever they stood; Beast looks at the first of each.
    handshake.set(http::field::connection, "Upgrade");
    handshake.set(http::field::upgrade, "websocket");
    std::string extensions;
    {
        websocket::stream<transport&, true> stream(transport_);
        stream.set_option(websocket::stream_base::decorator([&](websocket::response_type& answer) {
            answer.set(http::field::server, server_name);
            if (!subprotocol.empty())
                answer.set(http::field::sec_websocket_protocol, subprotocol);
            extensions = answer[http::field::sec_websocket_extensions];
        }));
        if (options.compression) {
            websocket::permessage_deflate deflate;
            deflate.server_enable = true;
            deflate.server_no_context_takeover = true;
            stream.set_option(deflate);
        }
        deadline_.start(options.close_timeout, deadline::action::close);
        const auto [error] = co_await stream.async_accept(handshake, as_result);
        deadline_.stop();
        if (error)
            co_return error;
    }
    const auto core = std::make_shared<outbox_core>(std::move(transport_), turn_);
    const std::string_view already_read(static_cast<const char*>(buffer_.data().data()),
                                        buffer_.size());
    auto inside =
        std::make_shared<socket::impl>(core, options, deflate_agreed(extensions), already_read);
    inside->begin();
    co_return socket(std::move(inside));
}

http_door::http_door(tcp_socket socket, flush_turn& turn, const door_options& options)
    : impl_(std::make_unique<impl>(std::move(socket), turn, options)) {}
http_door::http_door(http_door&&) noexcept = default;
http_door::~http_door() = default;

std::string http_door::peer() const {
    return impl_->peer();
}

error_code http_door::tls_failure() const {
    return impl_->tls_failure();
}

unsigned http_door::refused() const {
    return impl_->refused();
}

asio::awaitable<boost::system::result<http_request>> http_door::read() {
    return impl_->read();
}

asio::awaitable<error_code> http_door::respond(http_response response) {
    return impl_->respond(std::move(response));
}

asio::awaitable<boost::system::result<socket>>
http_door::upgrade(socket_options options, std::string subprotocol, std::string server_name) {
    const auto inside = std::move(impl_);
    co_return co_await inside->upgrade(options, std::move(subprotocol), std::move(server_name));
}

} // namespace ws
