#pragma once

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The one door to RapidJSON and the only place of the program that parses JSON. Numbers are kept
/// as text (RapidJSON 1.1.0's number code is unsafe on hostile input), nesting is counted while
/// parsing, strings must be valid UTF-8.
namespace json {

enum class kind { null, boolean, number, string, array, object };

/// Why a text was refused.
enum class errc {
    syntax = 1,    ///< not JSON, or invalid UTF-8
    too_deep,      ///< nested deeper than the limit
    not_an_object, ///< valid, but the outermost value is no object
    not_an_array,  ///< valid, but the outermost value is no array
    duplicate_key, ///< the outermost object names a key twice
    too_many_keys, ///< the outermost object or array has more members than the limit
};

const boost::system::error_category& category();
boost::system::error_code make_error_code(errc e);

struct limits {
    std::size_t depth = 64; ///< of nested arrays and objects, the outermost included
    std::size_t keys = 64;  ///< of the outermost object, or members of the outermost array
};

/// One key of the outermost object, or one value of the outermost array.
struct member {
    std::string key; ///< empty in an array
    json::kind kind;
    /// The value's bytes as they stand in the text, without white space around them.
    /// Lifetime: the parsed text's.
    std::string_view raw;
    /// A string's value with escapes resolved; empty for other kinds.
    std::string text;
};

/// The outermost object of a text; nested values stay unparsed in member::raw (but are checked).
class object {
public:
    const member* find(std::string_view key) const;
    const std::vector<member>& members() const { return members_; }

    std::vector<member> members_;
};

/// Errors: json::errc. `text` must outlive the result.
boost::system::result<object> parse_object(std::string_view text, const limits& = {});

/// The same, into `out`: after an error it holds the members read before it.
boost::system::error_code parse_object(std::string_view text, object& out, const limits& = {});

/// The values of a text that is an array, in their order; nested ones stay unparsed as above.
boost::system::result<std::vector<member>> parse_array(std::string_view text, const limits& = {});

/// Whether `text` is one whole JSON value within `depth`.
boost::system::result<void> check(std::string_view text, std::size_t depth = 64);

/// The integer a number's raw text stands for; nothing when it has a fraction or doesn't fit.
/// "1e3" and "1.0" are not taken.
std::optional<std::int64_t> to_integer(std::string_view raw);

/// Appends `text` as a JSON string with quotes. `text` must be valid UTF-8.
void append_string(std::string& out, std::string_view text);

} // namespace json

template <>
struct boost::system::is_error_code_enum<json::errc> : std::true_type {};
