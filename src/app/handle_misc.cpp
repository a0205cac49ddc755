#include "app/session.hpp"

namespace app {

void session::handle(const wire::ref& ref, wire::ping) {
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
}

} // namespace app
