// Many subscriptions on many channels of one hub, and the limits of addresses, by arbitrary
// operations against plain models. What one subscription does with a log that is trimmed, emptied
// or lost is log_fuzz's.

#include "core/address_limits.hpp"
#include "core/hub.hpp"
#include "core/subscription.hpp"
#include "core/tail.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// The input as decisions; zeros once it is used up.
class choices {
public:
    explicit choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    bool left() const { return !bytes_.empty(); }
    std::size_t draw(std::size_t below) {
        if (bytes_.empty()) {
            return 0;
        }
        const std::size_t got = bytes_.front() % below;
        bytes_ = bytes_.subspan(1);
        return got;
    }

private:
    std::span<const std::uint8_t> bytes_;
};

/// The messages of one shard: what is in the table, and what was taken out of it before the shard
/// could hand it on. Their places are their numbers, which begin with 1.
struct row {
    std::size_t channel;
    bool lost;
};

class table {
public:
    base::seq head() const { return static_cast<base::seq>(rows_.size()); }
    base::seq add(std::size_t channel, bool lost) {
        rows_.push_back({channel, lost});
        return head();
    }
    const row& at(base::seq seq) const { return rows_[static_cast<std::size_t>(seq) - 1]; }

    /// The channel's first number above `after`, up to `upto`, lost or not as asked; 0: none.
    base::seq next(std::size_t channel, base::seq after, base::seq upto, bool lost) const {
        for (base::seq seq = after + 1; seq <= upto; ++seq) {
            if (at(seq).channel == channel && at(seq).lost == lost) {
                return seq;
            }
        }
        return 0;
    }
    base::seq last_lost(std::size_t channel) const {
        base::seq seq = head();
        while (seq > 0 && !(at(seq).channel == channel && at(seq).lost)) {
            --seq;
        }
        return seq;
    }

private:
    std::vector<row> rows_;
};

/// One subscription with its client, who must be given every message of the channel after `seen`,
/// once and in order, or be told that some are lost.
class listener final : public core::subscriber {
public:
    listener(const table& rows, std::size_t channel, std::string name)
        : channel(channel),
          name(std::move(name)),
          rows_(rows) {}

    void begin(core::subscription begins, base::seq cursor, bool from_start, std::size_t window) {
        state.emplace(std::move(begins));
        seen_ = cursor;
        forgives_ = from_start;
        forgiven_ = 0;
        lost_upto_ = 0;
        window_ = window;
        unacknowledged_.clear();
        asked.reset();
        wants_head = false;
        if (window > 0) {
            state->limit_unacknowledged(static_cast<std::uint32_t>(window));
        }
    }

    void offer(const base::frame_run& run) override {
        heard.insert(heard.end(), run.frames.begin(), run.frames.end());
        const bool all = run.frames.size() <= room &&
                         state->offer_all(run.frames.front()->seq(), run.frames.back()->seq());
        for (const auto& frame : run.frames) {
            if (all) {
                deliver(frame->seq());
                continue;
            }
            if (state->offer(frame->seq(), room > 0)) {
                deliver(frame->seq());
            }
        }
    }
    void removed(base::seq upto) override {
        told_removed.push_back(upto);
        const bool lacks = rows_.next(channel, std::max(seen_, forgiven_), upto, true) != 0;
        if (state->removed(upto)) {
            require(lacks && !forgives_);
        }
    }

    void pump(const core::tail& tail, base::seq position) {
        while (true) {
            auto step = state->next(tail, name, position, room > 0);
            if (const auto* send = std::get_if<core::subscription::send>(&step)) {
                require(send->frame->channel() == name);
                forgives_ = false;
                deliver(send->frame->seq());
            } else if (const auto* ask = std::get_if<core::subscription::read_page>(&step)) {
                require(room > 0 && ask->limit > 0 && ask->after >= seen_);
                asked = *ask;
                return;
            } else if (std::get_if<core::subscription::find_head>(&step) != nullptr) {
                const base::seq known = std::max(seen_, forgiven_);
                require(rows_.next(channel, known, rows_.head(), true) != 0);
                wants_head = true;
                return;
            } else if (const auto* there = std::get_if<core::subscription::caught_up>(&step)) {
                forgives_ = false;
                pass(there->seq);
                require(state->live());
                return;
            } else {
                return;
            }
        }
    }

    /// The page that was asked for, of at most `most` messages, or a failure.
    void answer(bool fails, std::size_t most) {
        if (fails) {
            state->failed();
            asked.reset();
            wants_head = false;
        } else if (wants_head) {
            reset();
        } else if (asked) {
            take_page(most);
        }
    }

    void acknowledge(base::seq upto) {
        const auto acked = state->ack(upto);
        require(acked.has_value() ==
                (window_ > 0 && upto <= std::max(state->cursor(), lost_upto_)));
        if (acked) {
            require(*acked == upto || (upto > state->cursor() && *acked <= state->cursor()));
            unacknowledged_.erase(unacknowledged_.begin(), unacknowledged_.upper_bound(*acked));
        }
    }
    bool done() const {
        return state->live() && rows_.next(channel, seen_, rows_.head(), false) == 0;
    }
    base::seq seen() const { return seen_; }

    const std::size_t channel;
    const std::string name;
    std::optional<core::subscription> state;
    std::size_t room = 2;
    std::optional<core::subscription::read_page> asked;
    bool wants_head = false;
    std::vector<base::frame_ptr> heard;
    std::vector<base::seq> told_removed;

private:
    void deliver(base::seq seq) {
        require(room > 0 && seq > seen_);
        --room;
        pass(seq - 1);
        require(rows_.at(seq).channel == channel && !rows_.at(seq).lost);
        seen_ = seq;
        if (window_ > 0) {
            unacknowledged_.insert(seq);
            require(unacknowledged_.size() <= window_);
        }
    }

    /// It is told, one way or the other, that there is nothing between what it has seen and `upto`.
    void pass(base::seq upto) {
        require(rows_.next(channel, seen_, upto, false) == 0);
        require(rows_.next(channel, std::max(seen_, forgiven_), upto, true) == 0);
        seen_ = std::max(seen_, upto);
    }

    void take_page(std::size_t most) {
        const auto ask = *std::exchange(asked, std::nullopt);
        const base::seq lost = rows_.last_lost(channel);
        if (std::exchange(forgives_, false)) {
            forgiven_ = lost;
        }
        if (!state->page_begins(lost, 0)) {
            return;
        }
        most = std::min(most, static_cast<std::size_t>(ask.limit));
        std::size_t taken = 0;
        base::seq seq = ask.after;
        while ((seq = rows_.next(channel, seq, ask.upto, false)) != 0 && taken < most) {
            ++taken;
            if (state->take(seq, room > 0)) {
                room = taken == 1 ? std::max<std::size_t>(room, 1) : room; // the first needs none
                deliver(seq);
            }
        }
        state->page_ends(ask.upto, seq != 0);
    }

    void reset() {
        wants_head = false;
        lost_upto_ = std::max(lost_upto_, state->cursor());
        seen_ = rows_.head();
        forgiven_ = 0;
        forgives_ = false;
        unacknowledged_.clear();
        state->reset_to(seen_);
        require(state->live());
    }

    const table& rows_;
    base::seq seen_ = 0;
    base::seq forgiven_ = 0; ///< it began at the start: what was lost up to here is not missed
    bool forgives_ = false;  ///< it begins at the start, and nothing has come yet
    base::seq lost_upto_ = 0;
    std::size_t window_ = 0; ///< 0: none
    std::set<base::seq> unacknowledged_;
};

class hub_model {
public:
    explicit hub_model(choices made) : made_(made), tail_(made_.draw(16) * 600) {
        for (std::size_t i = 0; i < listeners; ++i) {
            const std::size_t channel = i % channels;
            who_.push_back(std::make_unique<listener>(rows_, channel, name(channel)));
        }
    }

    void run() {
        while (made_.left()) {
            step();
        }
        settle();
    }

private:
    static constexpr std::size_t listeners = 48;
    static constexpr std::size_t channels = 11;

    /// One is empty, each is the start of the next.
    static std::string name(std::size_t channel) {
        return channel == 0 ? std::string() : std::string(channel * 7, 'c');
    }

    void step() {
        const std::size_t what = made_.draw(16);
        listener& one = *who_[made_.draw(listeners)];
        switch (what) {
        case 0:
        case 1:
        case 2:
            subscribe(one);
            return;
        case 3:
            unsubscribe(one);
            return;
        case 4:
        case 5:
        case 6:
            fan_out(made_.draw(channels), 1 + made_.draw(4));
            return;
        case 7:
            lose(made_.draw(channels));
            return;
        case 8:
            one.room = made_.draw(6);
            return;
        case 9:
            unsubscribe_all(made_.draw(channels));
            return;
        default:
            if (one.state) {
                drive(one, what);
            }
        }
    }

    void drive(listener& one, std::size_t what) {
        if (what == 10) {
            const auto ahead = static_cast<base::seq>(made_.draw(4));
            one.acknowledge(std::max<base::seq>(one.seen() + 1 - ahead, 0));
        } else if (what == 11) {
            one.room = 100;
        } else if (what < 14) {
            one.answer(made_.draw(5) == 4, 1 + made_.draw(4));
        }
        one.pump(tail_, rows_.head());
    }

    void subscribe(listener& one) {
        if (one.state) {
            return;
        }
        const std::size_t window = made_.draw(4);
        const base::seq head = rows_.head();
        switch (made_.draw(3)) {
        case 0:
            one.begin(core::subscription::live_at(head), head, false, window);
            break;
        case 1: {
            const base::seq cursor =
                std::max<base::seq>(head - static_cast<base::seq>(made_.draw(32)), one.seen() / 2);
            one.begin(core::subscription::behind_at(cursor), cursor, false, window);
            break;
        }
        default:
            one.begin(core::subscription::from_start(), 0, true, window);
        }
        hub_.add(one.name, one);
        on_[one.channel].insert(&one);
        check_counts();
    }

    void unsubscribe(listener& one) {
        if (!one.state) {
            return;
        }
        hub_.remove(one.name, one);
        on_[one.channel].erase(&one);
        one.state.reset();
        check_counts();
    }

    void unsubscribe_all(std::size_t channel) {
        while (!on_[channel].empty()) {
            unsubscribe(**on_[channel].begin());
        }
    }

    /// Messages of one channel, as the shard hands them on: into the tail, then to the hub.
    void fan_out(std::size_t channel, std::size_t count) {
        std::vector<base::frame_ptr> frames;
        while (frames.size() < count) {
            frames.push_back(std::make_shared<base::frame>(std::string(100, 'x'), 0, name(channel),
                                                           rows_.add(channel, false)));
            tail_.push(frames.back());
        }
        forget_heard();
        for (core::subscriber* const who : hub_.on(name(channel))) {
            who->offer({frames, nullptr});
        }
        for (const auto& one : who_) {
            const bool meant = on_[channel].contains(one.get());
            require(one->heard == (meant ? frames : std::vector<base::frame_ptr>()));
        }
    }

    void lose(std::size_t channel) {
        const base::seq seq = rows_.add(channel, true);
        tail_.lacks(name(channel), seq);
        forget_heard();
        hub_.removed(name(channel), seq);
        for (const auto& one : who_) {
            const bool meant = on_[channel].contains(one.get());
            require(one->told_removed == (meant ? std::vector{seq} : std::vector<base::seq>()));
        }
    }

    void forget_heard() {
        for (const auto& one : who_) {
            one->heard.clear();
            one->told_removed.clear();
        }
    }

    void check_counts() const {
        std::size_t all = 0;
        std::size_t used = 0;
        for (std::size_t channel = 0; channel < channels; ++channel) {
            const auto found = on_.find(channel);
            const std::size_t count = found == on_.end() ? 0 : found->second.size();
            require(hub_.on(name(channel)).size() == count);
            all += count;
            used += count > 0 ? 1 : 0;
        }
        require(hub_.subscriptions() == all && hub_.channels() == used);
        require(hub_.on("elsewhere").empty());
    }

    /// With room and acknowledgements everybody gets to the head.
    void settle() {
        for (const auto& one : who_) {
            for (base::seq round = 0; one->state && !one->done(); ++round) {
                require(round < 2 * rows_.head() + 10);
                one->room = 100;
                one->acknowledge(one->seen());
                one->answer(false, 64);
                one->pump(tail_, rows_.head());
            }
        }
        for (std::size_t channel = 0; channel < channels; ++channel) {
            unsubscribe_all(channel);
        }
        require(hub_.subscriptions() == 0 && hub_.channels() == 0);
    }

    choices made_;
    table rows_;
    core::tail tail_;
    core::hub hub_;
    std::vector<std::unique_ptr<listener>> who_;
    std::map<std::size_t, std::set<listener*>> on_;
};

using time_point = core::address_limits::time_point;
using std::chrono::nanoseconds;

/// What is in a bucket that leaks evenly.
struct bucket {
    nanoseconds level{};
    time_point at{};

    nanoseconds level_at(time_point now) const {
        return now - at >= level ? nanoseconds() : level - (now - at);
    }
    bool take(time_point now, unsigned per_second) {
        if (per_second == 0) {
            return true;
        }
        const nanoseconds after = level_at(now) + nanoseconds(std::chrono::seconds(1)) / per_second;
        if (after > std::chrono::seconds(2)) {
            return false;
        }
        level = after;
        at = now;
        return true;
    }
};

/// Everything that ever came from one address.
struct known {
    unsigned connections = 0;
    unsigned sessions = 0;
    bucket connecting;
    bucket entering;
    std::optional<time_point> told;

    bool busy(time_point now) const {
        return connections > 0 || sessions > 0 || connecting.level_at(now).count() > 0 ||
               entering.level_at(now).count() > 0 ||
               (told && now - *told < std::chrono::minutes(1));
    }
};

class limits_model {
public:
    explicit limits_model(choices made) : made_(made) {}

    void run() {
        while (made_.left()) {
            step();
        }
    }

private:
    using verdict = core::address_limits::verdict;

    static core::address number(std::size_t n) {
        core::address address{0x20, 0x01};
        address[6] = static_cast<unsigned char>(n >> 8U);
        address[n % 2 == 0 ? 7 : 15] = static_cast<unsigned char>(n);
        return address;
    }

    void step() {
        const std::size_t what = made_.draw(12);
        const std::size_t from = made_.draw(6);
        switch (what) {
        case 0:
        case 1:
            connect(from);
            break;
        case 2:
        case 3:
            enter(from);
            break;
        case 4:
            disconnect(from);
            break;
        case 5:
            if (one(from).sessions > 0) {
                --one(from).sessions;
                limits_.leave(number(from), now_);
            }
            break;
        case 6:
            tell(from);
            break;
        case 7:
            now_ += std::chrono::milliseconds(made_.draw(256));
            break;
        case 8:
            now_ += std::chrono::seconds(made_.draw(64));
            break;
        case 9:
            most_ = {static_cast<unsigned>(made_.draw(5)), static_cast<unsigned>(made_.draw(7))};
            break;
        case 10:
            now_ += nanoseconds(made_.draw(256));
            break;
        default:
            crowd(made_.draw(16));
        }
    }

    known& one(std::size_t from) { return known_[from]; }

    void connect(std::size_t from) {
        known& of = one(from);
        verdict expected = verdict::enter;
        if (most_.sessions > 0 && of.connections >= 2 * most_.sessions) {
            expected = verdict::too_many;
        } else if (!of.connecting.take(now_, 4 * most_.handshakes)) {
            expected = verdict::too_fast;
        } else {
            ++of.connections;
        }
        require(limits_.connect(number(from), now_, most_) == expected);
    }

    void disconnect(std::size_t from) {
        if (one(from).connections > 0) {
            --one(from).connections;
            limits_.disconnect(number(from), now_);
        }
    }

    void enter(std::size_t from) {
        known& of = one(from);
        verdict expected = verdict::enter;
        if (most_.sessions > 0 && of.sessions >= most_.sessions) {
            expected = verdict::too_many;
        } else if (!of.entering.take(now_, most_.handshakes)) {
            expected = verdict::too_fast;
        } else {
            ++of.sessions;
        }
        require(limits_.enter(number(from), now_, most_) == expected);
    }

    void tell(std::size_t from) {
        known& of = one(from);
        const bool first = !of.told || now_ - *of.told >= std::chrono::minutes(1);
        if (first) {
            of.told = now_;
        }
        require(limits_.should_tell(number(from), now_) == first);
    }

    /// Many addresses come and go, so that those of which nothing is left to know are forgotten.
    void crowd(std::size_t which) {
        if (++crowds_ > 20) {
            return;
        }
        peak_ = std::max(peak_, busy());
        for (std::size_t n = 0; n < 300; ++n) {
            const std::size_t from = 100 + which * 300 + n;
            connect(from);
            if (n % 16 != 0) {
                disconnect(from);
            }
        }
        peak_ = std::max(peak_, busy());
        // Those outside of crowds are few.
        require(limits_.addresses() <= std::max<std::size_t>(1'024, 2 * (peak_ + 10)));
    }

    std::size_t busy() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            known_, [this](const auto& each) { return each.second.busy(now_); }));
    }

    choices made_;
    core::address_limits limits_;
    core::address_limits::limits most_{2, 3};
    std::map<std::size_t, known> known_;
    int crowds_ = 0;
    std::size_t peak_ = 0; ///< how many there was something to know of, at most
    time_point now_{std::chrono::hours(1'000)};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    choices made({data, size});
    if (made.draw(4) == 3) {
        limits_model(made).run();
    } else {
        hub_model(made).run();
    }
    return 0;
}
