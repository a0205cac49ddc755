#include "json/reader.hpp"

#include "base/utf8.hpp"
#include "json/number.hpp"

// RapidJSON 1.1.0 adds to the null pointer of a stack still empty, to compare it with the stack's
// end. It is harmless, but Clang's sanitizer stops there.
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/internal/stack.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <rapidjson/encodings.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace json {

namespace {

const member* find_key(const std::vector<member>& members, std::string_view key) {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [key](const member& m) { return m.key == key; });
    return found == members.end() ? nullptr : &*found;
}

/// Without kParseNumbersAsStringsFlag RapidJSON 1.1.0 overflows on short numbers; without
/// kParseIterativeFlag it overflows the thread's stack on deep nesting. UTF-8 is checked
/// beforehand: with kParseValidateEncodingFlag a character cut short at the text's end would make
/// the parser read past it.
constexpr unsigned parse_flags = rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseNumbersAsStringsFlag |
                                 rapidjson::kParseInsituFlag;

/// A copy of a text for RapidJSON to parse in place, which is twice as fast as MemoryStream and its
/// buffer of decoded characters. The zero behind the text ends every loop of the parser.
/// Lifetime: one parse.
class text_stream {
public:
    using Ch = char;

    explicit text_stream(std::string_view text)
        : buffer_(text),
          src_(buffer_.data()),
          dst_(buffer_.data()) {}
    text_stream(const text_stream&) = delete;
    text_stream& operator=(const text_stream&) = delete;

    Ch Peek() const { return *src_; }
    Ch Take() { return *src_++; }
    std::size_t Tell() const { return static_cast<std::size_t>(src_ - buffer_.data()); }
    Ch* PutBegin() { return dst_ = src_; }
    void Put(Ch c) { *dst_++ = c; }
    std::size_t PutEnd(Ch* begin) { return static_cast<std::size_t>(dst_ - begin); }
    void Flush() {}

private:
    std::string buffer_;
    char* src_;
    char* dst_;
};

/// Takes RapidJSON's events: counts depth and notes where the outermost object's or array's values
/// begin and end. The offsets are the stream's, which at a scalar's event stands behind the scalar,
/// and at a bracket's event on the bracket. Lifetime: one parse.
class collector : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, collector> {
public:
    /// Raw ranges are cut out of `source`, which has `stream`'s length. With `out` null, any one
    /// value will do and nothing is kept; otherwise it is to be an `outermost`.
    collector(std::string_view source, const text_stream& stream, const limits& limits,
              kind outermost, std::vector<member>* out)
        : source_(source),
          stream_(stream),
          limits_(limits),
          outermost_(outermost),
          out_(out),
          has_unicode_escape_(source.find("\\u") != source.npos) {}

    errc reason() const { return reason_; }
    bool found_outermost() const { return found_; }

    /// Number events other than RawNumber don't occur with parse_flags.
    bool Default() { return false; }
    bool Null() { return scalar(kind::null); }
    bool Bool(bool) { return scalar(kind::boolean); }
    bool RawNumber(const char*, rapidjson::SizeType, bool) { return scalar(kind::number); }
    bool String(const char* text, rapidjson::SizeType length, bool) {
        return is_text({text, length}) && scalar(kind::string, {text, length});
    }
    bool StartObject() { return open(kind::object); }
    bool StartArray() { return open(kind::array); }
    bool EndObject(rapidjson::SizeType) { return close(kind::object); }
    bool EndArray(rapidjson::SizeType) { return close(kind::array); }
    bool Key(const char* text, rapidjson::SizeType length, bool) {
        const std::string_view key(text, length);
        if (!is_text(key))
            return false;
        if (depth_ != 1 || out_ == nullptr)
            return true;
        if (find_key(*out_, key) != nullptr)
            return refuse(errc::duplicate_key);
        key_ = key;
        before_value_ = stream_.Tell();
        return true;
    }

private:
    bool refuse(errc reason) {
        reason_ = reason;
        return false;
    }

    /// RapidJSON 1.1.0 takes the escape of a lone low surrogate ("\udc00") and makes invalid UTF-8
    /// of it.
    bool is_text(std::string_view decoded) const {
        return !has_unicode_escape_ || base::is_utf8(decoded);
    }

    bool wants_member() const { return depth_ == 1 && found_ && out_ != nullptr; }

    /// One colon, comma or opening bracket stands between what was read before a value and it.
    std::size_t value_begin() const {
        const char* const end = source_.data() + source_.size();
        const char* const mark = rapidjson::SkipWhitespace(source_.data() + before_value_, end);
        return static_cast<std::size_t>(rapidjson::SkipWhitespace(mark + 1, end) - source_.data());
    }

    bool scalar(json::kind kind, std::string_view text = {}) {
        return !wants_member() || keep(kind, value_begin(), stream_.Tell(), text);
    }

    bool open(json::kind kind) {
        if (depth_ >= limits_.depth)
            return refuse(errc::too_deep);
        if (depth_ == 0)
            found_ = kind == outermost_;
        if (wants_member())
            nested_begin_ = stream_.Tell();
        ++depth_;
        return true;
    }

    bool close(json::kind kind) {
        --depth_;
        return !wants_member() || keep(kind, nested_begin_, stream_.Tell() + 1, {});
    }

    bool keep(json::kind kind, std::size_t begin, std::size_t end, std::string_view text) {
        if (out_->size() >= limits_.keys)
            return refuse(errc::too_many_keys);
        out_->push_back({.key = std::move(key_),
                         .kind = kind,
                         .raw = source_.substr(begin, end - begin),
                         .text = std::string(text)});
        key_.clear();
        before_value_ = end;
        return true;
    }

    const std::string_view source_;
    const text_stream& stream_;
    const limits& limits_;
    const kind outermost_;
    std::vector<member>* const out_;
    const bool has_unicode_escape_;
    errc reason_ = errc::syntax;
    bool found_ = false;
    std::size_t depth_ = 0;
    std::string key_;
    std::size_t before_value_ = 0;
    std::size_t nested_begin_ = 0;
};

/// One parse of `text`; raw ranges are cut out of `source`, which differs from it in numbers only.
rapidjson::ParseErrorCode parse_once(std::string_view text, std::string_view source,
                                     const limits& limits, kind outermost, std::vector<member>* out,
                                     errc& reason) {
    text_stream stream(text);
    collector events(source, stream, limits, outermost, out);
    rapidjson::Reader reader;
    const auto result = reader.Parse<parse_flags>(stream, events);
    reason = events.reason();
    if (result.IsError())
        return result.Code();
    // RapidJSON takes a NUL byte for the text's end.
    if (stream.Tell() != text.size())
        return rapidjson::kParseErrorDocumentRootNotSingular;
    if (out != nullptr && !events.found_outermost()) {
        reason = outermost == kind::object ? errc::not_an_object : errc::not_an_array;
        return rapidjson::kParseErrorTermination;
    }
    return rapidjson::kParseErrorNone;
}

boost::system::error_code parse(std::string_view text, const limits& limits, kind outermost,
                                std::vector<member>* out) {
    if (!base::is_utf8(text))
        return make_error_code(errc::syntax);
    errc reason = errc::syntax;
    auto code = parse_once(text, text, limits, outermost, out, reason);
    // Even as text RapidJSON 1.1.0 refuses a number that no double can hold, such as 1e400.
    if (code == rapidjson::kParseErrorNumberTooBig) {
        if (out != nullptr)
            out->clear();
        code = parse_once(with_small_numbers(text), text, limits, outermost, out, reason);
    }
    return code == rapidjson::kParseErrorNone ? boost::system::error_code()
                                              : make_error_code(reason);
}

} // namespace

const member* object::find(std::string_view key) const {
    return find_key(members_, key);
}

boost::system::error_code parse_object(std::string_view text, object& out, const limits& limits) {
    out.members_.clear();
    out.members_.reserve(8);
    return parse(text, limits, kind::object, &out.members_);
}

boost::system::result<object> parse_object(std::string_view text, const limits& limits) {
    object out;
    if (const auto error = parse_object(text, out, limits))
        return error;
    return out;
}

boost::system::result<std::vector<member>> parse_array(std::string_view text,
                                                       const limits& limits) {
    std::vector<member> out;
    if (const auto error = parse(text, limits, kind::array, &out))
        return error;
    return out;
}

boost::system::result<void> check(std::string_view text, std::size_t depth) {
    if (const auto error = parse(text, {.depth = depth}, kind::object, nullptr))
        return error;
    return {};
}

std::optional<std::int64_t> to_integer(std::string_view raw) {
    std::int64_t value = 0;
    const char* const end = raw.data() + raw.size();
    const auto [last, error] = std::from_chars(raw.data(), end, value);
    if (error != std::errc() || last != end)
        return std::nullopt;
    return value;
}

} // namespace json
