#include "core/turns.hpp"

namespace core {

void turns::wait(member& who, need what) {
    if (who.is_linked()) {
        if (who.waits_for_ == what) {
            return;
        }
        who.unlink();
    }
    if (what != need::nothing) {
        who.waits_for_ = what;
        line_of(what).push_back(who);
    }
}

bool turns::grants(need what, bool room) const {
    const bool may_ask = under_way_ < most_under_way;
    switch (what) {
    case need::room:
        return room;
    case need::page:
        return room && may_ask;
    case need::head:
        return may_ask;
    case need::nothing:
        break;
    }
    return false;
}

turns::member* turns::next(bool room) {
    // To ask takes no room yet, so those go first, and the others meanwhile.
    for (const need what : {need::head, need::page, need::room}) {
        line& waiting = line_of(what);
        if (grants(what, room) && !waiting.empty()) {
            member& first = waiting.front();
            waiting.pop_front();
            return &first;
        }
    }
    return nullptr;
}

bool turns::wants_room() const {
    const auto wants = [this](need what) {
        return !line_of(what).empty() && grants(what, true) && !grants(what, false);
    };
    return wants(need::room) || wants(need::page);
}

} // namespace core
