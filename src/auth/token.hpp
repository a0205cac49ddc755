#pragma once

#include "auth/access.hpp"
#include "auth/key_set.hpp"

#include <boost/system/result.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

/// What a token must be, fixed by the configuration.
struct token_rules {
    std::vector<algorithm> algorithms; ///< empty: every one that a key is for
    std::string issuer;                ///< empty: any
    std::vector<std::string> audience; ///< one of them must be the token's; empty: any
    std::chrono::seconds leeway{30};
    std::size_t max_bytes = 8 * 1024;
    std::string grants_claim = "pgherald";
    std::string role_claim; ///< empty: none is read
};

enum class token_error {
    too_large,
    malformed,   ///< not a JWT in compact form, or a claim of the wrong type
    algorithm,   ///< "none", or one that isn't accepted here
    unknown_key, ///< no key of that id, or none for that algorithm: a refreshed key set may know it
    signature,
    expired,
    not_yet,
    issuer,
    audience,
};

/// A metric's label: "too_large", ..., "audience".
std::string_view name_of(token_error why);

/// A sentence for the client's developer; never holds anything of the token.
std::string_view explain(token_error why);

/// What a verified token says.
struct claims {
    std::string subject; ///< empty: none; at most 255 bytes
    std::string role;    ///< empty: none
    std::optional<std::chrono::sys_seconds> expires;
    auth::grants granted;
    std::string json; ///< the payload, as the token holds it
};

/// `now` is the clock on the wall: tokens count in it.
boost::system::result<claims, token_error> verify(std::string_view token, const key_set& keys,
                                                  const token_rules& rules,
                                                  std::chrono::sys_seconds now);

/// Of a token that was verified: what it grants and its role, by where `rules` look for them now.
/// A claim there that isn't what it has to be gives nothing.
void read_grants_again(claims& of, const token_rules& rules);

} // namespace auth
