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

} // namespace app
