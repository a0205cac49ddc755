#include "app/pages.hpp"

#include "embedded/console.hpp"

#include <algorithm>
#include <utility>

namespace app {

namespace {

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

} // namespace

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

asio::awaitable<ws::http_response> page(const ws::http_request& request, const http_options& http,
                                        bool console) {
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
    if (const auto* file = console ? console_file(request.path) : nullptr) {
        co_return console_page(*file);
    }
    co_return plain(404, "not found; WebSocket clients connect to /ws");
}

} // namespace app
