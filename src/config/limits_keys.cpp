#include "config/checks.hpp"
#include "config/keys.hpp"

#include <array>

namespace config {

namespace {

using namespace std::chrono_literals;
using type = value_type;

constexpr std::array keys_of_limits{
    key{"limits", "trusted_proxies", type::list,
        "addresses or networks whose X-Forwarded-For and Forwarded are believed",
        [](const settings& s) { return show(s.limits.trusted_proxies); },
        [](settings& s, const value& v) {
            return set_checked(s.limits.trusted_proxies, v, check_networks);
        }},
    key{"limits", "exempt_addresses", type::list,
        "addresses or networks that the next two limits are not for",
        [](const settings& s) { return show(s.limits.exempt_addresses); },
        [](settings& s, const value& v) {
            return set_checked(s.limits.exempt_addresses, v, check_networks);
        }},
    key{"limits", "sessions_per_address", type::integer,
        "sessions at a time from one address (of IPv6: the first 64 bits); 0: any number",
        [](const settings& s) { return show_integer(s.limits.sessions_per_address); },
        [](settings& s, const value& v) {
            return set_integer(s.limits.sessions_per_address, v, {0, 100'000'000});
        }},
    key{"limits", "handshakes_per_address", type::integer,
        "handshakes a second from one address; 0: any number",
        [](const settings& s) { return show_integer(s.limits.handshakes_per_address); },
        [](settings& s, const value& v) {
            return set_integer(s.limits.handshakes_per_address, v, {0, 1'000'000});
        }},
    key{"limits", "handshake_timeout", type::duration,
        "how long a handshake may take, TLS included",
        [](const settings& s) { return show(s.limits.handshake_timeout); },
        [](settings& s, const value& v) {
            return set(s.limits.handshake_timeout, v, {100ms, 10min});
        }},
    key{"limits", "first_frame_timeout", type::duration,
        "how long a new session may stay without a frame from its client; 0s: for ever",
        [](const settings& s) { return show(s.limits.first_frame_timeout); },
        [](settings& s, const value& v) {
            return set(s.limits.first_frame_timeout, v, {0ms, 24h});
        }},
    key{"limits", "max_header", type::size, "largest header of a request",
        [](const settings& s) { return show_size(s.limits.max_header); },
        [](settings& s, const value& v) {
            return set_size(s.limits.max_header, v, {KiB, MiB});
        }},
    key{"limits", "frames_per_second", type::integer,
        "frames a second that a session may send; 0: any number",
        [](const settings& s) { return show_integer(s.limits.frames_per_second); },
        [](settings& s, const value& v) {
            return set_integer(s.limits.frames_per_second, v, {0, 10'000'000});
        }},
    key{"limits", "publishes_per_second", type::integer,
        "publishes a second that a session may send; 0: any number",
        [](const settings& s) { return show_integer(s.limits.publishes_per_second); },
        [](settings& s, const value& v) {
            return set_integer(s.limits.publishes_per_second, v, {0, 10'000'000});
        }},
    key{"limits", "max_subscriptions", type::integer, "subscriptions of one session at a time",
        [](const settings& s) { return show_integer(s.limits.max_subscriptions); },
        [](settings& s, const value& v) {
            return set_integer(s.limits.max_subscriptions, v, {1, 1'000'000});
        }},
    key{"limits", "max_publishes_in_flight", type::integer,
        "publishes of one session that wait for their receipts",
        [](const settings& s) { return show_integer(s.limits.max_publishes_in_flight); },
        [](settings& s, const value& v) {
            return set_integer(s.limits.max_publishes_in_flight, v, {1, 1'000'000});
        }},
};

} // namespace

std::span<const key> limits_keys() {
    return keys_of_limits;
}

} // namespace config
