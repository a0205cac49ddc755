#include "app/connection.hpp"

#include "app/authenticate.hpp"
#include "app/pages.hpp"
#include "app/session.hpp"
#include "app/spawn.hpp"
#include "app/tell_fault.hpp"
#include "core/origin.hpp"
#include "ws/http_door.hpp"

#include <algorithm>
#include <cctype>
#include <memory>

namespace app {

namespace {

/// Why /ws can't become a session now; status 0: it can.
ws::http_response refusal(const ws::http_request& request, const shard& shard) {
    if (!request.wants_upgrade || !request.upgrade_problem.empty()) {
        ws::http_response response =
            request.wants_upgrade ? plain(request.upgrade_status, request.upgrade_problem)
                                  : plain(426, "this is a WebSocket endpoint; connect with one");
        response.headers.emplace_back("Upgrade", "websocket");
        response.headers.emplace_back("Sec-WebSocket-Version", "13");
        return response;
    }
    if (!shard.met()) {
        return unavailable("Postgres has not been reached yet");
    }
    if (shard.draining()) {
        return unavailable("the server is going away");
    }
    ws::http_response can;
    can.status = 0;
    return can;
}

/// What the handshake says of who comes. Of a browser, which can't set headers for a WebSocket, the
/// token is a subprotocol; it is never echoed.
struct shown_token {
    std::string text; ///< empty: none
    bool in_header = false;
};

shown_token token_of(const ws::http_request& request) {
    constexpr std::string_view scheme = "bearer ";
    constexpr std::string_view prefix = "bearer.";
    const std::string_view header = request.authorization;
    const bool is_bearer =
        header.size() > scheme.size() &&
        std::ranges::equal(header.substr(0, scheme.size()), scheme,
                           [](unsigned char a, char b) { return std::tolower(a) == b; });
    if (is_bearer) {
        const auto begin = header.find_first_not_of(' ', scheme.size());
        return {std::string(header.substr(std::min(begin, header.size()))), true};
    }
    for (const std::string& each : request.subprotocols) {
        if (each.starts_with(prefix)) {
            return {each.substr(prefix.size()), false};
        }
    }
    return {};
}

ws::http_response too_many(base::limit which) {
    switch (which) {
    case base::limit::sessions:
        return unavailable("the server has as many sessions as it may (server.max_sessions)");
    case base::limit::address_sessions: {
        auto response = plain(429, "this address has as many sessions as it may "
                                   "(limits.sessions_per_address)");
        response.headers.emplace_back("Retry-After", "10");
        return response;
    }
    default: {
        auto response = plain(429, "too many handshakes from this address "
                                   "(limits.handshakes_per_address)");
        response.headers.emplace_back("Retry-After", "1");
        return response;
    }
    }
}

ws::http_response bad_token(auth::token_error why) {
    auto response = plain(401, std::string(auth::explain(why)));
    response.headers.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_token\"");
    return response;
}

/// A handshake that is valid in itself, on its way to a session.
struct arrival {
    arrival(app::shard& shard, const http_options& http, ws::http_door& door,
            const ws::http_request& request)
        : shard(shard),
          http(http),
          door(door),
          request(request),
          peer(door.peer()) {}

    app::shard& shard;
    const http_options& http;
    ws::http_door& door;
    const ws::http_request& request;
    std::string peer; ///< the client's address, as far as proxies in between are trusted
    place taken;
    identity_ptr who;
    policy_ptr policy;                       ///< by which `who` was made
    std::optional<wire::close_code> refused; ///< to be told by a close code
    std::string reason;                      ///< of that
};

void find_address(arrival& from) {
    const policy& policy = *from.shard.policy();
    const auto peer = core::parse_address(from.peer);
    if (!peer) {
        return;
    }
    const core::forwarding headers{from.request.forwarded_for, from.request.forwarded};
    const auto client = core::client_of(*peer, headers, policy.trusted_proxies);
    from.peer = core::to_string(client.from);
    // A proxy may be exempt; whom it hides isn't.
    if (client.is_hidden || !core::any_contains(policy.exempt, client.from)) {
        from.taken.from = core::limited_as(client.from);
    }
}

/// A page can read a close code, but nothing of a refused handshake, whose `status` this would be.
void refuse_by_close(arrival& from, wire::close_code code, std::string_view told, int status,
                     std::string logged) {
    from.refused = code;
    from.reason = told;
    from.shard.observer().observe(
        base::observed::session_refused{from.peer, status, std::move(logged)});
}

/// Who comes, by the token in the handshake. What is answered where that can't be; status 0: go on.
asio::awaitable<ws::http_response> check_token(arrival& from) {
    ws::http_response go_on;
    go_on.status = 0;
    shown_token token = token_of(from.request);
    if (!from.shard.policy()->needs_tokens || token.text.empty()) {
        co_return go_on;
    }
    auto who = co_await authenticate(from.shard, std::move(token.text));
    if (who) {
        ++from.shard.counts().tokens;
        from.who = std::move(*who);
        from.policy = from.shard.policy();
        co_return go_on;
    }
    const auth::token_error why = who.error();
    from.shard.observer().observe(
        base::observed::token_refused{{}, from.peer, std::string(auth::name_of(why))});
    if (token.in_header) {
        co_return bad_token(why);
    }
    refuse_by_close(from, wire::close_code::unauthorized, auth::explain(why), 401,
                    std::string(auth::explain(why)));
    co_return go_on;
}

void check_origin(arrival& from) {
    const ws::http_request& request = from.request;
    const policy& policy = *from.shard.policy();
    if (!request.has_origin) {
        return;
    }
    std::string logged;
    if (!core::origin_allowed(request.origin, request.host, policy.allowed_origins)) {
        logged = "origin " + request.origin;
    } else if (policy.only_local_pages && !core::is_this_machine(request.host)) {
        logged = "origin " + request.origin +
                 ", whose name anybody may have made; where it is yours, list it in "
                 "websocket.allowed_origins";
    }
    if (!logged.empty()) {
        const auto told = wire::reason_of(wire::close_code::refused);
        refuse_by_close(from, wire::close_code::refused, told, 403, std::move(logged));
    }
}

/// The session goes on by itself: what the handshake needed is let go of, not kept as long as the
/// session lives.
asio::awaitable<void> begin_session(arrival& from) {
    shard& shard = from.shard;
    const http_options& http = from.http;
    const place taken = from.taken;
    std::string subprotocol;
    if (std::ranges::find(from.request.subprotocols, wire::subprotocol) !=
        from.request.subprotocols.end()) {
        subprotocol = wire::subprotocol;
    }
    std::string server_name = shard.options().server_name;
    auto socket = co_await from.door.upgrade(shard.options().socket, std::move(subprotocol),
                                             std::move(server_name));
    if (socket && from.refused) {
        co_await socket->close(static_cast<std::uint16_t>(*from.refused), std::move(from.reason));
    } else if (socket) {
        const policy& now = *shard.policy();
        if (from.who != nullptr && from.policy != shard.policy()) { // a reload since
            from.who = now.needs_tokens ? identify_again(now, *from.policy, *from.who) : nullptr;
        }
        const auto one =
            std::make_shared<session>(shard, std::move(*socket), from.peer, std::move(from.who));
        // The session may outlive its run() by a page read under way; the place is free then.
        spawn(shard.context(), one->run(),
              [one, &shard, &http, taken](const std::exception_ptr& fault) {
                  tell_fault(shard.observer(), fault);
                  http.leave(taken);
              });
        co_return;
    }
    http.leave(taken);
}

/// Makes a session of the last request, or says what to answer instead. Status 0: the door is
/// empty.
asio::awaitable<ws::http_response> welcome(arrival& from) {
    shard& shard = from.shard;
    find_address(from);
    auto response = refusal(from.request, shard);
    if (response.status == 0) {
        const auto met = co_await from.http.enter(from.taken);
        if (met) {
            shard.limited(*met);
            response = too_many(*met);
        } else {
            check_origin(from);
            if (!from.refused) {
                response = co_await check_token(from);
            }
            if (response.status == 0) {
                co_await begin_session(from);
                co_return response;
            }
            from.http.leave(from.taken);
        }
    }
    const auto line_end = response.body.find('\n');
    shard.observer().observe(base::observed::session_refused{
        from.peer, static_cast<int>(response.status), response.body.substr(0, line_end)});
    co_return response;
}

void tell_why_not(shard& shard, const ws::http_door& door) {
    if (const auto why = door.tls_failure()) {
        shard.observer().observe(base::observed::tls_failed{door.peer(), why.message()});
    }
    if (const unsigned status = door.refused(); status != 0) {
        shard.observer().observe(
            base::observed::request_refused{door.peer(), static_cast<int>(status)});
    }
    if (door.refused() == 408) {
        shard.limited(base::limit::handshake_time);
    } else if (door.refused() == 431) {
        shard.limited(base::limit::header);
    }
}

} // namespace

asio::awaitable<void> serve_connection(shard& shard, const http_options& http,
                                       ws::tcp_socket socket, ws::tls_context::pointer tls) {
    ws::door_options options;
    options.request_timeout = shard.policy()->limits.handshake_timeout;
    options.max_header = shard.policy()->limits.max_header;
    options.tls = std::move(tls);
    ws::http_door door(std::move(socket), shard.turn(), options);
    while (true) {
        const auto request = co_await door.read();
        if (!request) {
            tell_why_not(shard, door);
            co_return;
        }
        ws::http_response response;
        if (request->path == "/ws") {
            arrival from(shard, http, door, *request);
            response = co_await welcome(from);
            if (response.status == 0) {
                co_return;
            }
        } else {
            response = co_await page(*request, http, shard.policy()->console);
        }
        const auto failed = co_await door.respond(std::move(response));
        if (failed) {
            co_return;
        }
    }
}

} // namespace app
