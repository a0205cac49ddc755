#include "app/connection.hpp"

#include "app/session.hpp"
#include "core/origin.hpp"
#include "embedded/console.hpp"
#include "ws/http_door.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <memory>

namespace app {

namespace {

ws::http_response plain(unsigned status, std::string body) {
    ws::http_response response;
    response.status = status;
    response.body = std::move(body) + "\n";
    return response;
}

ws::http_response unavailable(std::string body) {
    ws::http_response response = plain(503, std::move(body));
    response.headers.emplace_back("Retry-After", "1");
    return response;
}

/// The console's files; index.html stands at /.
const embedded::console_file* console_file(std::string_view path) {
    const std::string_view name = path == "/" ? "index.html" : path.substr(1);
    const auto files = embedded::console();
    const auto found = std::ranges::find(files, name, &embedded::console_file::name);
    return found == files.end() ? nullptr : &*found;
}

ws::http_response console_page(const embedded::console_file& file) {
    ws::http_response response;
    response.body = file.text;
    response.content_type = file.name.ends_with(".css")   ? "text/css; charset=utf-8"
                            : file.name.ends_with(".js")  ? "text/javascript; charset=utf-8"
                            : file.name.ends_with(".svg") ? "image/svg+xml"
                                                          : "text/html; charset=utf-8";
    response.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    response.headers.emplace_back("Referrer-Policy", "no-referrer");
    response.headers.emplace_back("Cache-Control", "no-cache");
    return response;
}

asio::awaitable<ws::http_response> page(const ws::http_request& request, const http_options& http) {
    if (request.method != "GET" && request.method != "HEAD") {
        ws::http_response response = plain(405, "only GET and HEAD are answered here");
        response.headers.emplace_back("Allow", "GET, HEAD");
        co_return response;
    }
    if (request.path == "/healthz") {
        co_return plain(200, "ok");
    }
    if (request.path == "/readyz") {
        const bool ready = co_await http.ready();
        co_return ready ? plain(200, "ready")
                        : unavailable("not ready: no connection to Postgres, or not caught up with "
                                      "the table");
    }
    if (request.path == "/metrics") {
        ws::http_response response;
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        response.body = co_await http.metrics();
        co_return response;
    }
    if (const auto* file = console_file(request.path)) {
        co_return console_page(*file);
    }
    co_return plain(404, "not found; WebSocket clients connect to /ws");
}

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

/// The session goes on by itself: what the handshake needed is let go of, not kept as long as the
/// session lives.
asio::awaitable<void> begin_session(shard& shard, const http_options& http, ws::http_door& door,
                                    const ws::http_request& request) {
    const std::string peer = door.peer();
    std::string subprotocol;
    if (std::ranges::find(request.subprotocols, wire::subprotocol) != request.subprotocols.end()) {
        subprotocol = wire::subprotocol;
    }
    std::string server_name = shard.options().server_name;
    auto socket = co_await door.upgrade(shard.options().socket, std::move(subprotocol),
                                        std::move(server_name));
    const bool allowed = !request.has_origin ||
                         core::origin_allowed(request.origin, request.host, http.allowed_origins);
    if (socket && !allowed) {
        // A page can read a close code, but nothing of a refused handshake.
        shard.observer().observe(
            base::observed::session_refused{peer, 403, "origin " + request.origin});
        std::string reason(wire::reason_of(wire::close_code::refused));
        co_await socket->close(static_cast<std::uint16_t>(wire::close_code::refused),
                               std::move(reason));
    } else if (socket) {
        const auto one = std::make_shared<session>(shard, std::move(*socket), peer);
        // The session may outlive its run() by a page read under way; the place is free then.
        asio::co_spawn(shard.context(), one->run(),
                       [one, &http](const std::exception_ptr&) { http.leave(); });
        co_return;
    }
    http.leave();
}

} // namespace

asio::awaitable<void> serve_connection(shard& shard, const http_options& http,
                                       ws::tcp_socket socket, ws::tls_context::pointer tls) {
    ws::door_options options;
    options.request_timeout = http.request_timeout;
    options.tls = std::move(tls);
    ws::http_door door(std::move(socket), shard.turn(), options);
    while (true) {
        const auto request = co_await door.read();
        if (!request) {
            if (const auto why = door.tls_failure()) {
                shard.observer().observe(base::observed::tls_failed{door.peer(), why.message()});
            }
            co_return;
        }
        ws::http_response response;
        if (request->path == "/ws") {
            response = refusal(*request, shard);
            if (response.status == 0 && http.enter()) {
                co_await begin_session(shard, http, door, *request);
                co_return;
            }
            if (response.status == 0) {
                response = unavailable("the server has as many sessions as it may "
                                       "(server.max_sessions)");
            }
            shard.observer().observe(base::observed::session_refused{
                door.peer(), static_cast<int>(response.status), response.body});
        } else {
            response = co_await page(*request, http);
        }
        const auto failed = co_await door.respond(std::move(response));
        if (failed) {
            co_return;
        }
    }
}

} // namespace app
