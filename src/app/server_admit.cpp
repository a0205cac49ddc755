// Who comes in: accepting connections, and the places of sessions.
#include "app/server.hpp"

#include "app/signal.hpp"
#include "app/spawn.hpp"
#include "app/tell_fault.hpp"

#include <boost/asio/post.hpp>

#include <optional>
#include <string>
#include <utility>

namespace app {

namespace {

constexpr std::chrono::milliseconds accept_pause{100};

/// Nothing when the peer is gone already.
std::optional<core::address> address_of(const ws::tcp_socket& socket) {
    boost::system::error_code error;
    const auto address = socket.remote_endpoint(error).address();
    if (error) {
        return std::nullopt;
    }
    return address.is_v6()
               ? address.to_v6().to_bytes()
               : asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4()).to_bytes();
}

} // namespace

asio::awaitable<void> server::accept() {
    std::size_t next = 0;
    while (!stopping_) {
        shard& to = *shards_[next++ % shards_.size()];
        auto socket = co_await acceptor_.accept(to.context());
        if (socket) {
            admit(to, std::move(*socket));
        } else if (!stopping_ && socket.error() != asio::error::connection_aborted) {
            // Out of descriptors or memory: those who are connected go on, nothing spins.
            observer_.observe(
                base::observed::accept_paused{socket.error().message(), accept_pause});
            co_await pause(accept_pause);
        }
    }
}

core::address_limits::limits server::address_limits() const {
    const config::limits_section& limits = policy_->limits;
    return {limits.sessions_per_address, limits.handshakes_per_address};
}

/// What one address has too much of is cut before it costs anything. Behind a trusted proxy only
/// the request tells whose it is.
void server::admit(shard& to, ws::tcp_socket socket) {
    const auto peer = address_of(socket);
    const bool is_limited = peer && !core::any_contains(policy_->exempt, *peer) &&
                            !core::any_contains(policy_->trusted_proxies, *peer);
    std::optional<core::address> from;
    if (is_limited) {
        from = core::limited_as(*peer);
        const auto verdict =
            addresses_.connect(*from, std::chrono::steady_clock::now(), address_limits());
        if (verdict != core::address_limits::verdict::enter) {
            ++counts_.limited[static_cast<std::size_t>(base::limit::address_connections)];
            tell_refused(base::limit::address_connections, *from);
            return;
        }
    }
    // Not bound to the context here: an idle connection would keep it, and so the daemon, from
    // ending.
    spawn(to.context(), serve_connection(to, http_, std::move(socket), certificate_),
          [this, from](const std::exception_ptr& fault) {
              tell_fault(observer_, fault);
              if (from) {
                  asio::post(context_, [this, from = *from] {
                      addresses_.disconnect(from, std::chrono::steady_clock::now());
                  });
              }
          });
}

/// The first of a minute makes a line in the log.
void server::tell_refused(base::limit which, const core::address& from) {
    if (addresses_.should_tell(from, std::chrono::steady_clock::now())) {
        observer_.observe(base::observed::address_limited{core::to_string(from),
                                                          std::string(base::name_of(which))});
    }
}

asio::awaitable<std::optional<base::limit>> server::enter(place where) {
    if (sessions_.fetch_add(1) >= max_sessions_) {
        sessions_.fetch_sub(1);
        co_return base::limit::sessions;
    }
    if (!where.from) {
        co_return std::nullopt;
    }
    const auto met = co_await run_on(context_, enter_here(*where.from));
    if (met) {
        sessions_.fetch_sub(1);
    }
    co_return met;
}

asio::awaitable<std::optional<base::limit>> server::enter_here(core::address from) {
    using verdict = core::address_limits::verdict;
    const auto now = std::chrono::steady_clock::now();
    const verdict now_met = addresses_.enter(from, now, address_limits());
    if (now_met == verdict::enter) {
        co_return std::nullopt;
    }
    const auto which = now_met == verdict::too_many ? base::limit::address_sessions
                                                    : base::limit::address_handshakes;
    tell_refused(which, from);
    co_return which;
}

void server::leave(place where) {
    sessions_.fetch_sub(1);
    if (where.from) {
        asio::post(context_, [this, from = *where.from] {
            addresses_.leave(from, std::chrono::steady_clock::now());
        });
    }
}

} // namespace app
