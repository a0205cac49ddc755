#include "ws/text_frame.hpp"

#include <cstdint>

namespace ws {
namespace {

constexpr unsigned char final_text = 0x81;

/// The payload length as RFC 6455 5.2 wants it: 1, 3 or 9 bytes. Returns how many.
std::size_t write_length(unsigned char* to, std::uint64_t length) {
    if (length < 126) {
        to[0] = static_cast<unsigned char>(length);
        return 1;
    }
    const std::size_t bytes = length <= 0xffff ? 2 : 8;
    to[0] = bytes == 2 ? 126 : 127;
    for (std::size_t i = 0; i < bytes; ++i)
        to[bytes - i] = static_cast<unsigned char>(length >> (8 * i));
    return 1 + bytes;
}

/// How many bytes of a frame say its length.
std::size_t length_bytes(std::string_view frame) {
    const auto first = static_cast<unsigned char>(frame[1]);
    return first < 126 ? 1 : first == 126 ? 3 : 9;
}

} // namespace

std::string start_frame(std::size_t payload_hint) {
    std::string buffer;
    buffer.reserve(header_room + payload_hint);
    buffer.resize(header_room);
    return buffer;
}

base::frame_ptr seal_frame(std::string buffer, std::string channel, base::seq seq) {
    unsigned char header[header_room] = {final_text};
    const std::size_t size = 1 + write_length(header + 1, buffer.size() - header_room);
    const std::size_t begin = header_room - size;
    for (std::size_t i = 0; i < size; ++i)
        buffer[begin + i] = static_cast<char>(header[i]);
    return std::make_shared<const base::frame>(std::move(buffer), begin, std::move(channel), seq);
}

std::string_view payload_of(const base::frame& frame) {
    const std::string_view bytes = frame.bytes();
    return bytes.substr(1 + length_bytes(bytes));
}

base::frame_ptr join_frames(std::span<const base::frame_ptr> frames) {
    std::size_t size = 0;
    for (const base::frame_ptr& each : frames)
        size += each->bytes().size();
    std::string bytes;
    bytes.reserve(size);
    for (const base::frame_ptr& each : frames)
        bytes += each->bytes();
    return std::make_shared<const base::frame>(std::move(bytes), 0);
}

} // namespace ws
