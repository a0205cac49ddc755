#pragma once

#include "auth/algorithm.hpp"

#include <boost/system/result.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

/// Why key material can't be used; never holds any of it.
struct key_problem {
    std::string reason;
};
[[noreturn]] void throw_exception_from_error(const key_problem& error,
                                             const boost::source_location& where);

/// One key that verifies tokens. What it is decides which algorithms it may be used with: a secret
/// never verifies RS256, a public key never HS256.
class key;

/// The keys tokens are verified with.
/// Owner: whoever holds one; copies share the keys. Thread: any, once it is filled. Lifetime: free.
class key_set {
public:
    /// A shared secret for HS256, HS384 and HS512; at least 32 bytes (RFC 7518 3.2).
    static boost::system::result<key_set, key_problem> from_secret(std::string_view secret);

    /// A PEM file's text: one or more public keys or certificates (RSA of 2048 bits and more,
    /// P-256, P-384, Ed25519). A private key is refused.
    static boost::system::result<key_set, key_problem> from_pem(std::string_view pem);

    /// A JWK Set (RFC 7517). Keys of other kinds, of other uses and secrets are passed over;
    /// an error where nothing is left.
    static boost::system::result<key_set, key_problem> from_jwks(std::string_view json);

    void add(const key_set& more);

    bool empty() const { return keys_.empty(); }
    const std::vector<std::shared_ptr<const key>>& keys() const { return keys_; }

private:
    static constexpr std::size_t most_keys = 100; ///< of one text

    std::vector<std::shared_ptr<const key>> keys_;
};

} // namespace auth
