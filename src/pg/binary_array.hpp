#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pg {

/// Builds a one-dimensional array in Postgres' binary format, which needs no escaping.
class binary_array {
public:
    static constexpr std::uint32_t of_text = 25; ///< type oids, fixed by Postgres
    static constexpr std::uint32_t of_int8 = 20;
    static constexpr std::uint32_t of_uuid = 2950;

    /// `bytes`: of all elements together, to allocate once.
    binary_array(std::uint32_t type, std::size_t count, std::size_t bytes);

    /// Exactly `count` calls of these: text as it is, a uuid as 16 bytes.
    void add(std::string_view element);
    void add(std::int64_t element);
    void add_null();

    std::string_view bytes() const { return bytes_; }

private:
    void add_length(std::size_t length);

    std::string bytes_;
};

using uuid_bytes = std::array<char, 16>;

/// Of 8-4-4-4-12 hexadecimal digits in either case, the one form a client may use.
std::optional<uuid_bytes> parse_uuid(std::string_view text);

} // namespace pg
