#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

/// What auth::pattern must say, by trying every way at once.
namespace pattern_model {

inline bool matches(std::string_view pattern, std::string_view channel, std::string_view subject) {
    constexpr int star = -1; // the subject's own stars are bytes
    std::vector<int> wanted;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern.substr(i).starts_with("{sub}")) {
            if (subject.empty())
                return false;
            for (const char c : subject)
                wanted.push_back(static_cast<unsigned char>(c));
            i += 4;
        } else {
            wanted.push_back(pattern[i] == '*' ? star : static_cast<unsigned char>(pattern[i]));
        }
    }
    // Which beginnings of the channel what has been gone through so far can stand for.
    std::vector<bool> reached(channel.size() + 1);
    reached[0] = true;
    for (const int one : wanted) {
        std::vector<bool> next(channel.size() + 1);
        for (std::size_t i = 0; i <= channel.size(); ++i) {
            if (one == star)
                next[i] = reached[i] || (i > 0 && next[i - 1]);
            else
                next[i] =
                    i > 0 && reached[i - 1] && static_cast<unsigned char>(channel[i - 1]) == one;
        }
        reached = std::move(next);
    }
    return reached.back();
}

} // namespace pattern_model
