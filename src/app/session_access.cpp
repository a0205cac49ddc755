// Who a session is, what that allows, and when it ends.
#include "app/session.hpp"

#include "app/message_frame.hpp"

#include <iterator>

namespace app {

bool session::may(auth::verb verb, const std::string& channel, const wire::ref& ref) {
    switch (access_of(*shard_.policy(), verb, channel, who_.get())) {
    case auth::access::granted:
        return true;
    case auth::access::needs_token:
        answer(ref, {base::errc::unauthorized,
                     "this needs a token; send an auth frame with one, then this frame again"});
        return false;
    case auth::access::forbidden:
        break;
    }
    std::string why = who_ != nullptr ? "the token doesn't allow to " : "nobody is allowed to ";
    why += verb == auth::verb::subscribe ? "read" : "publish on";
    answer(ref, {base::errc::forbidden, std::move(why) + " this channel"});
    return false;
}

/// Refusals are answered, and cost the session of a client that doesn't heed them.
bool session::too_fast(core::rate_limit& rate, unsigned per_second, base::limit which,
                       const wire::ref& ref) {
    const auto now = std::chrono::steady_clock::now();
    if (rate.take(now, per_second)) {
        return false;
    }
    shard_.limited(which);
    answer(ref, {base::errc::rate_limited, "a session may send " + std::to_string(per_second) +
                                               ' ' + std::string(base::name_of(which)) +
                                               " a second; wait, then send it again"});
    if (refusals_.refused(now)) {
        close(wire::close_code::rate_limit_abused);
    }
    return true;
}

void session::become(identity_ptr who) {
    who_ = std::move(who);
    ++shard_.counts().tokens;
    clock_.expires_at(who_->expires);
    set_clock();
    review();
}

/// Whoever may do something without a token may stay without one.
void session::await_token() {
    const policy& policy = *shard_.policy();
    const bool must = policy.needs_tokens && !auth::anyone_may_something(policy.rules);
    if (!must) {
        clock_.token_by(core::session_clock::never);
    } else if (!clock_.awaits_token()) { // policies may change more often than that
        clock_.token_by(std::chrono::steady_clock::now() + policy.auth_timeout);
    }
}

void session::policy_changed(const policy& before) {
    const policy& policy = *shard_.policy();
    if (who_ != nullptr && !policy.needs_tokens) {
        who_ = nullptr;
        clock_.expires_at(core::session_clock::never);
    } else if (who_ != nullptr) {
        who_ = identify_again(policy, before, *who_);
    } else {
        await_token();
    }
    set_clock();
    review();
}

/// Ends the subscriptions that are no longer allowed.
void session::review() {
    for (auto each = subscriptions_.begin(); each != subscriptions_.end() && !closing_;) {
        each = review(each);
    }
}

/// Returns the subscription behind it.
session::subscriptions::iterator session::review(subscriptions::iterator which) {
    const std::string& channel = which->first;
    const auto verdict = access_of(*shard_.policy(), auth::verb::subscribe, channel, who_.get());
    if (verdict == auth::access::granted) {
        return std::next(which);
    }
    ++shard_.counts().revoked;
    send(make_frame([&](std::string& out) {
        wire::append_unsubscribed(out, channel, base::name_of(base::errc::forbidden));
    }));
    return end(which);
}

void session::set_clock() {
    const auto next = closing_ ? core::session_clock::never : clock_.next();
    shard_.wake(*this, std::exchange(wakes_at_, next), next);
}

void session::due(core::session_clock::time_point now) {
    while (const auto what = clock_.due(now)) {
        switch (*what) {
        case core::session_clock::event::no_first_frame:
            shard_.limited(base::limit::first_frame);
            close(wire::close_code::no_first_frame);
            break;
        case core::session_clock::event::no_token:
            shard_.limited(base::limit::auth_time);
            close(wire::close_code::unauthorized);
            break;
        case core::session_clock::event::expiring:
            send(make_frame(
                [&](std::string& out) { wire::append_expiring(out, clock_.left(now).count()); }));
            break;
        case core::session_clock::event::expired:
            close(wire::close_code::unauthorized);
            break;
        }
    }
    set_clock();
}

} // namespace app
