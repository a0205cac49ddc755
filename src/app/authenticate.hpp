#pragma once

#include "app/shard.hpp"
#include "auth/token.hpp"

#include <boost/system/result.hpp>

#include <string>

namespace app {

/// Who shows this token, by the shard's policy. Where it names a key that isn't known, keys are
/// looked for once more first. Runs on the shard's thread.
asio::awaitable<boost::system::result<identity_ptr, auth::token_error>>
authenticate(shard& shard, std::string token);

} // namespace app
