#pragma once

#include "auth/algorithm.hpp"
#include "auth/key_set.hpp"
#include "auth/openssl.hpp"

#include <boost/system/result.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace auth {

enum class key_type { secret, rsa, p256, p384, ed25519 };

/// What a key says of itself, which narrows what it is used for.
struct key_labels {
    std::optional<std::string> id;            ///< "kid"; nothing: for tokens with any
    std::optional<auth::algorithm> algorithm; ///< "alg"; nothing: all its type is for
};

/// Owner: key sets, shared. Thread: any, it never changes. Lifetime: its last key set's.
class key {
public:
    explicit key(std::string_view secret);
    /// `material` must be of `type`.
    key(key_type type, openssl::pkey material, key_labels labels);
    ~key();
    key(const key&) = delete;
    key& operator=(const key&) = delete;

    const std::optional<std::string>& id() const { return labels_.id; }
    bool fits(algorithm which) const;

    /// False for an algorithm that doesn't fit.
    bool verifies(algorithm which, std::string_view text, std::string_view signature) const;

private:
    key_type type_;
    std::string secret_;
    openssl::pkey public_;
    key_labels labels_;
};

using key_ptr = std::shared_ptr<const key>;

/// Refuses what isn't safe or of no type above; takes a public key of any kind.
boost::system::result<key_ptr, key_problem> make_key(openssl::pkey material,
                                                     key_labels labels = {});

} // namespace auth
