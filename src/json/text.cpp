#include "json/reader.hpp"

#include <rapidjson/encodings.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace json {

namespace {

struct discard {
    using Ch = char;
    void Put(char) {}
};

struct appender {
    using Ch = char;
    void Put(char c) { out.push_back(c); }
    void Flush() {}
    std::string& out;
};

bool needs_escape(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

} // namespace

bool valid_utf8(std::string_view text) {
    constexpr std::uint64_t not_ascii = 0x8080808080808080;
    rapidjson::MemoryStream stream(text.data(), text.size());
    discard nowhere;
    while (stream.src_ != stream.end_) {
        std::uint64_t eight = not_ascii;
        if (stream.end_ - stream.src_ >= 8)
            std::memcpy(&eight, stream.src_, sizeof(eight));
        if ((eight & not_ascii) == 0)
            stream.src_ += 8;
        else if (!rapidjson::UTF8<>::Validate(stream, nowhere))
            return false;
    }
    return true;
}

void append_string(std::string& out, std::string_view text) {
    if (std::none_of(text.begin(), text.end(), needs_escape)) {
        out.reserve(out.size() + text.size() + 2);
        out.push_back('"');
        out.append(text);
        out.push_back('"');
        return;
    }
    appender stream{out};
    rapidjson::Writer<appender> writer(stream);
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

} // namespace json
