#pragma once

#include "base/message.hpp"
#include "base/reset_reason.hpp"
#include "wire/frames.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// Server frames as JSON text, appended to `out` (which may hold room for a header in front).
namespace wire {

void append_welcome(std::string& out, const welcome& frame);
/// How many bytes append_message() appends, or a few more; escapes in the channel's name aside. Who
/// keeps the string reserves this much before, since a string that has to grow doubles.
std::size_t room_for_message(const base::message_view& message);
/// With too_large set, `"too_large":true` stands instead of `data`.
void append_message(std::string& out, const base::message_view& message);
void append_ok(std::string& out, const ok& frame);
void append_live(std::string& out, std::string_view channel, base::seq seq);
void append_reset(std::string& out, std::string_view channel, base::reset_reason reason,
                  base::seq oldest, base::seq head);
/// The session's token holds for so many seconds yet.
void append_expiring(std::string& out, std::int64_t seconds);
/// The server has ended the subscription; `reason` is an error code's name.
void append_unsubscribed(std::string& out, std::string_view channel, std::string_view reason);
/// The log's epoch is another one from here on.
void append_epoch(std::string& out, std::string_view epoch);
/// The answer to `history`: `messages` are message frames' JSON texts.
void append_history(std::string& out, const ref& ref, std::span<const std::string_view> messages,
                    bool more);
void append_error(std::string& out, const ref& ref, const base::failure& failure);

} // namespace wire
