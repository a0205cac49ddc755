#include "tests/chaos/client.hpp"

#include "tests/support/postgres.hpp"

#include <algorithm>
#include <utility>

namespace chaos {

struct consumer::database {
    std::optional<support::connection> connection;
};

consumer::consumer(world& world, std::string name, std::uint64_t seed, std::size_t channel)
    : client(world, name, seed),
      stored_as_("worker '" + name + "'"),
      window_(static_cast<std::size_t>(dice_.between(1, 60))),
      database_(std::make_unique<database>()) {
    trail_.who = this->name();
    trail_.channel = channel;
}

consumer::~consumer() = default;

std::optional<seq> consumer::stored() {
    try {
        if (!database_->connection) {
            database_->connection.emplace(world_.conninfo +
                                          " connect_timeout=5 application_name=chaos/consumer");
        }
        const auto rows = database_->connection->query(
            "select acked_seq from queue.consumer where channel = $1 and name = $2",
            world_.channels[trail_.channel], stored_as_);
        const seq found = rows.empty() ? 0 : std::stoll(rows[0][0].value());
        // Before its first ack it stands before the channel's first message, whatever seq that is.
        if (trail_.acknowledged > 0 && found > trail_.acknowledged) {
            world_.found.add(offence::progress, name() + ": " + std::to_string(found) +
                                                    " is stored, acknowledged " +
                                                    std::to_string(trail_.acknowledged));
        }
        return found;
    } catch (const support::postgres_error&) {
        database_->connection.reset();
        return std::nullopt;
    }
}

void consumer::session_begins() {
    ask();
}

void consumer::ask() {
    ref_ = next_ref_++;
    last_ask_ = steady::now();
    ask_at_ = steady::time_point::max();
    now_ = {};
    unacknowledged_.clear();
    now_.stored = stored().value_or(0);
    now_.acknowledged = trail_.acknowledged;
    now_.joined = joined(0, now_.stored);
    send(R"({"type":"subscribe","ref":)" + std::to_string(ref_) + ",\"channel\":" +
         quoted(world_.channels[trail_.channel]) + ",\"consumer\":" + quoted(stored_as_) +
         ",\"window\":" + std::to_string(window_) + R"(,"after":"start"})");
}

void consumer::session_ended() {
    subscribed_ = false;
    leaving_ = false;
    if (now_.cursor > 0) {
        trail_.stints.push_back(std::exchange(now_, {}));
    }
}

void consumer::take(const frame& frame, std::string_view type) {
    if (type == "ok" || type == "error") {
        if (frame.raw("ref") == R"("ack")" && type == "ok") {
            return;
        }
        if (frame.number("ref") != ref_) {
            misanswered("no such ref", frame);
        } else if (type == "error") {
            if (frame.text("code") == "unavailable" && !subscribed_) {
                ask_at_ = steady::now() + dice_.time(50ms, 500ms);
            } else {
                misanswered("refused", frame);
            }
        } else if (leaving_) {
            session_ended();
            ask_at_ = steady::now() + dice_.time(0ms, 200ms);
        } else {
            subscribed_ = true;
        }
        return;
    }
    if (type != "message" && type != "live" && type != "reset") {
        return;
    }
    if (!subscribed_ || frame.text("channel") != world_.channels[trail_.channel]) {
        misanswered("nothing was subscribed to", frame);
    } else if (type == "reset") {
        ++world_.count.resets;
        world_.found.add(offence::reset, name() + ": reason " + frame.text("reason") + " at head " +
                                             frame.text("head"));
    } else if (type == "live") {
        const auto at = frame.number("seq");
        if (!at || *at < now_.cursor) {
            misanswered("live below the cursor " + std::to_string(now_.cursor), frame);
            return;
        }
        now_.cursor = *at;
        if (may_acknowledge() && dice_.percent(30)) {
            acknowledge(*at); // covers all so far, though no message need have this seq
        }
    } else {
        take_message(frame);
    }
}

void consumer::take_message(const frame& frame) {
    const auto got = frame.number("seq");
    if (!got) {
        misanswered("no seq", frame);
        return;
    }
    const auto where = [&] {
        return "seq " + std::to_string(*got) + " of " + shown(world_.channels[trail_.channel]) +
               ", " + name() + " on daemon " + std::to_string(daemon_);
    };
    ++world_.count.to_consumers;
    world_.count.to_consumers_again += *got <= highest_ ? 1U : 0U;
    highest_ = std::max(highest_, *got);
    const std::size_t before = now_.given.size();
    const auto wrong = now_.take({*got, content_of(frame.text("id"), frame.raw("data"))});
    if (wrong) {
        world_.found.add(*wrong, where() + ": subscribed when " + std::to_string(now_.stored) +
                                     " was stored, given " + std::to_string(before) + " since");
    }
    if (now_.given.size() == before) {
        return;
    }
    unacknowledged_.push_back(*got);
    world_.count.windows_filled += unacknowledged_.size() == window_ ? 1U : 0U;
    if (unacknowledged_.size() > window_) {
        world_.found.add(offence::overfilled,
                         where() + ": " + std::to_string(unacknowledged_.size()) +
                             " unacknowledged, the window is " + std::to_string(window_));
    }
    if (may_acknowledge() && dice_.percent(30)) {
        // All so far, or a part.
        acknowledge(dice_.percent(50) ? *got
                                      : unacknowledged_[dice_.below(unacknowledged_.size())]);
    }
}

/// While it works on something the window fills.
bool consumer::may_acknowledge() const {
    return subscribed_ && !leaving_ && (steady::now() >= busy_until_ || !world_.loading());
}

void consumer::acknowledge(seq upto) {
    ++world_.count.acknowledged;
    trail_.acknowledged = std::max(trail_.acknowledged, upto);
    std::erase_if(unacknowledged_, [&](seq each) { return each <= upto; });
    send(std::string(R"({"type":"ack",)") + (dice_.percent(20) ? R"("ref":"ack",)" : "") +
         "\"channel\":" + quoted(world_.channels[trail_.channel]) +
         ",\"seq\":" + std::to_string(upto) + "}");
}

void consumer::tick() {
    if (!subscribed_ && steady::now() >= ask_at_) {
        ask();
    } else if ((!subscribed_ || leaving_) && steady::now() - last_ask_ > answer_patience) {
        no_answer("subscribe or unsubscribe");
    }
    if (!subscribed_ || leaving_) {
        return;
    }
    if (!unacknowledged_.empty() && may_acknowledge() &&
        (!world_.loading() || unacknowledged_.size() >= window_ || dice_.percent(20))) {
        acknowledge(unacknowledged_.back());
        if (dice_.percent(10)) {
            busy_until_ = steady::now() + dice_.time(0ms, 2'000ms);
        }
    }
    const seq goal = world_.goals[trail_.channel];
    if (goal != 0 && trail_.acknowledged >= goal && !stored_all_ && steady::now() >= look_at_) {
        look_at_ = steady::now() + 100ms;
        stored_all_ = stored().value_or(0) >= goal;
    }
}

void consumer::act() {
    if (!subscribed_ || leaving_) {
        return;
    }
    ++world_.count.unsubscribed;
    leaving_ = true;
    ref_ = next_ref_++;
    last_ask_ = steady::now();
    send(R"({"type":"unsubscribe","ref":)" + std::to_string(ref_) +
         ",\"channel\":" + quoted(world_.channels[trail_.channel]) + "}");
}

bool consumer::is_satisfied() const {
    return stored_all_;
}

} // namespace chaos
