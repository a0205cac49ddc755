#include "tests/chaos/client.hpp"

#include <algorithm>
#include <utility>

namespace chaos {

follower::follower(world& world, std::string name, std::uint64_t seed,
                   const std::vector<std::size_t>& channels)
    : client(world, std::move(name), seed) {
    for (const std::size_t channel : channels) {
        place& made = places_.emplace_back();
        made.now.who = this->name();
        made.now.channel = channel;
        made.now.from_start = dice_.percent(30);
        if (made.now.from_start) {
            ++world.count.begun_at_start;
            made.now.begin = 0;
        }
    }
}

std::vector<trail> follower::take_trails() {
    for (place& each : places_) {
        each.now.final = true;
        past_.push_back(std::move(each.now));
    }
    return std::move(past_);
}

void follower::session_begins() {
    for (place& each : places_) {
        ask(each);
    }
}

void follower::session_ended() {
    for (place& each : places_) {
        each.is = place::state::off;
        if (world_.loading() && dice_.percent(5)) {
            begin_anew(each);
        }
    }
}

/// Reading the whole history again and again would leave no time for anything else in a long run.
bool follower::may_reread() {
    const auto so_far = world_.count.begun_at_start + world_.count.begun_far_back;
    return static_cast<double>(so_far) < 30 + world_.seconds() / 8;
}

/// Forgets the channel and begins as another client would: now, at the start, or where somebody
/// stood long ago.
void follower::begin_anew(place& at) {
    trail before = std::exchange(at.now, {});
    at.now.who = before.who;
    at.now.channel = before.channel;
    if (may_reread()) {
        if (before.given.empty() || dice_.percent(50)) {
            at.now.from_start = true;
            at.now.begin = 0;
            ++world_.count.begun_at_start;
        } else {
            at.now.begin = before.given[dice_.below(before.given.size())].seq;
            at.now.cursor = *at.now.begin;
            at.now.epoch = before.epoch;
            ++world_.count.begun_far_back;
        }
    }
    past_.push_back(std::move(before));
}

void follower::ask(place& at) {
    at.is = place::state::asked;
    at.ref = next_ref_++;
    at.ask_at = steady::now() + answer_patience;
    trail& now = at.now;
    std::string text = R"({"type":"subscribe","ref":)" + std::to_string(at.ref) +
                       ",\"channel\":" + quoted(world_.channels[now.channel]);
    if (now.from_start && now.cursor == 0) {
        text += dice_.percent(70) ? R"(,"after":"start")" : R"(,"after":0)";
    } else if (now.begin) {
        text += ",\"after\":" + std::to_string(now.cursor) + ",\"epoch\":" + quoted(now.epoch);
    }
    now.joins.push_back(joined(now.given.size(), now.begin ? now.cursor : -1));
    send(text + "}");
}

void follower::tick() {
    for (place& each : places_) {
        if (each.is == place::state::off && steady::now() >= each.ask_at) {
            ask(each);
        } else if ((each.is == place::state::asked || each.is == place::state::leaving) &&
                   steady::now() >= each.ask_at) {
            no_answer("subscribe or unsubscribe");
        }
    }
}

/// Leaves a channel and comes back to it, within the session.
void follower::act() {
    place& at = places_[dice_.below(places_.size())];
    if (at.is != place::state::on) {
        return;
    }
    ++world_.count.unsubscribed;
    at.is = place::state::leaving;
    at.ref = next_ref_++;
    at.ask_at = steady::now() + answer_patience;
    send(R"({"type":"unsubscribe","ref":)" + std::to_string(at.ref) +
         ",\"channel\":" + quoted(world_.channels[at.now.channel]) + "}");
}

follower::place* follower::find(const frame& frame) {
    const std::string channel = frame.text("channel");
    const auto found = std::ranges::find_if(
        places_, [&](const place& each) { return world_.channels[each.now.channel] == channel; });
    return found == places_.end() ? nullptr : &*found;
}

void follower::take(const frame& frame, std::string_view type) {
    if (type == "ok" || type == "error") {
        take_ok(frame);
        return;
    }
    if (type == "epoch") {
        epoch_ = frame.text("epoch");
        return;
    }
    if (type != "message" && type != "live" && type != "reset") {
        return; // a type of later servers
    }
    place* const at = find(frame);
    if (at == nullptr || (at->is != place::state::on && at->is != place::state::leaving)) {
        misanswered("nothing was subscribed to", frame);
    } else if (type == "message") {
        take_message(*at, frame);
    } else if (type == "reset") {
        take_reset(*at, frame);
    } else {
        const auto seq = frame.number("seq");
        if (!seq || *seq < at->now.cursor) {
            misanswered("live below the cursor " + std::to_string(at->now.cursor), frame);
            return;
        }
        at->now.cursor = *seq;
        at->now.epoch = epoch_;
    }
}

void follower::take_ok(const frame& frame) {
    const auto ref = frame.number("ref");
    const auto at = std::ranges::find_if(places_, [&](const place& each) {
        return each.is != place::state::off && each.ref == ref;
    });
    if (at == places_.end()) {
        misanswered("no such ref", frame);
        return;
    }
    if (frame.text("type") == "error") {
        if (frame.text("code") == "unavailable" && at->is == place::state::asked) {
            at->is = place::state::off;
            at->ask_at = steady::now() + dice_.time(50ms, 500ms);
            at->now.joins.pop_back();
        } else {
            misanswered("refused", frame);
        }
        return;
    }
    if (at->is == place::state::leaving) {
        at->is = place::state::off;
        at->ask_at = steady::now() + dice_.time(0ms, 200ms);
        return;
    }
    if (at->is == place::state::on) {
        misanswered("a second answer", frame);
        return;
    }
    at->is = place::state::on;
    if (!at->now.begin) {
        const auto head = frame.number("head");
        if (!head) {
            misanswered("no head", frame);
            return;
        }
        at->now.begin = *head;
        at->now.cursor = *head;
        at->now.epoch = epoch_;
    }
}

void follower::take_message(place& at, const frame& frame) {
    const auto seq = frame.number("seq");
    if (!seq) {
        misanswered("no seq", frame);
        return;
    }
    ++world_.count.to_followers;
    trail& now = at.now;
    now.epoch = epoch_;
    const auto wrong = now.take({*seq, content_of(frame.text("id"), frame.raw("data"))});
    if (wrong) {
        const join& last = now.joins.back();
        world_.found.add(
            *wrong, "seq " + std::to_string(*seq) + " of " + shown(world_.channels[now.channel]) +
                        ", " + name() + ": cursor is " + std::to_string(now.cursor) +
                        ", joined after " + std::to_string(last.after) + " on daemon " +
                        std::to_string(daemon_) + ", " +
                        std::to_string(now.given.size() - last.given) + " messages since");
    }
}

void follower::take_reset(place& at, const frame& frame) {
    ++world_.count.resets;
    world_.found.add(offence::reset, name() + ", " + shown(world_.channels[at.now.channel]) +
                                         ", cursor " + std::to_string(at.now.cursor) + " of " +
                                         at.now.epoch + ", on daemon " + std::to_string(daemon_) +
                                         " at " + std::to_string(world_.seconds()) + " s: reason " +
                                         frame.text("reason") + ", head " + frame.text("head"));
    trail before = std::exchange(at.now, {});
    at.now.who = before.who;
    at.now.channel = before.channel;
    at.now.begin = frame.number("head");
    at.now.cursor = at.now.begin.value_or(0);
    at.now.epoch = epoch_;
    at.now.joins.push_back(joined(0, at.now.cursor));
    past_.push_back(std::move(before));
}

bool follower::is_satisfied() const {
    return std::ranges::all_of(places_, [&](const place& each) {
        const seq goal = world_.goals[each.now.channel];
        return goal != 0 && each.is == place::state::on && each.now.cursor >= goal;
    });
}

} // namespace chaos
