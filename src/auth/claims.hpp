#pragma once

#include "auth/token.hpp"

#include <boost/system/result.hpp>

#include <chrono>
#include <string>

namespace auth {

/// What the payload of a token says, whose signature holds; an error where the rules refuse it.
boost::system::result<claims, token_error>
read_claims(std::string payload, const token_rules& rules, std::chrono::sys_seconds now);

} // namespace auth
