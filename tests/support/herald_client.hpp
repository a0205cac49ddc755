#pragma once

#include "tests/support/ws_client.hpp"
#include "json/reader.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace support {

/// A server frame, its outermost object taken apart.
struct frame {
    explicit frame(std::string bytes) : text(std::make_shared<std::string>(std::move(bytes))) {
        auto parsed = json::parse_object(*text);
        if (!parsed) {
            throw std::runtime_error("not a JSON object: " + *text);
        }
        object = std::move(*parsed);
    }

    /// A string's value, or another value's raw JSON; "" when the key isn't there.
    std::string at(std::string_view key) const {
        const json::member* const member = object.find(key);
        if (member == nullptr) {
            return "";
        }
        return member->kind == json::kind::string ? member->text : std::string(member->raw);
    }
    std::int64_t number(std::string_view key) const { return std::stoll(at(key)); }
    std::string type() const { return at("type"); }

    std::shared_ptr<std::string> text; ///< on the heap, so that the views survive a move
    json::object object;
};

/// A client of the protocol for tests that wait for one thing after the other.
class herald_client {
    std::deque<frame> early_; ///< kept by call(); in use as soon as the welcome is waited for

public:
    explicit herald_client(int port, const ws_options& options = {})
        : socket("127.0.0.1", static_cast<std::uint16_t>(port), "/ws", options),
          welcome(next("welcome")) {}

    /// The next frame; throws when none comes in time, or, with `type`, when it is another. `live`
    /// and `epoch` frames are passed over unless asked for: a slow machine makes a subscription
    /// fall behind and catch up at any time, and an epoch says nothing that a reset doesn't.
    frame next(const std::string& type = "", std::chrono::milliseconds wait = patience) {
        while (true) {
            frame got = next_of_any_type(type, wait);
            if ((got.type() == "live" || got.type() == "epoch") && type != got.type()) {
                continue;
            }
            if (!type.empty() && got.type() != type) {
                throw std::runtime_error("wanted " + type + ", got " + got.text->substr(0, 300));
            }
            return got;
        }
    }

    frame next_of_any_type(const std::string& wanted, std::chrono::milliseconds wait = patience) {
        if (!early_.empty()) {
            frame kept = std::move(early_.front());
            early_.pop_front();
            return kept;
        }
        auto text = socket.read(wait);
        if (!text) {
            throw std::runtime_error(
                "no frame came" + (wanted.empty() ? "" : ", not the " + wanted) +
                (socket.closed() ? ", closed with " + std::to_string(socket.close_code())
                                 : std::string()));
        }
        return frame(std::move(*text));
    }

    /// The answer. Messages that come before it are kept for next(): that of a publish may overtake
    /// its receipt.
    frame call(const std::string& text, const std::string& type = "") {
        socket.send(text);
        std::deque<frame> before;
        frame got = next();
        while (got.type() == "message") {
            before.push_back(std::move(got));
            got = next();
        }
        early_ = std::move(before);
        if (!type.empty() && got.type() != type) {
            throw std::runtime_error("wanted " + type + ", got " + got.text->substr(0, 300));
        }
        return got;
    }

    /// Nothing may come before its answer.
    frame subscribe(const std::string& channel, const std::string& more = "") {
        socket.send(R"({"type":"subscribe","ref":1,"channel":)" + quoted(channel) + more + "}");
        return next("ok");
    }

    /// The seqs of the next `count` frames, which must be messages.
    std::vector<std::int64_t> next_seqs(std::size_t count) {
        std::vector<std::int64_t> seqs;
        while (seqs.size() < count) {
            seqs.push_back(next("message").number("seq"));
        }
        return seqs;
    }

    static std::string quoted(std::string_view text) {
        std::string out;
        json::append_string(out, text);
        return out;
    }

    ws_client socket;
    frame welcome;
};

} // namespace support
