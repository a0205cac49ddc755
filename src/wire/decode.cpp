#include "wire/decode.hpp"

#include "base/utf8.hpp"
#include "wire/fields.hpp"
#include "json/reader.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace wire {

namespace {

constexpr json::limits frame_limits{.depth = max_depth, .keys = max_keys};

base::outcome<verb> decode_auth(const json::object& frame) {
    auto token = read_token(frame);
    if (!token)
        return std::move(token).error();
    return auth{.token = *std::move(token)};
}

base::outcome<verb> decode_subscribe(const json::object& frame) {
    auto channel = read_channel(frame);
    if (!channel)
        return std::move(channel).error();
    auto after = read_after(frame, from_now{});
    if (!after)
        return std::move(after).error();
    auto epoch = read_epoch(frame);
    if (!epoch)
        return std::move(epoch).error();
    auto consumer = read_consumer(frame);
    if (!consumer)
        return std::move(consumer).error();
    auto window = read_window(frame);
    if (!window)
        return std::move(window).error();
    return subscribe{.channel = *std::move(channel),
                     .start = *after,
                     .epoch = *std::move(epoch),
                     .consumer = *std::move(consumer),
                     .window = *window};
}

base::outcome<verb> decode_unsubscribe(const json::object& frame) {
    auto channel = read_channel(frame);
    if (!channel)
        return std::move(channel).error();
    return unsubscribe{.channel = *std::move(channel)};
}

base::outcome<verb> decode_publish(const json::object& frame) {
    auto channel = read_channel(frame);
    if (!channel)
        return std::move(channel).error();
    auto data = read_data(frame);
    if (!data)
        return std::move(data).error();
    auto id = read_id(frame);
    if (!id)
        return std::move(id).error();
    return publish{.channel = *std::move(channel), .data = *std::move(data), .id = *std::move(id)};
}

base::outcome<verb> decode_history(const json::object& frame) {
    auto channel = read_channel(frame);
    if (!channel)
        return std::move(channel).error();
    auto after = read_after(frame, from_start{});
    if (!after)
        return std::move(after).error();
    auto limit = read_limit(frame);
    if (!limit)
        return std::move(limit).error();
    return history{.channel = *std::move(channel), .start = *after, .limit = *limit};
}

base::outcome<verb> decode_ack(const json::object& frame) {
    auto channel = read_channel(frame);
    if (!channel)
        return std::move(channel).error();
    auto seq = read_seq(frame);
    if (!seq)
        return std::move(seq).error();
    auto epoch = read_epoch(frame);
    if (!epoch)
        return std::move(epoch).error();
    return ack{.channel = *std::move(channel), .seq = *seq, .epoch = *std::move(epoch)};
}

base::outcome<verb> decode_ping(const json::object&) {
    return ping{};
}

base::outcome<verb> decode_verb(const json::object& frame) {
    struct entry {
        std::string_view type;
        base::outcome<verb> (*decode)(const json::object&);
    };
    static constexpr entry entries[] = {
        {"publish", decode_publish}, {"subscribe", decode_subscribe},
        {"ack", decode_ack},         {"unsubscribe", decode_unsubscribe},
        {"history", decode_history}, {"ping", decode_ping},
        {"auth", decode_auth},
    };
    const auto* const type = frame.find("type");
    if (type == nullptr || type->kind != json::kind::string)
        return malformed("type must be given, as a string.");
    for (const auto& entry : entries)
        if (type->text == entry.type)
            return entry.decode(frame);
    return base::failure{base::errc::unknown_type,
                         "type must be one of auth, subscribe, unsubscribe, publish, history, ack "
                         "and ping."};
}

base::failure explain(const boost::system::error_code& error) {
    if (error == json::errc::too_deep)
        return malformed("A frame must not be nested deeper than " + std::to_string(max_depth) +
                         " levels, its outermost braces included.");
    if (error == json::errc::not_an_object)
        return malformed("A frame must be a JSON object.");
    if (error == json::errc::duplicate_key)
        return malformed("A frame must not name a key twice.");
    if (error == json::errc::too_many_keys)
        return malformed("A frame must not have more than " + std::to_string(max_keys) + " keys.");
    return malformed("A frame must be one JSON object in valid UTF-8.");
}

} // namespace

boost::system::result<client_frame, bad_frame> decode(std::string_view text) {
    json::object object;
    const auto error = json::parse_object(text, object, frame_limits);
    auto ref = read_ref(object);
    // A broken frame's error still carries a ref that stood before the break.
    if (error)
        return bad_frame{explain(error), ref ? *std::move(ref) : wire::ref{}};
    if (!ref)
        return bad_frame{std::move(ref).error(), {}};
    auto decoded = decode_verb(object);
    if (!decoded)
        return bad_frame{std::move(decoded).error(), *std::move(ref)};
    return client_frame{*std::move(ref), *std::move(decoded)};
}

bool valid_channel(std::string_view channel) {
    if (channel.empty() || channel.size() > max_channel_bytes || !base::is_utf8(channel))
        return false;
    for (std::size_t i = 0; i < channel.size(); ++i) {
        const auto byte = static_cast<unsigned char>(channel[i]);
        if (byte < 0x20 || byte == 0x7f)
            return false;
        // U+0080..9F are C2 80..9F.
        if (byte == 0xc2 && static_cast<unsigned char>(channel[i + 1]) < 0xa0)
            return false;
    }
    return true;
}

void throw_exception_from_error(const bad_frame& error, const boost::source_location&) {
    throw std::runtime_error(error.failure.message);
}

} // namespace wire
