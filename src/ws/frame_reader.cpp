#include "ws/frame_reader.hpp"

#include <algorithm>
#include <cstring>

namespace ws {
namespace {

// RFC 6455 5.2.
constexpr unsigned fin_bit = 0x80;
constexpr unsigned deflated_bit = 0x40; // RFC 7692 6
constexpr unsigned reserved_bits = 0x30;
constexpr unsigned opcode_bits = 0x0f;
constexpr unsigned control_bit = 0x08;
constexpr unsigned mask_bit = 0x80;
constexpr unsigned length_bits = 0x7f;
constexpr unsigned two_byte_length = 126;
constexpr unsigned eight_byte_length = 127;
constexpr std::size_t start_size = 2;

enum opcode : unsigned { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

constexpr std::uint16_t no_code = 1005;
constexpr std::uint16_t protocol_error = 1002;
constexpr std::uint16_t bad_payload = 1007;
constexpr std::uint16_t too_large = 1009;

/// More than this of a message's memory is given back when it has been dealt with.
constexpr std::size_t worth_releasing = 64;

unsigned byte_at(const std::array<char, 14>& header, std::size_t at) {
    return static_cast<unsigned char>(header[at]);
}

/// RFC 6455 7.4, and what IANA has registered since.
bool may_be_sent(unsigned code) {
    if (code < 3000)
        return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
    return code < 5000;
}

} // namespace

frame_reader::frame_reader(std::size_t max_message, const std::optional<deflate_terms>& terms)
    : max_message_(max_message) {
    if (terms)
        inflater_.emplace(*terms);
}

frame_reader::event frame_reader::take(std::span<char>& bytes) {
    payload_ = {};
    if (!in_message_)
        message_.clear();
    if (!in_payload_)
        control_.clear();
    for (;;) {
        if (!in_payload_) {
            code_ = 0;
            if (!take_header(bytes))
                return code_ == 0 ? event::none : event::violation;
            in_payload_ = true;
        }
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        const auto piece = bytes.first(count);
        bytes = bytes.subspan(count);
        unmask(piece);
        left_ -= count;
        in_payload_ = left_ > 0;
        const bool is_control = (byte_at(header_, 0) & control_bit) != 0;
        const std::string_view more(piece.data(), piece.size());
        const event what = is_control ? take_control(more) : take_data(more);
        if (what != event::none || in_payload_)
            return what;
    }
}

/// False: it isn't there yet, or code_ says what is wrong with it.
bool frame_reader::take_header(std::span<char>& bytes) {
    if (header_size_ < start_size && (!gather(bytes, start_size) || !check_start()))
        return false;
    const unsigned length = byte_at(header_, 1) & length_bits;
    const std::size_t more = length == two_byte_length ? 2 : length == eight_byte_length ? 8 : 0;
    if (!gather(bytes, start_size + more + key_.size()))
        return false;
    key_at_ = 0;
    std::copy_n(header_.begin() + header_size_ - key_.size(), key_.size(), key_.begin());
    header_size_ = 0;
    return read_length();
}

/// Whether the header has that many bytes now.
bool frame_reader::gather(std::span<char>& bytes, std::size_t wanted) {
    const std::size_t more = std::min(wanted - header_size_, bytes.size());
    std::copy_n(bytes.begin(), more, header_.begin() + header_size_);
    bytes = bytes.subspan(more);
    header_size_ = static_cast<std::uint8_t>(header_size_ + more);
    return header_size_ == wanted;
}

/// What the first two bytes allow to say.
bool frame_reader::check_start() {
    const unsigned first = byte_at(header_, 0);
    const unsigned second = byte_at(header_, 1);
    const unsigned opcode = first & opcode_bits;
    if ((first & reserved_bits) != 0 || (second & mask_bit) == 0)
        return violate(protocol_error);
    if ((opcode & control_bit) != 0) {
        const bool fits = (second & length_bits) < two_byte_length;
        if (opcode > pong || (first & fin_bit) == 0 || (first & deflated_bit) != 0 || !fits)
            return violate(protocol_error);
        return true;
    }
    const bool begins = opcode != continuation;
    const bool is_deflated = (first & deflated_bit) != 0;
    if (opcode > binary || begins == in_message_ || (is_deflated && (!begins || !inflater_)))
        return violate(protocol_error);
    if (begins) {
        is_binary_ = opcode == binary;
        is_deflated_ = is_deflated;
        announced_ = 0;
        utf8_ = {};
        in_message_ = true;
    }
    return true;
}

bool frame_reader::read_length() {
    const unsigned length = byte_at(header_, 1) & length_bits;
    left_ = length;
    if (length >= two_byte_length) {
        const std::size_t size = length == two_byte_length ? 2 : 8;
        left_ = 0;
        for (std::size_t i = 0; i < size; ++i)
            left_ = left_ << 8 | byte_at(header_, start_size + i);
        if (left_ < two_byte_length || (size == 8 && left_ <= 0xffff))
            return violate(protocol_error); // not the shortest form
    }
    if (left_ >> 63 != 0)
        return violate(protocol_error);
    if ((byte_at(header_, 0) & control_bit) != 0 || is_deflated_)
        return true;
    if (left_ > max_message_ - announced_)
        return violate(too_large);
    announced_ += left_;
    return true;
}

void frame_reader::unmask(std::span<char> piece) {
    char key[8];
    for (std::size_t i = 0; i < sizeof key; ++i)
        key[i] = key_[(key_at_ + i) % key_.size()];
    key_at_ = static_cast<std::uint8_t>((key_at_ + piece.size()) % key_.size());
    std::uint64_t eight_of_key = 0;
    std::memcpy(&eight_of_key, key, sizeof key);
    std::size_t at = 0;
    for (std::uint64_t eight = 0; piece.size() - at >= sizeof eight; at += sizeof eight) {
        std::memcpy(&eight, piece.data() + at, sizeof eight);
        eight ^= eight_of_key;
        std::memcpy(piece.data() + at, &eight, sizeof eight);
    }
    for (std::size_t i = 0; at < piece.size(); ++i, ++at)
        piece[at] = static_cast<char>(piece[at] ^ key[i]);
}

frame_reader::event frame_reader::take_control(std::string_view piece) {
    if (in_payload_ || !control_.empty()) {
        control_ += piece;
        if (in_payload_)
            return event::none;
    }
    payload_ = control_.empty() ? piece : control_;
    switch (byte_at(header_, 0) & opcode_bits) {
    case ping:
        return event::ping;
    case pong:
        return event::pong;
    default:
        return take_close();
    }
}

frame_reader::event frame_reader::take_close() {
    code_ = no_code;
    if (payload_.empty())
        return event::close;
    code_ = protocol_error;
    if (payload_.size() == 1)
        return event::violation;
    const unsigned high = static_cast<unsigned char>(payload_[0]);
    const unsigned code = high << 8 | static_cast<unsigned char>(payload_[1]);
    if (!may_be_sent(code) || !base::is_utf8(payload_.substr(2)))
        return event::violation;
    code_ = static_cast<std::uint16_t>(code);
    return event::close;
}

frame_reader::event frame_reader::take_data(std::string_view piece) {
    const bool is_last = !in_payload_ && (byte_at(header_, 0) & fin_bit) != 0;
    if (is_deflated_) {
        if (!inflate(piece, is_last))
            return event::violation;
        payload_ = message_;
    } else {
        if (!check_text(piece))
            return event::violation;
        payload_ = piece;
        if (!is_last || !message_.empty()) {
            message_ += piece;
            payload_ = message_;
        }
    }
    if (!is_last)
        return event::none;
    if (!is_binary_ && !utf8_.is_complete()) {
        violate(bad_payload);
        return event::violation;
    }
    in_message_ = false;
    return event::message;
}

bool frame_reader::inflate(std::string_view piece, bool is_last) {
    const std::size_t before = message_.size();
    auto how = inflater_->append(piece, message_, max_message_);
    if (how == inflater::outcome::fine && is_last)
        how = inflater_->finish(message_, max_message_);
    if (how != inflater::outcome::fine)
        return violate(how == inflater::outcome::too_large ? too_large : bad_payload);
    return check_text(std::string_view(message_).substr(before));
}

bool frame_reader::check_text(std::string_view more) {
    return is_binary_ || utf8_.feed(more) || violate(bad_payload);
}

bool frame_reader::violate(std::uint16_t code) {
    code_ = code;
    return false;
}

void frame_reader::release() {
    if (!in_message_ && message_.capacity() > worth_releasing)
        std::string().swap(message_);
}

} // namespace ws
