#pragma once

#include "base/error.hpp"
#include "base/seq.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The frames of the protocol pgherald.v1 as values (docs/protocol.md). No sockets, no clock.
namespace wire {

constexpr std::string_view subprotocol = "pgherald.v1";
constexpr std::size_t max_channel_bytes = 255;
constexpr std::size_t max_ref_bytes = 64;
/// Of a client frame, its own braces included.
constexpr std::size_t max_depth = 64;
constexpr std::size_t max_keys = 64; ///< of a client frame, not of its data

/// A client's mark on a frame, echoed in its one answer: the JSON text of a number or a string,
/// as the client wrote it; empty when the frame had none.
struct ref {
    std::string raw;
};

/// Where a subscription starts.
struct from_now {};
struct from_start {};
struct after_seq {
    base::seq seq;
};
using start = std::variant<from_now, from_start, after_seq>;

struct auth {
    std::string token;
};
struct subscribe {
    std::string channel;
    wire::start start;
    std::optional<std::string> epoch;
    std::optional<std::string> consumer;
    std::optional<std::uint32_t> window;
};
struct unsubscribe {
    std::string channel;
};
struct publish {
    std::string channel;
    std::string data;              ///< JSON text, byte-exact
    std::optional<std::string> id; ///< uuid, lower case
};
struct history {
    std::string channel;
    wire::start start; ///< from_now doesn't occur; without "after": from_start
    std::uint32_t limit = 100;
};
struct ack {
    std::string channel;
    base::seq seq;
    std::optional<std::string> epoch; ///< whose number that is
};
struct ping {};

using verb = std::variant<auth, subscribe, unsubscribe, publish, history, ack, ping>;

struct client_frame {
    wire::ref ref;
    wire::verb verb;
};

/// Why a client's frame can't be used; `ref` if it could still be read.
struct bad_frame {
    base::failure failure;
    wire::ref ref;
};

struct welcome {
    std::string_view session;
    std::string_view epoch;
    base::seq head;
    bool auth_required;
    std::uint32_t ping_interval_seconds;
    std::size_t max_frame;
    std::string_view server;
};

/// An `ok` frame's fields; which are set depends on the verb answered.
struct ok {
    wire::ref ref = {};
    std::optional<std::string> channel = {};
    std::optional<base::seq> head = {};
    std::optional<std::string> id = {};
    std::optional<base::seq> seq = {};
    bool duplicate = false;
};

} // namespace wire
