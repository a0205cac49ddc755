#include "tests/chaos/evidence.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>

namespace chaos {

namespace {

constexpr std::size_t most_told = 5;

std::string text_of(double seconds) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f s", seconds);
    return text.data();
}

std::string text_of(const join& joined) {
    return (joined.after < 0 ? "from now" : "after " + std::to_string(joined.after)) +
           " on daemon " + std::to_string(joined.daemon) + " at " + text_of(joined.at);
}

/// How the client stood when it had been given `given` messages.
std::string circumstances(const std::vector<join>& joins, std::size_t given) {
    std::string text;
    const join* within = nullptr;
    for (const join& each : joins) {
        if (each.given == given) {
            text += text.empty() ? "; at the join: " : ", ";
            text += text_of(each);
        } else if (each.given < given) {
            within = &each;
        }
    }
    if (within != nullptr) {
        text += "; under way since it joined " + text_of(*within);
    }
    return text;
}

using rows = std::vector<message>;

rows::const_iterator first_after(const rows& all, seq after) {
    return std::upper_bound(all.begin(), all.end(), after,
                            [](seq value, const message& each) { return value < each.seq; });
}

const message* find(const rows& all, seq wanted) {
    const auto at = first_after(all, wanted - 1);
    return at != all.end() && at->seq == wanted ? &*at : nullptr;
}

std::string where(const std::string& who, std::string_view channel, seq at) {
    return "seq " + std::to_string(at) + " of " + shown(channel) + ", " + who;
}

/// Whether a delivery is a row of the table, and its content the row's.
void check_row(const message& given, const std::string& who, std::string_view channel,
               const rows& all, findings& found) {
    const message* const row = find(all, given.seq);
    if (row == nullptr) {
        found.add(offence::phantom, where(who, channel, given.seq) + ": not in the table");
    } else if (row->content != given.content) {
        found.add(offence::altered,
                  where(who, channel, given.seq) + ": id or data is not the row's");
    }
}

} // namespace

std::string_view name_of(offence what) {
    switch (what) {
    case offence::lost:
        return "lost";
    case offence::repeated:
        return "repeated";
    case offence::out_of_order:
        return "out of order";
    case offence::receipt_without_row:
        return "receipts without row";
    case offence::phantom:
        return "not in the table";
    case offence::altered:
        return "other data than the row";
    case offence::reset:
        return "resets";
    case offence::done_again:
        return "again after a stored ack";
    case offence::overfilled:
        return "beyond the window";
    case offence::progress:
        return "wrong progress";
    case offence::unanswered:
        return "frames never answered";
    case offence::misanswered:
        return "wrong frames";
    case offence::daemon_died:
        return "daemons that failed";
    case offence::count:
        break;
    }
    return "?";
}

void findings::add(offence what, std::string text) {
    const std::lock_guard lock(mutex_);
    found& kind = all_[static_cast<std::size_t>(what)];
    ++kind.count;
    if (kind.first.size() < most_told) {
        kind.first.push_back(std::move(text));
    }
}

std::size_t findings::count(offence what) const {
    const std::lock_guard lock(mutex_);
    return all_[static_cast<std::size_t>(what)].count;
}

bool findings::any() const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(all_, [](const found& each) { return each.count > 0; });
}

std::vector<std::string> findings::first(offence what) const {
    const std::lock_guard lock(mutex_);
    return all_[static_cast<std::size_t>(what)].first;
}

std::uint64_t content_of(std::string_view id, std::string_view data) {
    const std::hash<std::string_view> hash;
    return hash(id) * 31 + hash(data);
}

std::optional<offence> trail::take(const message& got) {
    if (got.seq > cursor) {
        given.push_back(got);
        cursor = got.seq;
        return std::nullopt;
    }
    strays.push_back(got);
    return find(given, got.seq) != nullptr ? offence::repeated : offence::out_of_order;
}

std::optional<offence> stint::take(const message& got) {
    if (got.seq <= cursor) {
        return find(given, got.seq) != nullptr ? offence::repeated : offence::out_of_order;
    }
    given.push_back(got);
    cursor = got.seq;
    return got.seq <= stored ? std::optional(offence::done_again) : std::nullopt;
}

std::size_t table::rows() const {
    std::size_t all = 0;
    for (const auto& channel : channels) {
        all += channel.size();
    }
    return all;
}

void compare(const trail& seen, const std::vector<std::string>& names, const table& truth, seq goal,
             findings& found) {
    if (!seen.begin) {
        return;
    }
    const std::string& channel = names[seen.channel];
    const rows& all = truth.channels[seen.channel];
    for (const message& each : seen.given) {
        check_row(each, seen.who, channel, all, found);
    }
    const seq owed_upto = seen.final ? std::max(goal, seen.cursor) : seen.cursor;
    auto given = seen.given.begin();
    for (auto row = first_after(all, *seen.begin); row != all.end() && row->seq <= owed_upto;
         ++row) {
        while (given != seen.given.end() && given->seq < row->seq) {
            ++given;
        }
        if (given != seen.given.end() && given->seq == row->seq) {
            continue;
        }
        if (std::ranges::any_of(seen.strays,
                                [&](const message& stray) { return stray.seq == row->seq; })) {
            continue;
        }
        const auto before = static_cast<std::size_t>(given - seen.given.begin());
        std::string text = where(seen.who, channel, row->seq) + ": began after " +
                           std::to_string(*seen.begin) + ", was given ";
        text += before == 0 ? "nothing" : std::to_string(seen.given[before - 1].seq);
        text += before == seen.given.size() ? " last" : " and then " + std::to_string(given->seq);
        text += ", cursor " + std::to_string(seen.cursor);
        found.add(offence::lost, text + circumstances(seen.joins, before));
    }
}

void compare(const consumer_trail& seen, const std::vector<std::string>& names, const table& truth,
             seq goal, findings& found) {
    const std::string& channel = names[seen.channel];
    const rows& all = truth.channels[seen.channel];
    const auto lost = [&](seq after, seq before, const std::string& how) {
        for (auto row = first_after(all, after); row != all.end() && row->seq < before; ++row) {
            found.add(offence::lost, where(seen.who, channel, row->seq) + ": " + how);
        }
    };
    for (const stint& each : seen.stints) {
        for (const message& given : each.given) {
            check_row(given, seen.who, channel, all, found);
        }
        const std::string joined = ", joined " + text_of(each.joined);
        seq last = each.acknowledged;
        for (const message& given : each.given) {
            lost(last, given.seq,
                 (last == each.acknowledged ? "not given (again) although unacknowledged"
                                            : "skipped") +
                     joined);
            last = given.seq;
        }
        lost(last, each.cursor + 1, "not given before live" + joined);
    }
    lost(seen.acknowledged, goal + 1, "never acknowledged, so not given to the end");
}

void compare(const publication& sent, const std::vector<std::string>& names, const table& truth,
             findings& found) {
    const std::string which = "publish " + sent.id + " to " + shown(names[sent.channel]);
    if (!sent.receipt) {
        if (sent.sent > 0) {
            found.add(offence::unanswered,
                      which + ": sent " + std::to_string(sent.sent) + " times");
        }
        return;
    }
    const auto row = truth.by_id.find(sent.id);
    if (row == truth.by_id.end()) {
        found.add(offence::receipt_without_row,
                  which + ": receipt says " + std::to_string(*sent.receipt) + ", there is no row");
        return;
    }
    if (row->second.seq != *sent.receipt || row->second.channel != sent.channel ||
        row->second.content != content_of(sent.id, sent.data)) {
        found.add(offence::receipt_without_row,
                  which + ": receipt says " + std::to_string(*sent.receipt) + ", the row has seq " +
                      std::to_string(row->second.seq) +
                      (row->second.seq == *sent.receipt ? " and other content" : ""));
    }
}

std::string shown(std::string_view channel) {
    std::string text(1, '\'');
    text += channel.substr(0, 40);
    text += channel.size() > 40 ? "...'" : "'";
    return text;
}

} // namespace chaos
