#include "tests/chaos/client.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace chaos {

namespace {

constexpr std::size_t most_under_way = 12;

std::string make_uuid(dice& dice) {
    std::array<char, 40> text{};
    const std::uint64_t a = dice.bits();
    const std::uint64_t b = dice.bits();
    std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%012llx",
                  static_cast<unsigned>(a >> 32), static_cast<unsigned>(a >> 16 & 0xffff),
                  static_cast<unsigned>((a & 0x0fff) | 0x4000),
                  static_cast<unsigned>((b >> 48 & 0x3fff) | 0x8000),
                  static_cast<unsigned long long>(b & 0xffffffffffff));
    return text.data();
}

} // namespace

/// Data that doesn't survive being parsed and written again.
void publisher::make() {
    publication made;
    made.id = make_uuid(dice_);
    made.channel = dice_.below(world_.channels.size());
    const std::size_t large = dice_.percent(1) ? 50'000 : dice_.below(200);
    made.data = R"({ "publisher" :)" + quoted(name()) + ",\"n\": " + std::to_string(all_.size()) +
                R"(,"exact":[1.0, -0,1e+2,12345678901234567890.10,"\u00e9 é \/ \ud83e\udd89"],)" +
                "\"n\": " + R"("twice","pad":")" + std::string(large, '.') + "\"}";
    all_.push_back(std::move(made));
    open_.push_back({all_.size() - 1, {}, {}});
    ++world_.count.publishes;
}

void publisher::publish(std::size_t number) {
    publication& what = all_[number];
    world_.count.publishes_repeated += what.sent++ > 0 ? 1U : 0U;
    send(R"({"type":"publish","ref":)" + std::to_string(number) +
         ",\"channel\":" + quoted(world_.channels[what.channel]) + ",\"id\":\"" + what.id +
         "\",\"data\":" + what.data + "}");
}

/// What had no answer in the session before may or may not be stored: the same frame once more.
void publisher::session_begins() {
    for (open& each : open_) {
        each.again_at = {};
    }
}

void publisher::tick() {
    const auto now = steady::now();
    if (world_.loading() && open_.size() < most_under_way && now >= next_at_) {
        make();
        if (dice_.percent(1)) {
            const std::size_t old = dice_.below(all_.size());
            if (all_[old].receipt) {
                open_.push_back({old, {}, {}}); // as if its receipt had been lost
            }
        }
        next_at_ = now + dice_.time(0ms, 60ms);
    }
    for (open& each : open_) {
        if (each.again_at <= now) {
            each.again_at = steady::time_point::max();
            each.since = now;
            publish(each.number);
        } else if (each.again_at == steady::time_point::max() &&
                   now - each.since > answer_patience) {
            no_answer("publish " + all_[each.number].id);
        }
    }
}

void publisher::take(const frame& frame, std::string_view type) {
    if (type != "ok" && type != "error") {
        return;
    }
    const auto ref = frame.number("ref");
    const auto at = std::ranges::find_if(open_, [&](const open& each) {
        return ref == static_cast<seq>(each.number) && each.again_at == steady::time_point::max();
    });
    if (at == open_.end()) {
        misanswered("no such ref", frame);
        return;
    }
    publication& what = all_[at->number];
    if (type == "error") {
        if (frame.text("code") == "unavailable") {
            at->again_at = steady::now() + dice_.time(50ms, 500ms);
        } else {
            misanswered("refused", frame);
            open_.erase(at);
        }
        return;
    }
    open_.erase(at);
    const auto got = frame.number("seq");
    const bool duplicate = frame.raw("duplicate") == "true";
    world_.count.duplicates += duplicate ? 1U : 0U;
    if (!got || frame.text("id") != what.id) {
        misanswered("not a receipt for " + what.id, frame);
    } else if (duplicate && what.sent < 2) {
        misanswered("a duplicate of what was sent once", frame);
    } else if (what.receipt && *what.receipt != *got) {
        world_.found.add(offence::receipt_without_row, what.id + ": one receipt says " +
                                                           std::to_string(*what.receipt) +
                                                           ", another " + std::to_string(*got));
    }
    // One that was stored before may come back without "duplicate": a daemon that lost its
    // connection and sends a batch again can't tell its own first try from an earlier one.
    if (got) {
        what.receipt = *got;
    }
}

bool publisher::is_satisfied() const {
    return !world_.loading() && open_.empty();
}

} // namespace chaos
