#include "wire/encode.hpp"

#include "json/reader.hpp"

#include <charconv>
#include <concepts>

namespace wire {

namespace {

/// The fixed text and the numbers of the longest frame, so that one reserve is enough as long as
/// nothing has to be escaped.
constexpr std::size_t overhead = 192;

constexpr std::string_view sender_key = R"(,"sender":)";

void append_number(std::string& out, std::integral auto number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
    out.append(digits, end);
}

void append_ref(std::string& out, const ref& ref) {
    if (!ref.raw.empty())
        out.append(R"(,"ref":)").append(ref.raw);
}

} // namespace

void append_welcome(std::string& out, const welcome& frame) {
    out.reserve(out.size() + overhead + frame.session.size() + frame.epoch.size() +
                frame.server.size());
    out.append(R"({"type":"welcome","session":)");
    json::append_string(out, frame.session);
    out.append(R"(,"epoch":)");
    json::append_string(out, frame.epoch);
    out.append(R"(,"head":)");
    append_number(out, frame.head);
    out.append(R"(,"auth":)").append(frame.auth_required ? R"("required")" : R"("none")");
    out.append(R"(,"ping_interval":)");
    append_number(out, frame.ping_interval_seconds);
    out.append(R"(,"max_frame":)");
    append_number(out, frame.max_frame);
    out.append(R"(,"server":)");
    json::append_string(out, frame.server);
    out.push_back('}');
}

std::size_t room_for_message(const base::message_view& message) {
    constexpr std::size_t keys_and_seq = 96;
    return keys_and_seq + message.channel.size() + message.id.size() + message.data.size() +
           message.created_at.size() +
           (message.sender ? sender_key.size() + message.sender->size() + 2 : 0);
}

void append_message(std::string& out, const base::message_view& message) {
    out.reserve(out.size() + room_for_message(message));
    out.append(R"({"type":"message","channel":)");
    json::append_string(out, message.channel);
    out.append(R"(,"seq":)");
    append_number(out, message.seq);
    out.append(R"(,"id":)");
    json::append_string(out, message.id);
    if (message.too_large)
        out.append(R"(,"too_large":true)");
    else
        out.append(R"(,"data":)").append(message.data);
    out.append(R"(,"created_at":)");
    json::append_string(out, message.created_at);
    if (message.sender) {
        out.append(sender_key);
        json::append_string(out, *message.sender);
    }
    out.push_back('}');
}

void append_ok(std::string& out, const ok& frame) {
    out.reserve(out.size() + overhead + frame.ref.raw.size() +
                (frame.channel ? frame.channel->size() : 0) + (frame.id ? frame.id->size() : 0));
    out.append(R"({"type":"ok")");
    append_ref(out, frame.ref);
    if (frame.channel) {
        out.append(R"(,"channel":)");
        json::append_string(out, *frame.channel);
    }
    if (frame.head) {
        out.append(R"(,"head":)");
        append_number(out, *frame.head);
    }
    if (frame.id) {
        out.append(R"(,"id":)");
        json::append_string(out, *frame.id);
    }
    if (frame.seq) {
        out.append(R"(,"seq":)");
        append_number(out, *frame.seq);
    }
    if (frame.duplicate)
        out.append(R"(,"duplicate":true)");
    out.push_back('}');
}

void append_live(std::string& out, std::string_view channel, base::seq seq) {
    out.reserve(out.size() + overhead + channel.size());
    out.append(R"({"type":"live","channel":)");
    json::append_string(out, channel);
    out.append(R"(,"seq":)");
    append_number(out, seq);
    out.push_back('}');
}

void append_reset(std::string& out, std::string_view channel, base::reset_reason reason,
                  base::seq oldest, base::seq head) {
    out.reserve(out.size() + overhead + channel.size());
    out.append(R"({"type":"reset","channel":)");
    json::append_string(out, channel);
    out.append(R"(,"reason":")").append(base::name_of(reason));
    out.append(R"(","oldest":)");
    append_number(out, oldest);
    out.append(R"(,"head":)");
    append_number(out, head);
    out.push_back('}');
}

void append_expiring(std::string& out, std::int64_t seconds) {
    out.append(R"({"type":"expiring","in":)");
    append_number(out, seconds);
    out.push_back('}');
}

void append_unsubscribed(std::string& out, std::string_view channel, std::string_view reason) {
    out.reserve(out.size() + overhead + channel.size() + reason.size());
    out.append(R"({"type":"unsubscribed","channel":)");
    json::append_string(out, channel);
    out.append(R"(,"reason":)");
    json::append_string(out, reason);
    out.push_back('}');
}

void append_epoch(std::string& out, std::string_view epoch) {
    out.reserve(out.size() + overhead + epoch.size());
    out.append(R"({"type":"epoch","epoch":)");
    json::append_string(out, epoch);
    out.push_back('}');
}

void append_history(std::string& out, const ref& ref, std::span<const std::string_view> messages,
                    bool more) {
    std::size_t size = messages.size();
    for (const auto message : messages)
        size += message.size();
    out.reserve(out.size() + overhead + ref.raw.size() + size);
    out.append(R"({"type":"ok")");
    append_ref(out, ref);
    out.append(R"(,"messages":[)");
    for (std::size_t i = 0; i < messages.size(); ++i) {
        if (i > 0)
            out.push_back(',');
        out.append(messages[i]);
    }
    out.append(R"(],"more":)").append(more ? "true}" : "false}");
}

void append_error(std::string& out, const ref& ref, const base::failure& failure) {
    out.reserve(out.size() + overhead + ref.raw.size() + failure.message.size());
    out.append(R"({"type":"error")");
    append_ref(out, ref);
    out.append(R"(,"code":")").append(base::name_of(failure.code));
    out.append(R"(","message":)");
    json::append_string(out, failure.message);
    out.append(R"(,"retry":)").append(base::can_retry(failure.code) ? "true}" : "false}");
}

} // namespace wire
