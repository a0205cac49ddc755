#include "app/session.hpp"

#include "app/message_frame.hpp"

#include <algorithm>

namespace app {

asio::awaitable<void> session::handle(const wire::ref& ref, wire::subscribe verb) {
    if (subscriptions_.contains(verb.channel)) {
        answer(ref,
               {base::errc::already_subscribed,
                "this session has a subscription on the channel; unsubscribe first to move it"});
        co_return;
    }
    if (subscriptions_.size() >= shard_.options().max_subscriptions) {
        answer(ref, {base::errc::too_many_subscriptions,
                     "this session has " + std::to_string(subscriptions_.size()) +
                         " subscriptions, the most a session may have; unsubscribe from some"});
        co_return;
    }
    if (verb.consumer) {
        answer(ref, {base::errc::malformed,
                     "this server has no consumers yet; subscribe with after instead"});
        co_return;
    }

    auto state = core::subscription::live_at(shard_.position());
    base::seq head = shard_.position();
    std::optional<wire::reset_reason> reset;
    if (std::holds_alternative<wire::from_start>(verb.start)) {
        state = core::subscription::behind_at(0);
    } else if (const auto* after = std::get_if<wire::after_seq>(&verb.start)) {
        state = core::subscription::behind_at(after->seq);
        if (verb.epoch && *verb.epoch != shard_.epoch()) {
            reset = wire::reset_reason::epoch;
        } else if (after->seq > head) {
            // This instance may lag behind the table; only the table knows whether a seq exists.
            const auto log = co_await shard_.replay().position();
            if (!log) {
                answer(ref, log.error());
                co_return;
            }
            head = std::max(log->head, shard_.position());
            if (after->seq > head) {
                reset = wire::reset_reason::ahead;
            }
        }
        if (reset) {
            state = core::subscription::live_at(shard_.position());
        }
    }

    wire::ok ok;
    ok.ref = ref;
    ok.channel = verb.channel;
    ok.head = head;
    answer(ok);
    if (reset) {
        send(make_frame(
            [&](std::string& out) { wire::append_reset(out, verb.channel, *reset, 0, head); }));
    }
    hold(verb.channel, state);
}

asio::awaitable<void> session::handle(const wire::ref& ref, wire::unsubscribe verb) {
    const auto found = subscriptions_.find(verb.channel);
    if (found == subscriptions_.end()) {
        answer(ref,
               {base::errc::not_subscribed, "this session has no subscription on the channel"});
        co_return;
    }
    shard_.hub().remove(verb.channel, *found->second);
    std::erase(behind_, found->second.get());
    subscriptions_.erase(found);
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
}

} // namespace app
