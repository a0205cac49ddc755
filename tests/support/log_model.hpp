#pragma once

#include "core/log_epoch.hpp"
#include "core/subscription.hpp"
#include "core/tail.hpp"
#include "core/tailer.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace support {

/// Tailer, tail, subscriptions and windows run by arbitrary operations against a table that is a
/// plain list. What subscribers see is compared with the list at every delivery: nothing left out
/// without a reset, nothing twice, in order, never more unacknowledged than the window. Bytes
/// choose the operations, so a fuzzer and a random generator can both drive it.
/// Throws std::logic_error where a promise is broken.
class log_model {
public:
    explicit log_model(std::span<const std::uint8_t> bytes)
        : bytes_(bytes),
          tail_(300 * static_cast<std::size_t>(draw(8))) {
        for (int i = draw(6); i > 0; --i) {
            commit();
        }
        // The daemon starts: what is there is history.
        tailer_.start_at(head());
        tail_.reset(head());
        position_ = head();
        clients_.resize(3);
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            clients_[i].channel = i == 0 ? 1 : 0;
        }
    }

    void run() {
        while (!bytes_.empty()) {
            step();
        }
        settle();
    }

private:
    struct row {
        base::seq seq;
        int channel;
        bool removed = false;
    };

    struct removal {
        base::seq upto;
        int channel;
    };

    struct page {
        std::vector<row> rows;
        std::vector<removal> removed; ///< all above the page's after, lowest first
        base::seq emptied = 0;
        int epoch = 0;
        bool more = false;
    };

    struct client {
        int channel = 0;
        std::optional<core::subscription> state;
        // What the client itself knows; it outlives the subscription.
        base::seq cursor = 0;
        int epoch = 0;
        int epoch_told = 0;
        bool begun = false;
        // For the comparison.
        std::size_t window = 0;  ///< 0: none; else it is a consumer
        base::seq acked = 0;     ///< a consumer's
        base::seq lost_upto = 0; ///< it may acknowledge up to here what a failover has taken back
        std::set<base::seq> unacknowledged;
        std::set<base::seq> owed; ///< removed rows it was passed over, until a reset covers them
        base::seq exempt = 0;
        bool from_start = false;
        bool must_reset = false;
        // What it asked for.
        std::optional<core::subscription::read_page> asked;
        int asked_epoch = 0;
        std::optional<page> answer; ///< the snapshot is taken, the answer is on its way
        std::optional<base::reset_reason> wants_head;
        int room = 4;
    };

    [[noreturn]] static void broken(const std::string& what) { throw std::logic_error(what); }

    int draw(int below) {
        if (bytes_.empty()) {
            return 0;
        }
        const int got = bytes_.front() % below;
        bytes_ = bytes_.subspan(1);
        return got;
    }

    /// Never once the bytes are used up, so that everything comes to an end.
    bool fails() { return !bytes_.empty() && draw(6) == 0; }

    static std::string name(int channel) { return channel == 0 ? "a" : "b"; }

    // The table.

    base::seq head() const {
        base::seq top = emptied_;
        for (const row& each : rows_) {
            top = std::max(top, each.seq);
        }
        return top;
    }
    void commit() {
        next_seq_ += 1 + draw(3) / 2;
        rows_.push_back({next_seq_, draw(2)});
    }
    void remove() {
        if (rows_.empty()) {
            return;
        }
        row& one = rows_[static_cast<std::size_t>(draw(256)) % rows_.size()];
        one.removed = true;
        base::seq& top = trimmed_[one.channel];
        top = std::max(top, one.seq);
    }
    void truncate() {
        emptied_ = head();
        for (row& each : rows_) {
            each.removed = true;
        }
        ++log_number_;
        new_epoch();
    }
    /// The server is lost, and a standby that lacks the last commits goes on.
    void fail_over() {
        const base::seq began_at = std::max<base::seq>(head() - draw(4), 0);
        std::erase_if(rows_, [&](const row& each) { return each.seq > began_at; });
        for (auto& [channel, seq] : trimmed_) {
            // The number of a message of this channel, so no two channels have the same.
            base::seq left = 0;
            for (const row& each : rows_) {
                if (each.removed && each.channel == channel && each.seq <= seq) {
                    left = each.seq;
                }
            }
            seq = left;
        }
        emptied_ = std::min(emptied_, began_at);
        next_seq_ = began_at;
        ++timeline_;
        starts_.push_back({timeline_, began_at});
        new_epoch();
    }
    void new_epoch() {
        ++epoch_;
        std::string text = "log";
        text += std::to_string(log_number_) + '.' + std::to_string(timeline_);
        epochs_.emplace_back(std::move(text), starts_);
    }

    page snapshot(std::optional<int> channel, base::seq after, base::seq upto, int limit) {
        page made;
        made.epoch = epoch_;
        made.emptied = emptied_;
        for (const row& each : rows_) {
            if (each.removed || each.seq <= after || each.seq > upto ||
                (channel && each.channel != *channel)) {
                continue;
            }
            if (static_cast<int>(made.rows.size()) == limit) {
                made.more = true;
                break;
            }
            made.rows.push_back(each);
        }
        for (const auto& [of, seq] : trimmed_) {
            if (seq > after && (!channel || of == *channel)) {
                made.removed.push_back({seq, of});
            }
        }
        std::ranges::sort(made.removed, {}, &removal::upto);
        return made;
    }

    // The daemon.

    void step() {
        client& one = clients_[static_cast<std::size_t>(draw(static_cast<int>(clients_.size())))];
        switch (draw(16)) {
        case 0:
        case 1:
        case 2:
            commit();
            tailer_.ring({});
            break;
        case 3:
            remove();
            break;
        case 4:
        case 5:
            follow();
            break;
        case 6:
            one.room = draw(5);
            break;
        case 7:
        case 8:
            pump(one);
            break;
        case 9:
            take_snapshot(one);
            break;
        case 10:
            take_answer(one);
            break;
        case 11:
            acknowledge(one);
            break;
        case 12:
            subscribe(one);
            break;
        case 13:
            one.state.reset();
            one.asked.reset();
            one.answer.reset();
            one.wants_head.reset();
            break;
        case 14:
            if (draw(4) == 0) {
                truncate();
                tailer_.ring({});
            } else if (draw(3) == 0) {
                fail_over();
                tailer_.listening(head());
            }
            break;
        default:
            follow();
            take_answer(one);
        }
    }

    /// What app/tail_loop does in one round, and app/shard with it.
    void follow() {
        if (pending_) {
            hand_on();
            return;
        }
        const int limit = tailer_.begin_read();
        if (limit == 0) {
            return;
        }
        if (fails()) {
            tailer_.fail_read();
            return;
        }
        pending_ =
            snapshot(std::nullopt, tailer_.position(), max_seq, std::min(limit, 1 + draw(5)));
    }

    void hand_on() {
        const page page = *std::exchange(pending_, std::nullopt);
        if (page.epoch != known_epoch_) {
            tailer_.fail_read();
            take_log();
            return;
        }
        core::tailer::page_end end;
        end.message = page.rows.empty() ? 0 : page.rows.back().seq;
        end.removal = page.removed.empty() ? 0 : page.removed.back().upto;
        end.more_messages = page.more;
        tailer_.end_read(end);
        for (const removal& one : page.removed) {
            tail_.lacks(name(one.channel), one.upto);
            for (client& each : clients_) {
                if (each.state && each.channel == one.channel) {
                    each.state->removed(one.upto);
                }
            }
        }
        for (const row& each : page.rows) {
            position_ = each.seq;
            auto frame = std::make_shared<base::frame>(std::string(100, 'x'), 0, name(each.channel),
                                                       each.seq);
            tail_.push(frame);
            for (client& to : clients_) {
                if (to.state && to.channel == each.channel &&
                    to.state->offer(each.seq, to.room > 0)) {
                    deliver(to, each.seq);
                }
            }
        }
        position_ = tailer_.position();
    }

    void take_log() {
        const core::log_epoch& now = epochs_[static_cast<std::size_t>(epoch_)];
        const core::log_epoch& before = epochs_[static_cast<std::size_t>(known_epoch_)];
        if (epoch_ == known_epoch_) {
            return;
        }
        const base::seq good = now.good_upto(before.text());
        const base::seq restart = good < 0 ? head() : std::min(tailer_.position(), good);
        known_epoch_ = epoch_;
        tailer_.start_at(restart);
        tail_.reset(restart);
        position_ = restart;
        for (client& each : clients_) {
            if (!each.state) {
                continue;
            }
            each.epoch_told = known_epoch_;
            const base::seq given_upto = each.state->cursor();
            each.state->good_upto(good, base::reset_reason::epoch);
            each.exempt = std::min(each.exempt, std::max<base::seq>(good, 0));
            // A late acknowledgement may have counted further than what was given.
            const bool acked_beyond = each.window > 0 && !each.from_start && each.acked > good;
            if (each.window > 0 && !each.must_reset && !each.from_start && each.acked <= good) {
                go_back(each, good);
            }
            if (given_upto > good) {
                each.lost_upto = std::max(each.lost_upto, given_upto);
                each.acked = std::min(each.acked, std::max<base::seq>(good, 0));
            }
            each.must_reset =
                each.must_reset || acked_beyond || (!each.from_start && each.cursor > good);
        }
    }

    /// A consumer lacks nothing that it can't be given: what is above `good` is other messages now.
    static void go_back(client& one, base::seq good) {
        one.cursor = std::min(one.cursor, good);
        std::erase_if(one.unacknowledged, [&](base::seq seq) { return seq > good; });
        std::erase_if(one.owed, [&](base::seq seq) { return seq > good; });
    }

    void subscribe(client& one) {
        if (one.state) {
            return;
        }
        one.window = static_cast<std::size_t>(draw(4));
        one.unacknowledged.clear();
        one.from_start = false;
        if (!one.begun || draw(8) == 0) {
            one.owed.clear();
            one.exempt = 0;
            one.begun = true;
            one.must_reset = false;
            one.epoch = known_epoch_;
            if (draw(2) == 0) {
                one.cursor = position_;
                one.state.emplace(core::subscription::live_at(position_));
            } else {
                one.cursor = 0;
                one.from_start = true;
                one.state.emplace(core::subscription::from_start());
            }
        } else {
            one.state.emplace(core::subscription::behind_at(one.cursor));
            const base::seq good = epochs_[static_cast<std::size_t>(known_epoch_)].good_upto(
                epochs_[static_cast<std::size_t>(one.epoch)].text());
            one.must_reset = one.cursor > good;
            if (one.cursor > good) {
                one.state->refuse(base::reset_reason::epoch);
            } else if (one.cursor > position_ && one.cursor > head()) {
                // Another server was ahead; only possible right after a failover nobody has told.
                one.must_reset = true;
                one.state->refuse(base::reset_reason::ahead);
            }
        }
        one.epoch_told = known_epoch_;
        one.acked = one.cursor;
        one.lost_upto = 0;
        if (one.window > 0) {
            one.state->limit_unacknowledged(static_cast<std::uint32_t>(one.window));
        }
    }

    void pump(client& one) {
        if (!one.state) {
            return;
        }
        while (true) {
            auto step = one.state->next(tail_, name(one.channel), position_, one.room > 0);
            if (auto* frame = std::get_if<core::subscription::send>(&step)) {
                one.from_start = false;
                deliver(one, frame->frame->seq());
            } else if (auto* ask = std::get_if<core::subscription::read_page>(&step)) {
                one.asked = *ask;
                one.asked_epoch = known_epoch_;
                return;
            } else if (auto* lost = std::get_if<core::subscription::find_head>(&step)) {
                if (lost->reason == base::reset_reason::epoch && one.window > 0 &&
                    !one.must_reset && emptied_ <= one.cursor) {
                    broken("a consumer is reset for no reason");
                }
                one.wants_head = lost->reason;
                return;
            } else if (auto* there = std::get_if<core::subscription::caught_up>(&step)) {
                one.from_start = false;
                move_to(one, there->seq);
            } else {
                return;
            }
        }
    }

    void take_snapshot(client& one) {
        if (one.asked && !one.answer) {
            one.answer = snapshot(one.channel, one.asked->after, one.asked->upto,
                                  std::min(one.asked->limit, 1 + draw(5)));
        }
    }

    void take_answer(client& one) {
        if (one.wants_head && one.state) {
            if (epoch_ != known_epoch_ || fails()) {
                one.state->failed();
            } else {
                reset(one);
            }
            one.wants_head.reset();
        } else if (one.asked && one.answer && one.state) {
            const page page = *std::exchange(one.answer, std::nullopt);
            const base::seq upto = one.asked->upto;
            one.asked.reset();
            if (page.epoch != known_epoch_ || one.asked_epoch != known_epoch_ || fails()) {
                one.state->failed();
            } else {
                take_page(one, page, upto);
            }
        }
        pump(one);
    }

    void take_page(client& one, const page& page, base::seq upto) {
        const auto removed = page.removed.empty() ? 0 : page.removed.back().upto;
        if (std::exchange(one.from_start, false)) {
            one.exempt = std::max(removed, page.emptied);
        }
        if (!one.state->page_begins(removed, page.emptied)) {
            return;
        }
        for (const row& each : page.rows) {
            if (one.state->take(each.seq, one.room > 0)) {
                deliver(one, each.seq);
            }
        }
        one.state->page_ends(upto, page.more);
    }

    void reset(client& one) {
        one.cursor = head();
        one.epoch = one.epoch_told;
        one.owed.clear();
        one.exempt = 0;
        one.must_reset = false;
        one.unacknowledged.clear();
        one.lost_upto = std::max(one.lost_upto, one.state->cursor());
        one.acked = head();
        one.state->reset_to(head());
    }

    void acknowledge(client& one) {
        if (!one.state) {
            return;
        }
        if (one.window == 0) {
            if (one.state->ack(one.cursor)) {
                broken("an acknowledgement of what needs none is taken");
            }
            return;
        }
        const base::seq cursor = one.state->cursor();
        const bool late = one.lost_upto > cursor && draw(2) == 1;
        const base::seq upto = late ? one.lost_upto : std::max<base::seq>(one.cursor - draw(3), 0);
        const auto acked = one.state->ack(upto);
        if (!acked) {
            broken("an acknowledgement of what was sent is refused");
        }
        if (upto <= cursor ? *acked != upto : *acked > cursor) {
            broken("an acknowledgement counts for something else");
        }
        if (one.state->ack(std::max(one.state->cursor(), one.lost_upto) + 1)) {
            broken("an acknowledgement of what was not sent is taken");
        }
        one.acked = std::max(one.acked, *acked);
        std::erase_if(one.unacknowledged, [&](base::seq seq) { return seq <= *acked; });
        pump(one);
    }

    // The client, and the comparison.

    void deliver(client& to, base::seq seq) {
        --to.room;
        if (seq <= to.cursor) {
            broken("repeated or out of order: " + std::to_string(seq) + " after " +
                   std::to_string(to.cursor));
        }
        pass(to, seq - 1);
        to.cursor = seq;
        to.epoch = to.epoch_told;
        if (to.window > 0) {
            to.unacknowledged.insert(seq);
            if (to.unacknowledged.size() > to.window) {
                broken("more unacknowledged than the window");
            }
        }
    }

    void move_to(client& one, base::seq seq) {
        if (seq > one.cursor) {
            pass(one, seq);
            one.cursor = seq;
        }
        one.epoch = one.epoch_told;
    }

    /// It is told that there is nothing between its cursor and `upto`.
    void pass(client& one, base::seq upto) {
        if (one.must_reset) {
            broken("a cursor of another epoch goes on without a reset");
        }
        if (known_epoch_ != epoch_) {
            return; // the table has changed under what is on its way; nobody has been told yet
        }
        for (const row& each : rows_) {
            if (each.channel != one.channel || each.seq <= one.cursor || each.seq > upto) {
                continue;
            }
            if (!each.removed) {
                broken("lost: " + std::to_string(each.seq) + ", given " + std::to_string(upto + 1) +
                       " after " + std::to_string(one.cursor));
            }
            if (each.seq > one.exempt && !one.from_start) {
                one.owed.insert(each.seq);
            }
        }
    }

    /// Without faults, with room and acknowledgements, everybody gets to the head.
    void settle() {
        for (client& one : clients_) {
            subscribe(one);
        }
        tailer_.listening(head());
        for (int round = 0; round < 4'000 && !settled(); ++round) {
            tailer_.ring({});
            follow();
            while (pending_) {
                follow();
            }
            for (client& one : clients_) {
                one.room = 100;
                pump(one);
                take_snapshot(one);
                take_answer(one);
                acknowledge(one);
            }
        }
        if (!settled()) {
            broken("a subscription doesn't get to the head; position " + std::to_string(position_) +
                   " of " + std::to_string(head()));
        }
        for (client& one : clients_) {
            pass(one, head());
            if (!one.owed.empty()) {
                broken("removed without a reset: " + std::to_string(*one.owed.begin()));
            }
        }
    }

    bool settled() const {
        return known_epoch_ == epoch_ && position_ >= head() && !pending_ &&
               std::ranges::all_of(clients_, [](const client& one) {
                   return one.state && one.state->live() && !one.must_reset;
               });
    }

    static constexpr base::seq max_seq = std::numeric_limits<base::seq>::max();

    std::span<const std::uint8_t> bytes_;
    std::vector<row> rows_;
    std::map<int, base::seq> trimmed_;
    base::seq emptied_ = 0;
    base::seq next_seq_ = 0;
    int log_number_ = 0;
    std::int64_t timeline_ = 1;
    std::vector<core::timeline_start> starts_{{1, 0}};
    std::vector<core::log_epoch> epochs_{{"log0.1", {{1, 0}}}};
    int epoch_ = 0;       ///< the table's
    int known_epoch_ = 0; ///< the daemon's

    core::tailer tailer_;
    core::tail tail_;
    base::seq position_ = 0;
    std::optional<page> pending_;
    std::vector<client> clients_;
};

} // namespace support
