// Any bytes as what a client sends before it has a WebSocket: Beast's parser as http_door sets it
// up, then everything that is decided without asking anybody. What comes in one piece and what
// comes in slices must be the same requests, and a handshake is only good where a plain reading of
// its lines says so.

#include "core/network.hpp"
#include "core/origin.hpp"
#include "ws/handshake.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace http = boost::beast::http;

void require(bool holds) {
    if (!holds)
        std::abort();
}

constexpr std::size_t max_body = 4 * 1024;
constexpr std::size_t read_at_once = 4 * 1024;

/// One request: refused, or taken and looked at.
struct outcome {
    unsigned refused = 0;
    std::string text; ///< what was read of it
    std::size_t fields = 0;
    bool keeps_alive = false;
    ws::http_request seen;

    bool upgrades() const {
        return refused == 0 && seen.wants_upgrade && seen.upgrade_problem.empty();
    }
};

/// Takes the input as the door takes it off the wire, at most so many bytes at a time.
class reader {
public:
    reader(std::string_view input, std::size_t slice, std::size_t max_header)
        : input_(input),
          slice_(slice),
          max_header_(max_header),
          buffer_(max_header + max_body + read_at_once) {}

    /// Nothing: the input ended before the request did.
    std::optional<outcome> next() {
        http::request_parser<http::string_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(max_header_));
        parser.body_limit(max_body);
        parser.eager(true);
        outcome made;
        bool checked = false;
        while (true) {
            if (buffer_.size() > 0) {
                const auto error = feed(parser, made.text);
                if (parser.is_header_done() && !std::exchange(checked, true)) {
                    const auto why = ws::check_request(parser.get());
                    require((why.status == 0) == why.text.empty());
                    require(why.status == 0 || why.status == 400 || why.status == 431 ||
                            why.status == 501);
                    if (why.status != 0) {
                        made.refused = why.status;
                        return made;
                    }
                }
                if (error && error != http::error::need_more) {
                    made.refused = status_for(error);
                    return made;
                }
                if (parser.is_done())
                    break;
            }
            if (buffer_.size() + read_at_once > buffer_.max_size()) {
                made.refused = 431; // a line without an end
                return made;
            }
            if (input_.empty())
                return std::nullopt;
            read_some();
        }
        const auto& request = parser.get();
        require(request.body().size() <= max_body);
        made.fields = static_cast<std::size_t>(std::distance(request.begin(), request.end()));
        made.keeps_alive = request.keep_alive();
        made.seen = ws::describe_request(request);
        return made;
    }

private:
    boost::system::error_code feed(http::request_parser<http::string_body>& parser,
                                   std::string& text) {
        boost::system::error_code error;
        try {
            const auto used = parser.put(buffer_.data(), error);
            text.append(static_cast<const char*>(buffer_.data().data()), used);
            buffer_.consume(used);
        } catch (const std::length_error&) { // of one field: Beast counts in 16 bits
            error = http::error::header_limit;
        }
        return error;
    }

    static unsigned status_for(const boost::system::error_code& error) {
        if (error == http::error::header_limit || error == http::error::buffer_overflow)
            return 431;
        return error == http::error::body_limit ? 413 : 400;
    }

    void read_some() {
        const auto room = buffer_.prepare(read_at_once);
        const std::size_t count = std::min({slice_, input_.size(), room.size()});
        std::memcpy(room.data(), input_.data(), count);
        input_.remove_prefix(count);
        buffer_.commit(count);
    }

    std::string_view input_;
    std::size_t slice_;
    std::size_t max_header_;
    boost::beast::flat_buffer buffer_;
};

/// All requests up to the one that ends the connection or makes it a WebSocket.
std::vector<outcome> read_all(std::string_view input, std::size_t slice, std::size_t max_header) {
    reader from(input, slice, max_header);
    std::vector<outcome> all;
    while (auto one = from.next()) {
        all.push_back(std::move(*one));
        if (all.back().refused != 0 || all.back().upgrades() || !all.back().keeps_alive)
            break;
    }
    return all;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& each : out)
        each = static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// The header as its lines, continued ones joined, names in lower case.
struct plain_request {
    explicit plain_request(const std::string& text) {
        std::string_view rest(text);
        rest = rest.substr(0, rest.find("\r\n\r\n"));
        first = take_line(rest);
        while (!rest.empty()) {
            const auto line = take_line(rest);
            if (!fields.empty() && (line.front() == ' ' || line.front() == '\t')) {
                fields.back().second += " " + std::string(trimmed(line));
                continue;
            }
            const auto colon = line.find(':');
            require(colon != line.npos && colon > 0);
            fields.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
        }
        for (auto& [name, value] : fields)
            value = trimmed(value);
    }

    std::vector<std::string> values(std::string_view name) const {
        std::vector<std::string> found;
        for (const auto& [key, value] : fields)
            if (key == name)
                found.push_back(value);
        return found;
    }

    std::string_view first;
    std::vector<std::pair<std::string, std::string>> fields;

private:
    static std::string_view take_line(std::string_view& rest) {
        const auto end = std::min(rest.find("\r\n"), rest.size());
        const auto line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 2, rest.size()));
        return line;
    }
};

/// "A,B" has b, in any case.
bool lists(const std::vector<std::string>& values, std::string_view token) {
    for (const auto& value : values) {
        std::string_view rest = value;
        while (!rest.empty()) {
            const auto end = std::min(rest.find(','), rest.size());
            if (lower(trimmed(rest.substr(0, end))) == token)
                return true;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    return false;
}

bool is_key(std::string_view text) {
    return text.size() == 24 && text.ends_with("==") &&
           std::ranges::all_of(text.substr(0, 22), [](unsigned char each) {
               return (each < 0x80 && std::isalnum(each) != 0) || each == '+' || each == '/';
           });
}

void check_upgrade(const outcome& one, const plain_request& plain) {
    require(plain.first.starts_with("GET /") && plain.first.ends_with(" HTTP/1.1"));
    require(plain.values("host").size() == 1);
    require(plain.values("sec-websocket-version") == std::vector<std::string>{"13"});
    const auto keys = plain.values("sec-websocket-key");
    require(keys.size() == 1 && is_key(keys.front()));
    require(lists(plain.values("upgrade"), "websocket"));
    require(lists(plain.values("connection"), "upgrade"));
    // No body.
    const auto lengths = plain.values("content-length");
    require(lengths.empty() ||
            (lengths.size() == 1 && lengths.front().find_first_not_of('0') == std::string::npos));
    require(one.seen.method == "GET");
}

/// No text that goes to logs, answers or the database can begin a line of its own.
void check_text(std::string_view text) {
    constexpr std::string_view never("\0\r\n", 3);
    require(text.find_first_of(never) == text.npos);
}

std::size_t header_size(const outcome& one) {
    return one.text.find("\r\n\r\n") + 4;
}

void check_taken(const outcome& one, const plain_request& plain, std::size_t max_header) {
    const ws::http_request& seen = one.seen;
    // A first line that came whole with the first bytes isn't counted.
    require(header_size(one) <= max_header + std::min(max_header, read_at_once));
    require(one.fields <= 100);
    require(plain.fields.size() == one.fields && plain.values("transfer-encoding").empty());
    require(plain.first == seen.method + " " + seen.target + " HTTP/1.1" ||
            plain.first == seen.method + " " + seen.target + " HTTP/1.0");
    require(seen.target.starts_with('/') && seen.target.starts_with(seen.path));
    require(seen.path.find('?') == std::string::npos);
    const auto hosts = plain.values("host");
    require(hosts.size() == 1 || (hosts.empty() && plain.first.ends_with("1.0")));
    require(seen.host == (hosts.empty() ? "" : hosts.front()));
    const auto origins = plain.values("origin");
    require(origins.size() == (seen.has_origin ? 1 : 0));
    require(seen.origin == (seen.has_origin ? origins.front() : ""));
    require(plain.values("authorization").size() <= 1);
    require(seen.forwarded_for == plain.values("x-forwarded-for"));
    require(seen.forwarded == plain.values("forwarded"));
    require(seen.subprotocols.size() <= 16);
    for (const auto& text : {seen.method, seen.target, seen.host, seen.origin, seen.authorization})
        check_text(text);
    for (const auto* list : {&seen.forwarded_for, &seen.forwarded, &seen.subprotocols})
        for (const auto& text : *list)
            check_text(text);
    require(seen.upgrade_problem.empty() == (seen.upgrade_status == 0));
    require(seen.wants_upgrade || (seen.upgrade_status == 0 && seen.subprotocols.empty()));
    require(seen.upgrade_status == 0 || seen.upgrade_status == 400 || seen.upgrade_status == 426);
}

/// Who has come, as far as proxies are believed.
void check_address(const ws::http_request& seen) {
    static const std::vector<core::network> trusted = {
        *core::network::parse("10.0.0.0/8"),
        *core::network::parse("2001:db8:1::/48"),
        *core::network::parse("192.0.2.1"),
    };
    const core::forwarding headers{seen.forwarded_for, seen.forwarded};
    for (const auto* const text : {"10.1.2.3", "2001:db8:1::7", "192.0.2.1", "192.0.2.2", "::1"}) {
        const auto peer = *core::parse_address(text);
        const auto client = core::client_of(peer, headers, trusted).from;
        require(core::parse_address(core::to_string(client)) == client);
        require(core::limited_as(core::limited_as(client)) == core::limited_as(client));
        require(core::client_of(peer, headers, {}).from == peer);
        if (!core::any_contains(trusted, peer))
            require(client == peer);
        if (seen.forwarded_for.empty() && seen.forwarded.empty())
            require(client == peer);
        // What the nearest proxy has written counts, whatever a client has put in front of it.
        if (client != peer && !seen.forwarded_for.empty()) {
            auto longer = headers;
            longer.forwarded_for.insert(longer.forwarded_for.begin(), "198.51.100.9");
            if (!core::any_contains(trusted, client))
                require(core::client_of(peer, longer, trusted).from == client);
        }
        if (core::any_contains(trusted, peer) && !seen.forwarded_for.empty()) {
            const std::string& last = seen.forwarded_for.back();
            const auto nearest = core::parse_address(trimmed(last));
            if (nearest && !core::any_contains(trusted, *nearest))
                require(client == *nearest);
        }
    }
}

std::string_view without(std::string_view text, std::string_view suffix) {
    return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

void check_origin(const ws::http_request& seen) {
    static const std::vector<std::string> listed = {"https://app.example.org",
                                                    "https://*.example.com"};
    const std::string origin = lower(seen.origin);
    if (core::origin_allowed(seen.origin, seen.host, listed)) {
        constexpr std::string_view scheme = "https://";
        constexpr std::string_view domain = ".example.com";
        require(origin == listed.front() ||
                (origin.starts_with(scheme) && origin.ends_with(domain) &&
                 origin.size() > scheme.size() + domain.size() &&
                 origin.find_first_of("/@:?#\\", scheme.size()) == origin.npos));
    }
    if (core::origin_allowed(seen.origin, seen.host, {})) {
        const std::string host = lower(seen.host);
        const std::string_view page(origin);
        require(page.starts_with("http://")
                    ? without(page.substr(7), ":80") == without(host, ":80")
                    : page.starts_with("https://") &&
                          without(page.substr(8), ":443") == without(host, ":443"));
    }
    require(!core::origin_allowed("null", seen.host, {}));
    require(!core::origin_allowed("null", seen.host, listed));
}

/// What was taken before the first that is refused, or that would be if it came in slices: how much
/// of a bad request is read before it is refused depends on how it comes.
std::vector<outcome> taken(const std::vector<outcome>& all, std::size_t max_header) {
    const auto end = std::ranges::find_if(all, [max_header](const outcome& one) {
        return one.refused != 0 || one.text.size() > max_header;
    });
    return {all.begin(), end};
}

void check_same(const std::vector<outcome>& whole, const std::vector<outcome>& sliced) {
    require(whole.size() == sliced.size());
    for (std::size_t i = 0; i < whole.size(); ++i) {
        const outcome& a = whole[i];
        const outcome& b = sliced[i];
        require(a.text == b.text && a.fields == b.fields && a.upgrades() == b.upgrades() &&
                a.seen.target == b.seen.target && a.seen.host == b.seen.host &&
                a.seen.subprotocols == b.seen.subprotocols);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    if (size == 0)
        return 0;
    // The first byte says how much comes at a time, and how long a header may be.
    constexpr std::array<std::size_t, 5> slices = {1, 2, 7, 61, 1'000};
    const std::size_t slice = slices[bytes[0] % slices.size()];
    const std::size_t max_header = bytes[0] < 128 ? 16 * 1024 : 1'024;
    const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);

    const auto requests = read_all(input, read_at_once, max_header);
    for (const outcome& one : requests) {
        if (one.refused != 0)
            continue;
        const plain_request plain(one.text);
        check_taken(one, plain, max_header);
        if (one.upgrades())
            check_upgrade(one, plain);
        check_address(one.seen);
        check_origin(one.seen);
    }
    check_same(taken(requests, max_header), taken(read_all(input, slice, max_header), max_header));
    return 0;
}
