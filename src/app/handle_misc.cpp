#include "app/session.hpp"

namespace app {

asio::awaitable<void> session::handle(const wire::ref& ref, wire::ping) {
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
    co_return;
}

/// Without tokens configured anybody may do everything, so any token is good enough.
asio::awaitable<void> session::handle(const wire::ref& ref, wire::auth) {
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
    co_return;
}

asio::awaitable<void> session::handle(const wire::ref& ref, wire::ack verb) {
    const bool subscribed = subscriptions_.contains(verb.channel);
    answer(ref, subscribed ? base::failure{base::errc::malformed,
                                           "the subscription has no consumer, so there is nothing "
                                           "to acknowledge"}
                           : base::failure{base::errc::not_subscribed,
                                           "this session has no subscription on the channel"});
    co_return;
}

} // namespace app
