#include "tests/bench/tally.hpp"

#include <charconv>

namespace bench {

namespace {

constexpr std::string_view mark = R"("data":{"p":)";

/// Reads `"p":P,"n":N` behind the mark.
std::optional<stamp> read_stamp(std::string_view text) {
    stamp found;
    const char* const end = text.data() + text.size();
    const auto publisher = std::from_chars(text.data(), end, found.publisher);
    constexpr std::string_view between = R"(,"n":)";
    if (publisher.ec != std::errc() ||
        !std::string_view(publisher.ptr, static_cast<std::size_t>(end - publisher.ptr))
             .starts_with(between))
        return std::nullopt;
    const auto number = std::from_chars(publisher.ptr + between.size(), end, found.number);
    return number.ec == std::errc() ? std::optional(found) : std::nullopt;
}

} // namespace

std::string stamped_data(stamp what, std::size_t size) {
    std::string data = R"({"p":)" + std::to_string(what.publisher) + R"(,"n":)" +
                       std::to_string(what.number) + R"(,"pad":")";
    if (data.size() + 2 < size)
        data.append(size - data.size() - 2, 'x');
    return data += R"("})";
}

std::optional<stamp> stamp_finder::find(std::string_view frame) {
    if (!frame.starts_with(R"({"type":"message")"))
        return std::nullopt;
    if (last_ >= frame.size() || !frame.substr(last_).starts_with(mark)) {
        const auto at = frame.find(mark);
        if (at == frame.npos)
            return std::nullopt;
        last_ = at;
    }
    return read_stamp(frame.substr(last_ + mark.size()));
}

tally::line& tally::of(std::uint32_t publisher) {
    return publisher == 0 ? first_ : others_[publisher];
}

void tally::take(stamp what) {
    ++taken_;
    line& now = of(what.publisher);
    if (what.number == now.next) {
        ++now.next;
        return;
    }
    if (what.number > now.next) {
        for (std::uint64_t each = now.next; each < what.number; ++each)
            now.missing.insert(each);
        now.next = what.number + 1;
        return;
    }
    if (now.missing.erase(what.number) > 0)
        ++reordered_;
    else
        ++repeated_;
}

std::uint64_t tally::missing() const {
    std::uint64_t count = first_.missing.size();
    for (const auto& [publisher, line] : others_)
        count += line.missing.size();
    return count;
}

} // namespace bench
