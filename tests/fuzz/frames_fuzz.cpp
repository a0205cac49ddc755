// Any bytes as what a client sends behind its handshake, in one piece and cut up: the same events
// either way, and what is told of keeps its limits.

#include "ws/frame_reader.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace {

using event = ws::frame_reader::event;
using told = std::tuple<event, bool, std::uint16_t, std::string>;

constexpr std::size_t most = 5'000;

void require(bool holds) {
    if (!holds)
        std::abort();
}

/// The first is as long as its byte says, and so on round and round; none: all at once.
std::vector<told> events_of(std::string bytes, const std::optional<ws::deflate_terms>& terms,
                            std::span<const std::uint8_t> pieces) {
    ws::frame_reader reader(most, terms);
    std::vector<told> all;
    std::size_t turn = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t size =
            pieces.empty() ? bytes.size() : pieces[turn++ % pieces.size()] + 1U;
        std::string piece = bytes.substr(at, size);
        at += piece.size();
        std::span<char> rest(piece);
        while (!rest.empty()) {
            const event what = reader.take(rest);
            if (what == event::none) {
                require(rest.empty());
                break;
            }
            if (what == event::violation) {
                // What inflates to too much may be no text as well: which is seen first depends on
                // the cut.
                const bool is_either = terms && reader.code() != 1002;
                all.emplace_back(what, false, is_either ? 0 : reader.code(), "");
                return all;
            }
            const bool is_message = what == event::message;
            require(reader.payload().size() <= (is_message ? most : 125));
            require(!is_message || reader.is_binary() || base::is_utf8(reader.payload()));
            all.emplace_back(what, is_message && reader.is_binary(),
                             what == event::close ? reader.code() : 0, reader.payload());
        }
        reader.release();
    }
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t settings = 5;
    if (size < settings)
        return 0;
    std::optional<ws::deflate_terms> terms;
    if ((data[0] & 1) != 0)
        terms = ws::deflate_terms{(data[0] & 0x80) == 0};
    const std::string bytes(reinterpret_cast<const char*>(data) + settings, size - settings);
    require(events_of(bytes, terms, {}) == events_of(bytes, terms, {data + 1, settings - 1}));
    return 0;
}
