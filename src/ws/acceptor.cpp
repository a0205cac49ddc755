#include "ws/acceptor.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace ws {
namespace {

using asio::ip::tcp;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

struct listen_address {
    std::string host; ///< empty: every address of this machine
    std::uint16_t port;
};

std::optional<listen_address> split(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return std::nullopt;
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    else if (host.find(':') != host.npos)
        return std::nullopt; // IPv6 without brackets: where its port begins is a guess
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size())
        return std::nullopt;
    return listen_address{std::string(host), port};
}

tcp::endpoint resolve(asio::io_context& context, const listen_address& address, error_code& error) {
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(address.host, "", tcp::resolver::passive, error);
    if (error)
        return {};
    return {found.begin()->endpoint().address(), address.port};
}

error_code listen(tcp_acceptor& acceptor, const tcp::endpoint& endpoint) {
    error_code error;
    const auto step = [&error](auto&& action) {
        if (!error)
            action();
    };
    step([&] { acceptor.open(endpoint.protocol(), error); });
    step([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
    if (endpoint.address().is_v6() && endpoint.address().is_unspecified())
        step([&] { acceptor.set_option(asio::ip::v6_only(false), error); });
    step([&] { acceptor.bind(endpoint, error); });
    step([&] { acceptor.listen(tcp::acceptor::max_listen_connections, error); });
    if (error) {
        error_code ignored;
        acceptor.close(ignored);
    }
    return error;
}

error_code listen(tcp_acceptor& acceptor, asio::io_context& context, const std::string& text) {
    const auto address = split(text);
    if (!address)
        return asio::error::invalid_argument;
    if (address->host.empty()) {
        if (!listen(acceptor, {asio::ip::address_v6::any(), address->port}))
            return {};
        return listen(acceptor, {tcp::v4(), address->port}); // a machine without IPv6
    }
    error_code error;
    const auto endpoint = resolve(context, *address, error);
    return error ? error : listen(acceptor, endpoint);
}

} // namespace

bool cannot_listen::may_pass() const {
    return code() == asio::error::address_in_use || code() == std::errc::address_not_available ||
           code() == asio::error::host_not_found_try_again;
}

struct acceptor::impl {
    explicit impl(asio::io_context& context) : listening(context) {}
    tcp_acceptor listening;
};

acceptor::acceptor(asio::io_context& context, const std::string& address)
    : impl_(std::make_unique<impl>(context)) {
    if (const auto error = listen(impl_->listening, context, address))
        throw cannot_listen(error, "can't listen on \"" + address + "\"");
}

acceptor::~acceptor() = default;

std::string acceptor::local_address() const {
    error_code error;
    const auto endpoint = impl_->listening.local_endpoint(error);
    if (error)
        return {};
    const auto host = endpoint.address().to_string();
    const auto port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

asio::awaitable<boost::system::result<tcp_socket>> acceptor::accept(asio::io_context& target) {
    auto [error, socket] = co_await impl_->listening.async_accept(target.get_executor(), as_result);
    if (error)
        co_return error;
    error_code ignored; // the peer may be gone already; then the first read says so
    socket.set_option(tcp::no_delay(true), ignored);
    co_return std::move(socket);
}

void acceptor::close() {
    error_code ignored;
    impl_->listening.close(ignored);
}

} // namespace ws
