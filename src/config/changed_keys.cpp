#include "config/channel_rules.hpp"
#include "config/keys.hpp"

#include <algorithm>

namespace config {

namespace {

bool same(const channel_rule& a, const channel_rule& b) {
    return a.pattern == b.pattern && a.subscribe == b.subscribe && a.publish == b.publish;
}

} // namespace

std::vector<std::string> changed_keys(const settings& before, const settings& after) {
    std::vector<std::string> changed;
    for (const auto& each : keys())
        if (each.show(before) != each.show(after))
            changed.push_back(each.full_name());
    if (!std::equal(before.channels.begin(), before.channels.end(), after.channels.begin(),
                    after.channels.end(), same))
        changed.emplace_back(channel_section);
    return changed;
}

} // namespace config
