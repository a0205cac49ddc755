#include "app/session.hpp"

#include <algorithm>

namespace app {

void session::handle(const wire::ref& ref, wire::ack verb) {
    const auto found = subscriptions_.find(verb.channel);
    if (found == subscriptions_.end()) {
        answer(ref,
               {base::errc::not_subscribed, "this session has no subscription on the channel"});
        return;
    }
    held& who = *found->second;
    if (who.consumer.empty()) {
        answer(ref, {base::errc::malformed,
                     "the subscription has no consumer, so there is nothing to acknowledge"});
        return;
    }
    if (verb.epoch) {
        // Beyond what that log shares with this one the number is another message's.
        verb.seq = std::min(verb.seq, std::max<base::seq>(shard_.log()->good_upto(*verb.epoch), 0));
    }
    const auto acked = who.state.ack(verb.seq);
    if (!acked) {
        answer(ref, {base::errc::malformed, "seq is beyond what this subscription was sent, " +
                                                std::to_string(who.state.cursor())});
        return;
    }
    ++shard_.counts().acks;
    tell(who, consumer_news::kind::acked, *acked);
    if (!ref.raw.empty()) {
        wire::ok ok;
        ok.ref = ref;
        answer(ok);
    }
    line_up(who);
    pump();
}

} // namespace app
