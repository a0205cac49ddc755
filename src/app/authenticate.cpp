#include "app/authenticate.hpp"

#include <chrono>

namespace app {

namespace {

boost::system::result<identity_ptr, auth::token_error> verified(const policy& policy,
                                                                std::string_view token) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    auto claims = auth::verify(token, policy.keys, policy.token_rules, now);
    if (!claims) {
        return claims.error();
    }
    return identify(policy, std::move(*claims));
}

} // namespace

asio::awaitable<boost::system::result<identity_ptr, auth::token_error>>
authenticate(shard& shard, std::string token) {
    auto who = verified(*shard.policy(), token);
    if (!who && who.error() == auth::token_error::unknown_key) {
        co_await shard.keys().look_again();
        who = verified(*shard.policy(), token);
    }
    co_return who;
}

} // namespace app
