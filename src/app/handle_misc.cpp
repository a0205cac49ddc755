#include "app/session.hpp"

namespace app {

void session::handle(const wire::ref& ref, wire::ping) {
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
}

/// Without tokens configured anybody may do everything, so any token is good enough.
void session::handle(const wire::ref& ref, wire::auth) {
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
}

} // namespace app
