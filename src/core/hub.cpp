#include "core/hub.hpp"

#include <cassert>

namespace core {

void hub::add(std::string_view channel, subscriber& who) {
    auto found = channels_.find(channel);
    if (found == channels_.end()) {
        found = channels_.emplace(std::string(channel), std::vector<subscriber*>{}).first;
    }
    who.slot_ = found->second.size();
    found->second.push_back(&who);
    ++subscriptions_;
}

void hub::remove(std::string_view channel, subscriber& who) {
    const auto found = channels_.find(channel);
    assert(found != channels_.end() && found->second[who.slot_] == &who);
    auto& members = found->second;
    members.back()->slot_ = who.slot_;
    members[who.slot_] = members.back();
    members.pop_back();
    --subscriptions_;
    if (members.empty()) {
        channels_.erase(found);
    }
}

std::span<subscriber* const> hub::on(std::string_view channel) const {
    const auto found = channels_.find(channel);
    return found == channels_.end() ? std::span<subscriber* const>() : found->second;
}

void hub::removed(std::string_view channel, base::seq upto) const {
    for (subscriber* who : on(channel)) {
        who->removed(upto);
    }
}

} // namespace core
