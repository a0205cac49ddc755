#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace core {

/// An IPv6 address; one of IPv4 in its mapped form (::ffff:a.b.c.d), so that both compare.
using address = std::array<unsigned char, 16>;

/// Of "192.0.2.1" or "2001:db8::1", without port, brackets or zone.
std::optional<address> parse_address(std::string_view text);

/// The form parse_address() reads, IPv4 as such.
std::string to_string(const address& address);

/// What one subscriber of a network usually has: the address of IPv4, the first 64 bits of IPv6.
address limited_as(const address& address);

/// "10.0.0.0/8", "2001:db8::/32", or an address alone.
/// Owner: the policy. Thread: any, it never changes. Lifetime: its owner's.
class network {
public:
    static std::optional<network> parse(std::string_view text);

    bool contains(const address& address) const;

private:
    network(const address& base, unsigned bits) : base_(base), bits_(bits) {}

    address base_;
    unsigned bits_; ///< of 128
};

bool any_contains(std::span<const network> networks, const address& address);

/// What stands before us in a request's way, as header fields say it, each in order of appearance.
struct forwarding {
    std::vector<std::string> forwarded_for; ///< values of X-Forwarded-For
    std::vector<std::string> forwarded;     ///< values of Forwarded (RFC 7239); looked at only
                                            ///< where there is no X-Forwarded-For
};

/// Where a request comes from.
struct client {
    address from;
    bool is_hidden; ///< behind the proxy at `from`, which wrote no address
};

/// A header is believed as far as trusted proxies have written it: from the peer backwards, the
/// first address that is none of theirs.
client client_of(const address& peer, const forwarding& headers, std::span<const network> trusted);

} // namespace core
