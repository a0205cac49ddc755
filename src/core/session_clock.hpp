#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace core {

/// What a session must do by when: send a first frame, show a token, show another before that one
/// expires.
/// Owner: app::session. Thread: the shard's. Lifetime: the session's.
class session_clock {
public:
    using time_point = std::chrono::steady_clock::time_point;

    static constexpr time_point never = time_point::max();
    /// How long before a token expires its session is warned.
    static constexpr std::chrono::seconds warning{30};

    enum class event { no_first_frame, no_token, expiring, expired };

    void first_frame_by(time_point when) { first_frame_by_ = when; }
    void heard() { first_frame_by_ = never; }

    void token_by(time_point when) { token_by_ = when; }
    bool awaits_token() const { return token_by_ != never; }
    /// A token was accepted; `when` never: it doesn't expire.
    void expires_at(time_point when) {
        token_by_ = never;
        expires_at_ = when;
        warned_ = false;
    }

    /// What is due at `now`. Each is told once.
    std::optional<event> due(time_point now) {
        if (now >= first_frame_by_) {
            first_frame_by_ = never;
            return event::no_first_frame;
        }
        if (now >= token_by_) {
            token_by_ = never;
            return event::no_token;
        }
        if (now >= expires_at_) {
            expires_at_ = never;
            return event::expired;
        }
        if (!warned_ && expires_at_ != never && now >= expires_at_ - warning) {
            warned_ = true;
            return event::expiring;
        }
        return std::nullopt;
    }

    /// When something will be due; `never`: nothing.
    time_point next() const {
        const bool warns = !warned_ && expires_at_ != never;
        return std::min({first_frame_by_, token_by_, warns ? expires_at_ - warning : expires_at_});
    }

    /// Until the token expires, rounded up.
    std::chrono::seconds left(time_point now) const {
        return std::chrono::ceil<std::chrono::seconds>(
            std::max(expires_at_ - now, time_point::duration::zero()));
    }

private:
    time_point first_frame_by_ = never;
    time_point token_by_ = never;
    time_point expires_at_ = never;
    bool warned_ = false;
};

} // namespace core
