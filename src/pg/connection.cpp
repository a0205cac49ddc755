#include "pg/connection.hpp"

#include "pg/connection_impl.hpp"

namespace pg {

namespace {

/// A query's own timeout comes first, and says so.
constexpr std::chrono::milliseconds backend_ends_later{1'000};

} // namespace

// Each operation keeps the inside alive, so that one under way survives close() and a move.

connection::connection(std::shared_ptr<impl> inside) : impl_(std::move(inside)) {}

connection::connection(connection&&) noexcept = default;

connection& connection::operator=(connection&& other) noexcept {
    if (this != &other) {
        close();
        impl_ = std::move(other.impl_);
    }
    return *this;
}

connection::~connection() {
    close();
}

asio::awaitable<outcome<connection>> connection::open(asio::io_context& context,
                                                      connect_options options) {
    auto to = complete_conninfo(options);
    if (!to)
        co_return to.error();
    auto made = co_await connect(context, std::move(*to));
    if (!made)
        co_return made.error();
    const auto limit = options.query_timeout;
    connection opened(std::make_shared<impl>(context, std::move(*made), std::move(options)));
    // Not as a start-up option, which poolers refuse; this setting they know and carry along.
    std::string settings = "set timezone to 'UTC'";
    // A backend that waits for a lock doesn't notice that we have gone: while a table is locked for
    // long, each attempt would leave another one behind.
    if (limit.count() > 0)
        settings +=
            "; set statement_timeout to " + std::to_string((limit + backend_ends_later).count());
    auto set = co_await opened.script(settings);
    if (!set)
        co_return error{error::kind::lost, set.error().sqlstate, set.error().message};
    co_return opened;
}

asio::awaitable<outcome<result>>
connection::query(std::string_view statement, std::span<const parameter> parameters, bool prepare) {
    const auto inside = impl_;
    co_return co_await inside->query(statement, parameters, prepare);
}

asio::awaitable<outcome<result>> connection::script(std::string text) {
    const auto inside = impl_;
    co_return co_await inside->script(std::move(text));
}

asio::awaitable<outcome<std::vector<connection::ring>>>
connection::wait_rings(std::chrono::milliseconds timeout) {
    const auto inside = impl_;
    co_return co_await inside->wait_rings(timeout);
}

outcome<std::string> connection::quoted_identifier(std::string_view name) const {
    return impl_->quoted_identifier(name);
}

bool connection::alive() const {
    return impl_ && impl_->alive();
}
int connection::backend_pid() const {
    return impl_->backend_pid();
}
int connection::server_version() const {
    return impl_->server_version();
}

void connection::close() {
    if (impl_)
        impl_->close();
}

} // namespace pg
