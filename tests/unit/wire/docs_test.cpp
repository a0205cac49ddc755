#include "base/error.hpp"
#include "wire/close_code.hpp"
#include "wire/decode.hpp"
#include "json/reader.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace {

std::string page(const std::string& name) {
    std::ifstream in(PGHERALD_SOURCE_DIR "/docs/" + name);
    EXPECT_TRUE(in) << name;
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> json_blocks(const std::string& text) {
    std::vector<std::string> blocks;
    const std::string open = "\n```json\n";
    for (auto at = text.find(open); at != text.npos; at = text.find(open, at)) {
        at += open.size();
        blocks.push_back(text.substr(at, text.find("\n```", at) - at));
        // An example may begin right where another ends.
        at = text.find("\n```", at) + 4;
    }
    return blocks;
}

/// The row of a table whose first cell is `name`.
std::string row(const std::string& text, const std::string& name) {
    for (const auto& cell : {"\n| `" + name + "` |", "\n| " + name + " |"})
        if (const auto at = text.find(cell); at != text.npos)
            return text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    return {};
}

bool last_cell_is(const std::string& row, const std::string& start) {
    const auto end = row.rfind(" |");
    const auto begin = row.rfind("| ", end - 1);
    return row.compare(begin + 2, start.size(), start) == 0;
}

TEST(Docs, EveryErrorCodeIsDescribed) {
    const auto errors = page("errors.md");
    const auto protocol = page("protocol.md");
    for (int code = 0; code <= static_cast<int>(base::errc::internal); ++code) {
        const auto errc = static_cast<base::errc>(code);
        const std::string name(base::name_of(errc));
        for (const auto& text : {errors, protocol}) {
            const auto found = row(text, name);
            ASSERT_FALSE(found.empty()) << name;
            EXPECT_TRUE(last_cell_is(found, base::can_retry(errc) ? "yes" : "no")) << found;
        }
    }
    EXPECT_TRUE(row(errors, "no_such_code").empty());
}

// 1002 is the frame reader's own (ws/frame_reader.cpp): no frame of the protocol is read by then.
constexpr int not_a_websocket_frame = 1002;

TEST(Docs, EveryCloseCodeIsDescribed) {
    const auto errors = page("errors.md");
    const auto protocol = page("protocol.md");
    for (int number = 1000; number < 5000; ++number) {
        const auto code = static_cast<wire::close_code>(number);
        const bool known = number == not_a_websocket_frame || !wire::reason_of(code).empty();
        for (const auto& text : {errors, protocol}) {
            const auto found = row(text, std::to_string(number));
            ASSERT_EQ(!found.empty(), known) << number;
            if (known) {
                EXPECT_EQ(last_cell_is(found, "yes"), wire::should_reconnect(code)) << found;
            }
        }
    }
}

TEST(Docs, ExamplesOfTheProtocolAreFrames) {
    const std::set<std::string> of_clients{"auth",    "subscribe", "unsubscribe", "publish",
                                           "history", "ack",       "ping"};
    const std::set<std::string> of_server{"welcome", "ok",       "message",      "live", "reset",
                                          "epoch",   "expiring", "unsubscribed", "error"};
    std::set<std::string> seen;
    for (const auto& block : json_blocks(page("protocol.md"))) {
        const auto parsed = json::parse_object(block);
        ASSERT_TRUE(parsed) << block;
        ASSERT_EQ(parsed->members().at(0).key, "type") << block;
        const auto type = parsed->members()[0].text;
        seen.insert(type);
        const auto decoded = wire::decode(block);
        EXPECT_EQ(bool(decoded), of_clients.contains(type)) << block;
        EXPECT_TRUE(of_clients.contains(type) || of_server.contains(type)) << block;
    }
    auto all = of_clients;
    all.insert(of_server.begin(), of_server.end());
    EXPECT_EQ(seen, all);
}

} // namespace
