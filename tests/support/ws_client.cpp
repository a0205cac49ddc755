#include "tests/support/ws_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <openssl/pem.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <memory>

namespace support {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using steady = std::chrono::steady_clock;

bool run_until(asio::io_context& context, steady::time_point deadline, const bool& done) {
    while (!done) {
        context.restart();
        if (context.run_one_until(deadline) == 0 && steady::now() >= deadline)
            return done;
    }
    return true;
}

/// Waits for one operation that began with `start(handler)`; its error, or timed_out.
template <typename Start>
error_code perform(asio::io_context& context, tcp::socket& socket, Start start,
                   std::chrono::milliseconds wait = patience) {
    error_code result = asio::error::timed_out;
    bool done = false;
    start([&](error_code error, auto&&...) {
        result = error;
        done = true;
    });
    if (run_until(context, steady::now() + wait, done))
        return result;
    error_code ignored;
    socket.close(ignored);
    run_until(context, steady::now() + patience, done); // the handler refers to this frame
    return asio::error::timed_out;
}

void connect(asio::io_context& context, tcp::socket& socket, const std::string& host,
             std::uint16_t port, int receive_buffer) {
    tcp::resolver resolver(context);
    const tcp::endpoint to = *resolver.resolve(host, std::to_string(port)).begin();
    socket.open(to.protocol());
    if (receive_buffer > 0)
        socket.set_option(tcp::socket::receive_buffer_size(receive_buffer));
    const auto error = perform(context, socket,
                               [&](auto handler) { socket.async_connect(to, std::move(handler)); });
    if (error)
        throw std::runtime_error("connect to " + host + ":" + std::to_string(port) + ": " +
                                 error.message());
    socket.set_option(tcp::no_delay(true));
}

void reset(tcp::socket& socket) {
    error_code ignored;
    socket.set_option(tcp::socket::linger(true, 0), ignored);
    socket.close(ignored);
}

int number_of(const std::string& version) {
    return version == "1.1"   ? TLS1_1_VERSION
           : version == "1.2" ? TLS1_2_VERSION
           : version == "1.3" ? TLS1_3_VERSION
                              : 0;
}

std::unique_ptr<asio::ssl::context> context_for(const tls_client& how) {
    auto made = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX* const native = made->native_handle();
    SSL_CTX_set_min_proto_version(native, number_of(how.min_version));
    SSL_CTX_set_max_proto_version(native, number_of(how.max_version));
    if (how.max_version == "1.1") // which no library of today speaks unless told to
        SSL_CTX_set_cipher_list(native, "ALL:@SECLEVEL=0");
    std::string protocols;
    for (const auto& each : how.protocols)
        protocols += static_cast<char>(each.size()) + each;
    SSL_CTX_set_alpn_protos(native, reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
    if (!how.trusted.empty()) {
        made->add_certificate_authority(asio::buffer(how.trusted));
        made->set_verify_mode(asio::ssl::verify_peer);
    }
    return made;
}

tls_facts facts_of(SSL* stream) {
    tls_facts facts;
    const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509(out.get(), SSL_get0_peer_certificate(stream));
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    facts.certificate.assign(text, static_cast<std::size_t>(size));
    facts.chain = static_cast<std::size_t>(sk_X509_num(SSL_get_peer_cert_chain(stream)));
    const unsigned char* protocol = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(stream, &protocol, &length);
    facts.protocol.assign(reinterpret_cast<const char*>(protocol), length);
    facts.version = SSL_get_version(stream);
    return facts;
}

/// TCP, with TLS on it or without.
class link {
public:
    using executor_type = tcp::socket::executor_type;
    using next_layer_type = tcp::socket;

    explicit link(asio::io_context& context) : socket_(context) {}

    executor_type get_executor() { return socket_.get_executor(); }
    tcp::socket& next_layer() { return socket_; }
    const tcp::socket& next_layer() const { return socket_; }

    void open(asio::io_context& context, const std::string& host, std::uint16_t port,
              int receive_buffer, const std::optional<tls_client>& tls) {
        connect(context, socket_, host, port, receive_buffer);
        if (!tls)
            return;
        context_ = context_for(*tls);
        stream_ = std::make_unique<tls_stream>(socket_, *context_);
        const auto error = perform(context, socket_, [&](auto handler) {
            stream_->async_handshake(tls_stream::client, std::move(handler));
        });
        if (error)
            throw tls_refused("TLS: " + error.message());
    }

    template <typename Buffers, typename Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, asio::mutable_buffer to) {
                read_some(to, shared(std::move(handler)));
            },
            token, first_of<asio::mutable_buffer>(buffers));
    }

    template <typename Buffers, typename Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, asio::const_buffer from) {
                write_some(from, shared(std::move(handler)));
            },
            token, first_of<asio::const_buffer>(buffers));
    }

    bool end(asio::io_context& context) {
        if (stream_)
            return !perform(context, socket_,
                            [&](auto handler) { stream_->async_shutdown(std::move(handler)); });
        error_code error;
        socket_.shutdown(tcp::socket::shutdown_send, error);
        return !error;
    }

    SSL* native_tls() const { return stream_ ? stream_->native_handle() : nullptr; }

private:
    using tls_stream = asio::ssl::stream<tcp::socket&>;
    using done = std::function<void(error_code, std::size_t)>;

    // One type of buffer and one of handler: each pair makes the compiler build all of TLS again.

    /// Some is what may be read or written, so the first that isn't empty will do.
    template <typename Buffer, typename Buffers>
    static Buffer first_of(const Buffers& buffers) {
        const auto end = asio::buffer_sequence_end(buffers);
        const auto found = std::find_if(asio::buffer_sequence_begin(buffers), end,
                                        [](const Buffer& each) { return each.size() > 0; });
        return found == end ? Buffer() : Buffer(*found);
    }

    template <typename Handler>
    static done shared(Handler handler) {
        return [held = std::make_shared<Handler>(std::move(handler))](
                   error_code error, std::size_t size) { (*held)(error, size); };
    }

    void read_some(asio::mutable_buffer to, done then) {
        if (stream_)
            stream_->async_read_some(to, std::move(then));
        else
            socket_.async_read_some(to, std::move(then));
    }
    void write_some(asio::const_buffer from, done then) {
        if (stream_)
            stream_->async_write_some(from, std::move(then));
        else
            socket_.async_write_some(from, std::move(then));
    }

    tcp::socket socket_;
    std::unique_ptr<asio::ssl::context> context_;
    std::unique_ptr<tls_stream> stream_;
};

/// For Beast's closing handshake: once both have said that they close, TCP's end is enough.
template <typename Handler>
void async_teardown(beast::role_type role, link& on, Handler&& handler) {
    using websocket::async_teardown;
    async_teardown(role, on.next_layer(), std::forward<Handler>(handler));
}

} // namespace

struct ws_client::impl {
    asio::io_context context;
    websocket::stream<link> stream{context};
    beast::flat_buffer buffer;
    websocket::response_type answer;
    bool reading = false;
    bool read_done = false;
    bool closed = false;
    error_code read_error;

    tcp::socket& tcp_layer() { return stream.next_layer().next_layer(); }

    void write(std::string_view bytes, bool binary) {
        stream.binary(binary);
        const auto error = perform(context, tcp_layer(), [&](auto handler) {
            stream.async_write(asio::buffer(bytes), std::move(handler));
        });
        if (error)
            throw std::runtime_error("send: " + error.message());
    }
};

ws_client::ws_client(const std::string& host, std::uint16_t port, const std::string& path,
                     const ws_options& options)
    : impl_(std::make_unique<impl>()) {
    auto& in = *impl_;
    in.stream.next_layer().open(in.context, host, port, options.receive_buffer, options.tls);
    in.stream.auto_fragment(false);
    in.stream.read_message_max(64 * 1024 * 1024);
    if (options.compression) {
        websocket::permessage_deflate deflate;
        deflate.client_enable = true;
        in.stream.set_option(deflate);
    }
    in.stream.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
        if (!options.subprotocol.empty())
            request.set(http::field::sec_websocket_protocol, options.subprotocol);
        if (!options.origin.empty())
            request.set(http::field::origin, options.origin);
        for (const auto& [name, value] : options.headers)
            request.insert(name, value);
    }));
    const std::string authority = host + ":" + std::to_string(port);
    const auto error = perform(in.context, in.tcp_layer(), [&](auto handler) {
        in.stream.async_handshake(in.answer, authority, path, std::move(handler));
    });
    in.stream.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
    if (error == websocket::error::upgrade_declined)
        throw handshake_refused(in.answer.result_int());
    if (error)
        throw std::runtime_error("handshake: " + error.message());
}

ws_client::ws_client(ws_client&&) noexcept = default;
ws_client& ws_client::operator=(ws_client&&) noexcept = default;
ws_client::~ws_client() = default;

void ws_client::send(std::string_view text) {
    impl_->write(text, false);
}
void ws_client::send_binary(std::string_view bytes) {
    impl_->write(bytes, true);
}

void ws_client::ping(std::string_view payload) {
    const websocket::ping_data data(payload.data(), payload.size());
    const auto error = perform(impl_->context, impl_->tcp_layer(), [&](auto handler) {
        impl_->stream.async_ping(data, std::move(handler));
    });
    if (error)
        throw std::runtime_error("ping: " + error.message());
}

std::optional<std::string> ws_client::read(std::chrono::milliseconds wait) {
    auto& in = *impl_;
    if (in.closed)
        return std::nullopt;
    if (!in.reading) { // else the read of an earlier call that ran out of time goes on
        in.reading = true;
        in.read_done = false;
        in.stream.async_read(in.buffer, [&in](error_code error, std::size_t) {
            in.read_error = error;
            in.read_done = true;
        });
    }
    if (!run_until(in.context, steady::now() + wait, in.read_done))
        return std::nullopt;
    in.reading = false;
    if (in.read_error) {
        in.closed = true;
        return std::nullopt;
    }
    auto text = beast::buffers_to_string(in.buffer.data());
    in.buffer.consume(in.buffer.size());
    return text;
}

bool ws_client::last_was_binary() const {
    return impl_->stream.got_binary();
}
bool ws_client::closed() const {
    return impl_->closed;
}

std::uint16_t ws_client::close_code() const {
    const bool said = impl_->read_error == websocket::error::closed;
    return said ? static_cast<std::uint16_t>(impl_->stream.reason().code) : std::uint16_t{1006};
}

std::string ws_client::close_reason() const {
    const auto& reason = impl_->stream.reason().reason;
    return {reason.data(), reason.size()};
}

bool ws_client::wait_closed(std::chrono::milliseconds wait) {
    const auto deadline = steady::now() + wait;
    while (!closed() && steady::now() < deadline)
        read(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady::now()));
    return closed();
}

bool ws_client::close(std::uint16_t code, const std::string& reason) {
    const websocket::close_reason words(static_cast<websocket::close_code>(code), reason);
    const auto error = perform(impl_->context, impl_->tcp_layer(), [&](auto handler) {
        impl_->stream.async_close(words, std::move(handler));
    });
    impl_->closed = true;
    return !error;
}

void ws_client::abort() {
    reset(impl_->tcp_layer());
    impl_->closed = true;
}

std::string ws_client::answer_field(const std::string& name) const {
    const auto value = impl_->answer[name];
    return {value.data(), value.size()};
}

tls_facts ws_client::tls() const {
    return facts_of(impl_->stream.next_layer().native_tls());
}

struct raw_client::impl {
    asio::io_context context;
    link on{context};
    std::string received;
    char chunk[16 * 1024];
    bool reading = false;
    bool read_done = false;
    std::size_t count = 0;
    error_code error;
    bool closed = false;

    /// Reads until `enough` or the deadline; takes the first `enough()` bytes, or all.
    template <typename Enough>
    std::string read(Enough enough, std::chrono::milliseconds wait) {
        const auto deadline = steady::now() + wait;
        std::size_t take = enough();
        while (take == std::string::npos && !closed && read_some(deadline))
            take = enough();
        take = std::min(take, received.size());
        auto taken = received.substr(0, take);
        received.erase(0, take);
        return taken;
    }

    bool read_some(steady::time_point deadline) {
        if (!reading) { // else the read of an earlier call that ran out of time goes on
            reading = true;
            read_done = false;
            on.async_read_some(asio::buffer(chunk), [this](error_code why, std::size_t size) {
                error = why;
                count = size;
                read_done = true;
            });
        }
        if (!run_until(context, deadline, read_done))
            return false;
        reading = false;
        received.append(chunk, count);
        closed = static_cast<bool>(error);
        return true;
    }
};

raw_client::raw_client(const std::string& host, std::uint16_t port, int receive_buffer,
                       const std::optional<tls_client>& tls)
    : impl_(std::make_unique<impl>()) {
    impl_->on.open(impl_->context, host, port, receive_buffer, tls);
}
raw_client::raw_client(raw_client&&) noexcept = default;
raw_client::~raw_client() = default;

bool raw_client::write(std::string_view bytes, std::chrono::milliseconds wait) {
    const auto start = [&](auto handler) {
        asio::async_write(impl_->on, asio::buffer(bytes), std::move(handler));
    };
    return !perform(impl_->context, impl_->on.next_layer(), start, wait);
}

std::string raw_client::read_until(std::string_view end, std::chrono::milliseconds wait) {
    return impl_->read(
        [&] {
            const auto at = impl_->received.find(end);
            return at == std::string::npos ? at : at + end.size();
        },
        wait);
}

std::string raw_client::read_exactly(std::size_t count, std::chrono::milliseconds wait) {
    return impl_->read([&] { return impl_->received.size() < count ? std::string::npos : count; },
                       wait);
}

std::string raw_client::read_to_end(std::chrono::milliseconds wait) {
    return impl_->read([] { return std::string::npos; }, wait);
}

bool raw_client::closed() const {
    return impl_->closed;
}
bool raw_client::closed_politely() const {
    SSL* const tls = impl_->on.native_tls();
    return tls && (SSL_get_shutdown(tls) & SSL_RECEIVED_SHUTDOWN) != 0;
}
bool raw_client::end() {
    return impl_->on.end(impl_->context);
}
void raw_client::end_tcp() {
    error_code ignored;
    impl_->on.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
}
void raw_client::abort() {
    reset(impl_->on.next_layer());
}
tls_facts raw_client::tls() const {
    return facts_of(impl_->on.native_tls());
}

std::string http_answer::field(const std::string& lower_case_name) const {
    for (const auto& [name, value] : headers)
        if (name == lower_case_name)
            return value;
    return {};
}

http_answer http_get(const std::string& host, std::uint16_t port, const std::string& path,
                     const header_list& headers, const std::optional<tls_client>& tls) {
    std::string request = "GET " + path + " HTTP/1.1\r\nConnection: close\r\n";
    const auto is_host = [](const auto& field) { return field.first == "Host"; };
    if (std::none_of(headers.begin(), headers.end(), is_host))
        request += "Host: " + host + ":" + std::to_string(port) + "\r\n";
    for (const auto& [name, value] : headers)
        request += name + ": " + value + "\r\n";
    raw_client client(host, port, 0, tls);
    client.write(request + "\r\n");
    const auto received = client.read_to_end();

    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    parser.eager(true);
    error_code error;
    parser.put(asio::buffer(received), error);
    if (!parser.is_header_done())
        return {};
    http_answer answer;
    answer.status = parser.get().result_int();
    for (const auto& field : parser.get()) {
        std::string name(field.name_string());
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        answer.headers.emplace_back(std::move(name), std::string(field.value()));
    }
    answer.body = parser.get().body();
    return answer;
}

std::string plain_handshake(const std::string& path, const std::string& extra) {
    return "GET " + path +
           " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
           extra + "\r\n";
}

std::string client_frame(unsigned opcode, std::string_view payload, bool final) {
    constexpr unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    std::string frame(1, static_cast<char>(opcode | (final ? 0x80u : 0u)));
    const std::size_t length_bytes = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
    const std::size_t first = length_bytes == 0 ? payload.size() : length_bytes == 2 ? 126 : 127;
    frame += static_cast<char>(0x80 | first);
    for (std::size_t i = length_bytes; i > 0; --i)
        frame += static_cast<char>(payload.size() >> (8 * (i - 1)));
    frame.append(reinterpret_cast<const char*>(mask), sizeof mask);
    for (std::size_t i = 0; i < payload.size(); ++i)
        frame += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ mask[i % 4]);
    return frame;
}

} // namespace support
