#include "pg/binary_array.hpp"

#include <boost/endian/conversion.hpp>

namespace pg {

namespace {

template <typename Integer>
void append_big_endian(std::string& to, Integer number) {
    const Integer bytes = boost::endian::native_to_big(number);
    to.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

/// The value of each character as a hexadecimal digit; 0x80: it is none.
constexpr auto hex_digits = [] {
    std::array<unsigned char, 256> values{};
    values.fill(0x80);
    for (unsigned char i = 0; i < 10; ++i)
        values['0' + i] = i;
    for (unsigned char i = 0; i < 6; ++i)
        values['a' + i] = values['A' + i] = static_cast<unsigned char>(10 + i);
    return values;
}();

} // namespace

binary_array::binary_array(std::uint32_t type, std::size_t count, std::size_t bytes) {
    bytes_.reserve(20 + 4 * count + bytes);
    const std::uint32_t dimensions = count > 0 ? 1 : 0;
    append_big_endian(bytes_, dimensions);
    append_big_endian(bytes_, std::uint32_t{0}); // whether an element is NULL
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

void binary_array::add_null() {
    constexpr std::size_t last_byte_of_flag = 7;
    bytes_[last_byte_of_flag] = 1;
    append_big_endian(bytes_, std::uint32_t{0xffffffff});
}

std::optional<uuid_bytes> parse_uuid(std::string_view text) {
    if (text.size() != 36)
        return std::nullopt;
    uuid_bytes parsed{};
    unsigned none = 0;
    std::size_t at = 0;
    for (char& byte : parsed) {
        if (at == 8 || at == 13 || at == 18 || at == 23)
            none |= text[at++] == '-' ? 0U : 0x80U;
        const unsigned high = hex_digits[static_cast<unsigned char>(text[at++])];
        const unsigned low = hex_digits[static_cast<unsigned char>(text[at++])];
        none |= high | low;
        byte = static_cast<char>(high << 4 | low);
    }
    return (none & 0x80) == 0 ? std::optional(parsed) : std::nullopt;
}

} // namespace pg
