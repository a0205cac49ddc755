#include "config/nearest.hpp"

#include <algorithm>
#include <numeric>

namespace config {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known) {
    // Longer than any slip of a known name; also bounds the work for a hostile file.
    constexpr std::size_t longest = 64;
    if (name.empty() || name.size() > longest)
        return {};
    std::string_view best;
    auto least = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const auto each : known) {
        const auto distance = edit_distance(name, each);
        if (distance < least) {
            least = distance;
            best = each;
        }
    }
    return best;
}

} // namespace config
