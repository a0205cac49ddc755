#pragma once

#include "auth/key.hpp"

#include <boost/system/result.hpp>

#include <string_view>

namespace auth {

/// One public key of a JWK Set (RFC 7517 4, RFC 7518 6, RFC 8037 2). An error where it can't verify
/// tokens here.
boost::system::result<key_ptr, key_problem> key_from_jwk(std::string_view json);

} // namespace auth
