#include "pg/binary_array.hpp"

namespace pg {

namespace {

template <typename Integer>
void append_big_endian(std::string& to, Integer number) {
    for (int shift = static_cast<int>(sizeof number) * 8 - 8; shift >= 0; shift -= 8) {
        to += static_cast<char>(number >> shift & 0xff);
    }
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

} // namespace

binary_array::binary_array(std::uint32_t type, std::size_t count, std::size_t bytes) {
    bytes_.reserve(20 + 4 * count + bytes);
    const std::uint32_t dimensions = count > 0 ? 1 : 0;
    append_big_endian(bytes_, dimensions);
    append_big_endian(bytes_, std::uint32_t{0}); // no element is NULL
    append_big_endian(bytes_, type);
    if (dimensions == 0)
        return;
    append_big_endian(bytes_, static_cast<std::uint32_t>(count));
    append_big_endian(bytes_, std::uint32_t{1}); // subscripts begin at 1
}

void binary_array::add_length(std::size_t length) {
    append_big_endian(bytes_, static_cast<std::uint32_t>(length));
}

void binary_array::add(std::string_view element) {
    add_length(element.size());
    bytes_ += element;
}

void binary_array::add(std::int64_t element) {
    add_length(sizeof element);
    append_big_endian(bytes_, static_cast<std::uint64_t>(element));
}

std::optional<uuid_bytes> parse_uuid(std::string_view text) {
    if (text.size() != 36)
        return std::nullopt;
    uuid_bytes parsed{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return std::nullopt;
            continue;
        }
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            return std::nullopt;
        parsed[digits / 2] = static_cast<char>(parsed[digits / 2] << 4 | digit);
        ++digits;
    }
    return parsed;
}

} // namespace pg
