#include "json/reader.hpp"

#include <rapidjson/writer.h>

#include <algorithm>

namespace json {

namespace {

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
