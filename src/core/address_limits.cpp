#include "core/address_limits.hpp"

#include <algorithm>
#include <random>

namespace core {

namespace {

constexpr unsigned connections_to_sessions = 2;
constexpr unsigned connects_to_handshakes = 4;
constexpr std::chrono::minutes silence{1};

/// Addresses come from outside: nobody may know which of them collide.
std::uint64_t secret() {
    static const std::uint64_t drawn =
        (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
    return drawn;
}

std::uint64_t mixed(std::uint64_t value) {
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15ULL;
    value ^= value >> 29;
    value *= 0xbf58476d1ce4e5b9ULL;
    return value ^ (value >> 32);
}

} // namespace

std::size_t address_limits::hash::operator()(const address& address) const {
    std::array<std::uint64_t, 2> halves{};
    std::memcpy(halves.data(), address.data(), address.size());
    return mixed(mixed(halves[0] ^ secret()) ^ halves[1]);
}

address_limits::verdict address_limits::connect(const address& from, time_point now,
                                                const limits& most) {
    entry& known = of(from, now);
    if (most.sessions > 0 && known.connections >= connections_to_sessions * most.sessions) {
        return verdict::too_many;
    }
    if (!known.connecting.take(now, connects_to_handshakes * most.handshakes)) {
        return verdict::too_fast;
    }
    ++known.connections;
    return verdict::enter;
}

void address_limits::disconnect(const address& from, time_point now) {
    --of(from, now).connections;
}

address_limits::verdict address_limits::enter(const address& from, time_point now,
                                              const limits& most) {
    entry& known = of(from, now);
    if (most.sessions > 0 && known.sessions >= most.sessions) {
        return verdict::too_many;
    }
    if (!known.entering.take(now, most.handshakes)) {
        return verdict::too_fast;
    }
    ++known.sessions;
    return verdict::enter;
}

void address_limits::leave(const address& from, time_point now) {
    --of(from, now).sessions;
}

bool address_limits::should_tell(const address& from, time_point now) {
    entry& known = of(from, now);
    const bool first = known.told == time_point{} || now - known.told >= silence;
    if (first) {
        known.told = now;
    }
    return first;
}

address_limits::entry& address_limits::of(const address& from, time_point now) {
    if (table_.size() >= sweep_at_) {
        forget_idle(now);
        sweep_at_ = std::max<std::size_t>(2 * table_.size(), 1'024);
    }
    return table_[from];
}

void address_limits::forget_idle(time_point now) {
    boost::unordered::erase_if(table_, [now](const auto& each) {
        const entry& known = each.second;
        return known.connections == 0 && known.sessions == 0 && known.connecting.idle(now) &&
               known.entering.idle(now) && now - known.told >= silence;
    });
}

} // namespace core
