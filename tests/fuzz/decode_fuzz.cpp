// Any bytes as a client frame: the decoder must not crash, what it takes must obey the protocol's
// limits, and what is encoded from it must be JSON again.

#include "base/utf8.hpp"
#include "wire/decode.hpp"
#include "wire/encode.hpp"
#include "json/reader.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void require(bool holds) {
    if (!holds)
        std::abort();
}

void require_object(const std::string& text) {
    require(bool(json::parse_object(text, {.depth = wire::max_depth + 1})));
}

void require_part(std::string_view text, std::string_view part) {
    require(text.find(part) != text.npos);
}

void check_publish(std::string_view text, const wire::publish& publish) {
    require_part(text, publish.data);
    require(bool(json::check(publish.data)));
    std::string frame;
    wire::append_message(frame, {.seq = 1,
                                 .channel = publish.channel,
                                 .id = publish.id ? *publish.id : "",
                                 .data = publish.data,
                                 .created_at = ""});
    const auto back = json::parse_object(frame, {.depth = wire::max_depth + 1});
    require(bool(back));
    require(back->find("channel")->text == publish.channel);
    require(back->find("data")->raw == publish.data);
}

template <typename Verb>
void check_channel(const Verb& verb) {
    if constexpr (requires { verb.channel; })
        require(wire::valid_channel(verb.channel));
}

void check_frame(std::string_view text, const wire::client_frame& frame) {
    require(frame.ref.raw.size() <= wire::max_ref_bytes);
    require_part(text, frame.ref.raw);
    std::visit([](const auto& verb) { check_channel(verb); }, frame.verb);
    if (const auto* const publish = std::get_if<wire::publish>(&frame.verb))
        check_publish(text, *publish);
    if (const auto* const history = std::get_if<wire::history>(&frame.verb)) {
        require(history->limit >= 1 && history->limit <= 1000);
        require(!std::holds_alternative<wire::from_now>(history->start));
    }
    std::string ok;
    wire::append_ok(ok, {.ref = frame.ref});
    require_object(ok);
}

void check_refusal(std::string_view text, const wire::bad_frame& bad) {
    require(!bad.failure.message.empty());
    require_part(text, bad.ref.raw);
    std::string error;
    wire::append_error(error, bad.ref, bad.failure);
    require_object(error);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto frame = wire::decode(text);
    if (frame)
        check_frame(text, *frame);
    else
        check_refusal(text, frame.error());
    if (base::is_utf8(text)) {
        std::string quoted = R"({"v":)";
        json::append_string(quoted, text);
        quoted += '}';
        const auto back = json::parse_object(quoted);
        require(back && back->find("v")->text == text);
    } else {
        require(!frame);
    }
    return 0;
}
