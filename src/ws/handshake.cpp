#include "ws/handshake.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace ws {
namespace {

namespace http = boost::beast::http;

constexpr std::ptrdiff_t max_fields = 100;
constexpr std::size_t max_subprotocols = 16;

std::string text_of(const parsed_request& request, http::field name) {
    const auto at = request.find(name);
    return at == request.end() ? std::string() : std::string(at->value());
}

template <typename Name>
std::vector<std::string> values_of(const parsed_request& request, Name name) {
    std::vector<std::string> values;
    const auto [first, last] = request.equal_range(name);
    for (auto field = first; field != last; ++field)
        values.emplace_back(field->value());
    return values;
}

/// The items of a list over all fields of that name. Beast's own lists end an item where it stops
/// being a token, so "websocket?" would be taken for websocket.
std::vector<std::string_view> items_of(const parsed_request& request, http::field name) {
    constexpr const char* blanks = " \t";
    std::vector<std::string_view> items;
    const auto [first, last] = request.equal_range(name);
    for (auto field = first; field != last; ++field) {
        std::string_view rest(field->value().data(), field->value().size());
        while (!rest.empty()) {
            auto item = rest.substr(0, rest.find(','));
            rest.remove_prefix(std::min(item.size() + 1, rest.size()));
            item.remove_prefix(std::min(item.find_first_not_of(blanks), item.size()));
            item = item.substr(0, item.find_last_not_of(blanks) + 1);
            if (!item.empty())
                items.push_back(item);
        }
    }
    return items;
}

bool has_item(const parsed_request& request, http::field name, std::string_view wanted) {
    const auto items = items_of(request, name);
    return std::any_of(items.begin(), items.end(), [wanted](std::string_view item) {
        return boost::beast::iequals(item, wanted);
    });
}

/// 16 bytes in base64: 22 characters and two for padding.
bool is_key(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return text.size() == 24 && text.substr(22) == "==" &&
           text.substr(0, 22).find_first_not_of(alphabet) == text.npos;
}

/// RFC 6455 4.2.1. Beast 1.81 accepts any key, several of them, and a body behind the request.
refusal upgrade_problem(const parsed_request& request) {
    if (request.method() != http::verb::get)
        return {400, "the handshake must be a GET"};
    if (request.version() != 11)
        return {400, "the handshake needs HTTP/1.1"};
    if (!request.body().empty())
        return {400, "the handshake has no body"};
    if (request.count(http::field::sec_websocket_version) != 1 ||
        request[http::field::sec_websocket_version] != "13")
        return {426, "Sec-WebSocket-Version must be 13"};
    if (request.count(http::field::sec_websocket_key) != 1 ||
        !is_key(text_of(request, http::field::sec_websocket_key)))
        return {400, "Sec-WebSocket-Key must be 16 bytes in base64, once"};
    return {};
}

std::vector<std::string> subprotocols_of(const parsed_request& request) {
    const auto items = items_of(request, http::field::sec_websocket_protocol);
    const auto count = std::min(items.size(), max_subprotocols);
    return {items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count)};
}

} // namespace

refusal check_request(const parsed_request& request) {
    if (std::distance(request.begin(), request.end()) > max_fields)
        return {431, "too many header fields"};
    // Two readers of one connection must not disagree on where a request ends.
    const auto encodings = request.count(http::field::transfer_encoding);
    const auto lengths = request.count(http::field::content_length);
    if (lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0) ||
        (encodings > 0 && (request.version() != 11 || !request.chunked())) ||
        text_of(request, http::field::content_length).find(',') != std::string::npos)
        return {400, "unclear length of the body"};
    // Behind a chunked body come more fields, which Beast puts among those of the header: a client
    // could add to what a proxy in front has said of it. Nothing here takes a body.
    if (encodings > 0)
        return {501, "requests with Transfer-Encoding are not taken here"};
    // What decides about rights must not be said twice.
    for (const auto name : {http::field::host, http::field::origin, http::field::authorization})
        if (request.count(name) > 1)
            return {400, "a header field that may occur once occurs twice"};
    if (request.version() == 11 && request.count(http::field::host) == 0)
        return {400, "no Host"};
    if (request.version() != 10 && request.version() != 11)
        return {400, "HTTP/1.0 or HTTP/1.1 only"};
    if (request.target().empty() || request.target().front() != '/')
        return {400, "the target must be a path"};
    return {};
}

std::optional<deflate_terms> deflate_agreed(std::string_view extensions) {
    if (extensions.empty())
        return std::nullopt;
    return deflate_terms{extensions.find("client_no_context_takeover") == extensions.npos};
}

http_request describe_request(const parsed_request& request) {
    http_request seen;
    seen.method = std::string(request.method_string());
    seen.target = std::string(request.target());
    seen.path = seen.target.substr(0, seen.target.find('?'));
    seen.host = text_of(request, http::field::host);
    seen.has_origin = request.count(http::field::origin) > 0;
    seen.origin = text_of(request, http::field::origin);
    seen.authorization = text_of(request, http::field::authorization);
    seen.forwarded_for = values_of(request, "X-Forwarded-For");
    seen.forwarded = values_of(request, http::field::forwarded);
    seen.wants_upgrade = has_item(request, http::field::upgrade, "websocket") &&
                         has_item(request, http::field::connection, "upgrade");
    if (!seen.wants_upgrade)
        return seen;
    auto problem = upgrade_problem(request);
    seen.upgrade_status = problem.status;
    seen.upgrade_problem = std::move(problem.text);
    seen.subprotocols = subprotocols_of(request);
    return seen;
}

} // namespace ws
