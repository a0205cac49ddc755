#pragma once

#include "auth/algorithm.hpp"
#include "auth/openssl.hpp"

#include <string_view>

namespace auth {

/// Whether `signature` is the HMAC of `text`. False for algorithms other than HS*.
bool hmac_holds(algorithm which, std::string_view secret, std::string_view text,
                std::string_view signature);

/// Whether `signature` is one of `text` by this key, as JWS writes it (RFC 7518 3.3 and 3.4,
/// RFC 8037 3.1). False for HS*. `which` must be for keys of this type.
bool signature_holds(algorithm which, EVP_PKEY& key, std::string_view text,
                     std::string_view signature);

} // namespace auth
