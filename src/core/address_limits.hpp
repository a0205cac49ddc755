#pragma once

#include "core/network.hpp"
#include "core/rate_limit.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <chrono>
#include <cstddef>
#include <cstring>

namespace core {

/// How much comes from each address: connections, sessions, handshakes a second. Addresses nothing
/// is known of any more are forgotten, so its size follows the connections there are.
/// Owner: app::admission. Thread: the Postgres side's. Lifetime: its owner's.
class address_limits {
public:
    using time_point = std::chrono::steady_clock::time_point;

    struct limits {
        unsigned sessions = 0;   ///< 0: any number
        unsigned handshakes = 0; ///< a second; 0: any number
    };

    enum class verdict { enter, too_many, too_fast };

    /// A connection that nothing was read from yet. Twice the sessions, four times the handshakes:
    /// what is beyond is cut without an answer, so that whoever has only just too many still
    /// gets one. Entered: disconnect() follows.
    verdict connect(const address& from, time_point now, const limits& most);
    void disconnect(const address& from, time_point now);

    /// Entered: leave() follows.
    verdict enter(const address& from, time_point now, const limits& most);
    void leave(const address& from, time_point now);

    /// Whether this refusal is the first from there within a minute: one log line stands for all.
    bool should_tell(const address& from, time_point now);

    std::size_t addresses() const { return table_.size(); }

private:
    struct entry {
        unsigned connections = 0;
        unsigned sessions = 0;
        rate_limit connecting;
        rate_limit entering;
        time_point told{};
    };
    struct hash {
        using is_avalanching = void;
        std::size_t operator()(const address& address) const;
    };
    using table = boost::unordered_flat_map<address, entry, hash>;

    entry& of(const address& from, time_point now);
    void forget_idle(time_point now);

    table table_;
    std::size_t sweep_at_ = 1'024;
};

} // namespace core
