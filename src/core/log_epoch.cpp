#include "core/log_epoch.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace core {

namespace {

constexpr base::seq none = -1;

struct parts {
    std::string_view log;
    std::int64_t timeline;
};

std::optional<parts> split(std::string_view text) {
    const auto dot = text.rfind('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view digits = text.substr(dot + 1);
    parts made{text.substr(0, dot), 0};
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), made.timeline);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    return made;
}

} // namespace

log_epoch::log_epoch(std::string text, std::vector<timeline_start> starts)
    : text_(std::move(text)),
      starts_(std::move(starts)) {}

base::seq log_epoch::good_upto(std::string_view text) const {
    if (text == text_) {
        return std::numeric_limits<base::seq>::max();
    }
    const auto here = split(text_);
    const auto there = split(text);
    if (!here || !there || here->log != there->log || there->timeline > here->timeline) {
        return none;
    }
    base::seq upto = std::numeric_limits<base::seq>::max();
    for (const timeline_start& start : starts_) {
        if (start.timeline > there->timeline) {
            upto = std::min(upto, start.began_at);
        }
    }
    return upto == std::numeric_limits<base::seq>::max() ? none : upto;
}

} // namespace core
