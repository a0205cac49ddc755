#include "app/session.hpp"

#include "app/authenticate.hpp"

namespace app {

namespace {

/// A signature takes up to two milliseconds to verify.
constexpr unsigned tokens_per_second = 5;

} // namespace

/// Without tokens configured anybody may do everything, so any token is good enough. One that isn't
/// valid changes nothing: the session keeps what it had.
asio::awaitable<void> session::handle(wire::ref ref, wire::auth verb) {
    if (shard_.policy()->needs_tokens) {
        if (too_fast(tokens_, tokens_per_second, base::limit::tokens, ref)) {
            co_return;
        }
        auto who = co_await authenticate(shard_, std::move(verb.token));
        if (closing_) {
            co_return;
        }
        if (!who) {
            const auth::token_error why = who.error();
            shard_.observer().observe(
                base::observed::token_refused{id_, peer_, std::string(auth::name_of(why))});
            answer(ref, {base::errc::unauthorized, std::string(auth::explain(why))});
            if (strikes_.strike(std::chrono::steady_clock::now())) {
                shard_.limited(base::limit::bad_frames);
                close(wire::close_code::unauthorized);
            }
            co_return;
        }
        become(std::move(*who));
    }
    wire::ok ok;
    ok.ref = ref;
    answer(ok);
}

} // namespace app
