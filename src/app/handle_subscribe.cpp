#include "app/session.hpp"

#include "app/message_frame.hpp"

#include <algorithm>
#include <optional>

namespace app {

namespace {

constexpr std::uint32_t default_window = 100;

/// Why a cursor can't be honoured in a log that ends at `head`.
std::optional<base::reset_reason> refusal(const core::log_epoch& log, base::seq cursor,
                                          const std::optional<std::string>& epoch, base::seq head) {
    if (epoch && cursor > log.good_upto(*epoch)) {
        return base::reset_reason::epoch;
    }
    if (cursor > head) {
        return base::reset_reason::ahead;
    }
    return std::nullopt;
}

} // namespace

asio::awaitable<void> session::handle(wire::ref ref, wire::subscribe verb) {
    if (!may(auth::verb::subscribe, verb.channel, ref)) {
        co_return;
    }
    if (subscriptions_.contains(verb.channel)) {
        answer(ref,
               {base::errc::already_subscribed,
                "this session has a subscription on the channel; unsubscribe first to move it"});
        co_return;
    }
    if (subscriptions_.size() >= shard_.policy()->limits.max_subscriptions) {
        shard_.limited(base::limit::subscriptions);
        answer(ref, {base::errc::too_many_subscriptions,
                     "this session has " + std::to_string(subscriptions_.size()) +
                         " subscriptions, the most a session may have; unsubscribe from some"});
        co_return;
    }
    if (verb.consumer) {
        co_await subscribe_consumer(ref, std::move(verb));
        co_return;
    }

    base::seq head = shard_.position();
    auto state = core::subscription::live_at(head);
    if (std::holds_alternative<wire::from_start>(verb.start)) {
        state = core::subscription::from_start();
    } else if (const auto* const after = std::get_if<wire::after_seq>(&verb.start)) {
        auto refused = refusal(*shard_.log(), after->seq, verb.epoch, head);
        if (refused) {
            // This instance may lag behind the table: only the table knows whether a seq exists,
            // and whose log it is.
            const auto table = co_await ask_table(verb.channel);
            if (!table) {
                answer(ref, table.error());
                co_return;
            }
            head = std::max(table->head, shard_.position());
            refused = refusal(*shard_.log(), after->seq, verb.epoch, head);
        }
        state = core::subscription::behind_at(after->seq);
        if (refused) {
            state.refuse(*refused);
        }
    }

    wire::ok ok;
    ok.ref = ref;
    ok.channel = verb.channel;
    ok.head = head;
    answer(ok);
    hold(verb.channel, std::move(state));
    review(
        subscriptions_.find(verb.channel)); // the policy may have changed while the table was asked
    pump();
}

/// A consumer goes on after what it has acknowledged; a new one begins where `after` says.
asio::awaitable<void> session::subscribe_consumer(const wire::ref& ref, wire::subscribe verb) {
    std::optional<base::seq> start;
    std::optional<base::reset_reason> refused;
    if (!std::holds_alternative<wire::from_now>(verb.start)) {
        const auto table = co_await ask_table(verb.channel);
        if (!table) {
            answer(ref, table.error());
            co_return;
        }
        if (const auto* const after = std::get_if<wire::after_seq>(&verb.start)) {
            refused = refusal(*shard_.log(), after->seq, verb.epoch, table->head);
            start = refused ? table->head : after->seq;
        } else {
            // Just before the oldest message that is kept: from zero, what was removed before this
            // consumer existed would look like a loss whenever it comes back.
            start = table->oldest > 0 ? table->oldest - 1 : table->head;
        }
    }
    shard_.send_news(); // this session may have acknowledged as the same consumer just now
    const auto log = shard_.log();
    const auto opened = co_await shard_.consumers().enter(log->text(), verb.channel, *verb.consumer,
                                                          start, shard_.position());
    if (!opened) {
        answer(ref, opened.error());
        co_return;
    }
    if (opened->is_ahead) {
        refused = base::reset_reason::ahead;
    } else if (!opened->is_new) {
        refused.reset(); // where a new one would have begun
    }
    if (opened->acked > shard_.log()->good_upto(log->text())) { // it was replaced meanwhile
        refused = base::reset_reason::epoch;
    }

    wire::ok ok;
    ok.ref = ref;
    ok.channel = verb.channel;
    ok.head = std::max(opened->acked, shard_.position());
    answer(ok);
    const bool everything = opened->is_new && std::holds_alternative<wire::from_start>(verb.start);
    auto state = everything ? core::subscription::from_start(opened->acked)
                            : core::subscription::behind_at(opened->acked);
    state.limit_unacknowledged(verb.window.value_or(default_window));
    if (refused) {
        state.refuse(*refused);
    }
    hold(verb.channel, std::move(state)).consumer = std::move(*verb.consumer);
    review(subscriptions_.find(verb.channel));
    pump();
}

void session::handle(const wire::ref& ref, wire::unsubscribe verb) {
    const auto found = subscriptions_.find(verb.channel);
    if (found == subscriptions_.end()) {
        answer(ref,
               {base::errc::not_subscribed, "this session has no subscription on the channel"});
        return;
    }
    end(found);
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
}

} // namespace app
