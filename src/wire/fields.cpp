#include "wire/fields.hpp"

#include "wire/decode.hpp"

#include <algorithm>

namespace wire {

namespace {

constexpr std::size_t max_epoch_bytes = 128;
constexpr std::int64_t max_window = 100'000;
constexpr std::int64_t max_limit = 1000;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// Whether `text` has the form 8-4-4-4-12.
bool is_uuid(std::string_view text) {
    if (text.size() != 36)
        return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return true;
}

std::optional<std::int64_t> integer_of(const json::member& member) {
    return member.kind == json::kind::number ? json::to_integer(member.raw) : std::nullopt;
}

} // namespace

base::failure malformed(std::string message) {
    return {base::errc::malformed, std::move(message)};
}

base::outcome<ref> read_ref(const json::object& frame) {
    const auto* const found = frame.find("ref");
    if (found == nullptr)
        return ref{};
    if (found->kind != json::kind::number && found->kind != json::kind::string)
        return malformed("ref must be a number or a string.");
    if (found->raw.size() > max_ref_bytes)
        return malformed("ref must not be longer than 64 bytes of JSON text.");
    return ref{std::string(found->raw)};
}

base::outcome<std::string> read_channel(const json::object& frame) {
    const auto* const found = frame.find("channel");
    if (found == nullptr || found->kind != json::kind::string)
        return malformed("channel must be given, as a string.");
    if (!valid_channel(found->text))
        return base::failure{base::errc::invalid_channel,
                             "channel must be 1 to 255 bytes of UTF-8 without control characters."};
    return found->text;
}

base::outcome<std::string> read_token(const json::object& frame) {
    const auto* const found = frame.find("token");
    if (found == nullptr || found->kind != json::kind::string)
        return malformed("token must be given, as a string.");
    return found->text;
}

base::outcome<std::string> read_data(const json::object& frame) {
    const auto* const found = frame.find("data");
    if (found == nullptr)
        return malformed("data is missing; to publish no data, use null.");
    return std::string(found->raw);
}

base::outcome<std::optional<std::string>> read_id(const json::object& frame) {
    const auto* const found = frame.find("id");
    if (found == nullptr)
        return std::nullopt;
    if (found->kind != json::kind::string || !is_uuid(found->text))
        return malformed("id must be a uuid written as 8-4-4-4-12 hexadecimal digits.");
    std::string id = found->text;
    std::transform(id.begin(), id.end(), id.begin(), [](char c) {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return id;
}

base::outcome<std::optional<std::string>> read_epoch(const json::object& frame) {
    const auto* const found = frame.find("epoch");
    if (found == nullptr)
        return std::nullopt;
    if (found->kind != json::kind::string || found->text.size() > max_epoch_bytes)
        return malformed("epoch must be a string of at most 128 bytes; send back the one that the "
                         "welcome frame gave you.");
    return found->text;
}

base::outcome<std::optional<std::string>> read_consumer(const json::object& frame) {
    const auto* const found = frame.find("consumer");
    if (found == nullptr)
        return std::nullopt;
    if (found->kind != json::kind::string || !valid_channel(found->text))
        return malformed("consumer must be a string of 1 to 255 bytes of UTF-8 without control "
                         "characters.");
    return found->text;
}

base::outcome<std::optional<std::uint32_t>> read_window(const json::object& frame) {
    const auto* const found = frame.find("window");
    if (found == nullptr)
        return std::nullopt;
    const auto value = integer_of(*found);
    if (!value || *value < 1 || *value > max_window)
        return malformed("window must be an integer from 1 to 100000.");
    return static_cast<std::uint32_t>(*value);
}

base::outcome<base::seq> read_seq(const json::object& frame) {
    const auto* const found = frame.find("seq");
    const auto value = found == nullptr ? std::nullopt : integer_of(*found);
    if (!value || *value < 0)
        return malformed("seq must be given, as an integer from 0 to 9223372036854775807.");
    return *value;
}

base::outcome<std::uint32_t> read_limit(const json::object& frame) {
    const auto* const found = frame.find("limit");
    if (found == nullptr)
        return history{}.limit;
    const auto value = integer_of(*found);
    if (!value || *value < 1)
        return malformed("limit must be an integer of at least 1.");
    return static_cast<std::uint32_t>(std::min(*value, max_limit));
}

base::outcome<start> read_after(const json::object& frame, start otherwise) {
    const auto* const found = frame.find("after");
    if (found == nullptr)
        return otherwise;
    if (found->kind == json::kind::string && found->text == "start")
        return start{from_start{}};
    const auto value = integer_of(*found);
    if (!value || *value < 0)
        return malformed("after must be \"start\" or an integer from 0 to 9223372036854775807.");
    return start{after_seq{*value}};
}

} // namespace wire
