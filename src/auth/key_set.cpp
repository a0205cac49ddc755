#include "auth/key_set.hpp"

#include "auth/jwk.hpp"
#include "auth/key.hpp"
#include "json/reader.hpp"

#include <stdexcept>
#include <utility>

namespace auth {

namespace {

constexpr std::size_t least_secret_bytes = 32;
constexpr std::size_t most_jwks_bytes = 256 * 1024;

} // namespace

void throw_exception_from_error(const key_problem& error, const boost::source_location&) {
    throw std::runtime_error(error.reason);
}

boost::system::result<key_set, key_problem> key_set::from_secret(std::string_view secret) {
    if (secret.size() < least_secret_bytes)
        return key_problem{"a secret must have 32 bytes or more"};
    // Whoever knows a public key that is taken for a secret can sign.
    if (secret.find("-----BEGIN ") != secret.npos)
        return key_problem{"a PEM text is no secret"};
    key_set out;
    out.keys_.push_back(std::make_shared<const key>(secret));
    return out;
}

boost::system::result<key_set, key_problem> key_set::from_jwks(std::string_view json) {
    if (json.size() > most_jwks_bytes)
        return key_problem{"a JWK Set must not be larger than 256 KiB"};
    const auto set = json::parse_object(json);
    if (!set)
        return key_problem{"no JWK Set: " + set.error().message()};
    const auto* const member = set->find("keys");
    if (member == nullptr || member->kind != json::kind::array)
        return key_problem{"no JWK Set: it has no array \"keys\""};
    const auto list = json::parse_array(member->raw, {.keys = most_keys});
    if (!list)
        return key_problem{"a JWK Set must not hold more than 100 keys"};
    key_set out;
    std::string first_reason;
    for (const json::member& jwk : *list) {
        if (auto made = key_from_jwk(jwk.raw))
            out.keys_.push_back(std::move(*made));
        else if (first_reason.empty())
            first_reason = made.error().reason;
    }
    if (list->empty())
        return key_problem{"the JWK Set holds no keys"};
    if (out.empty())
        return key_problem{"the JWK Set holds no key that can be used: " + first_reason};
    return out;
}

void key_set::add(const key_set& more) {
    // Not a range of itself: `more` may be this set.
    const std::size_t count = more.keys_.size();
    keys_.reserve(keys_.size() + count);
    for (std::size_t i = 0; i < count; ++i)
        keys_.push_back(more.keys_[i]);
}

} // namespace auth
