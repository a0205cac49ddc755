#pragma once

#include "auth/key_set.hpp"
#include "auth/token.hpp"
#include "vectors.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

/// Makes tokens, right and wrong ones.
namespace tokens {

inline std::string base64url(std::string_view bytes) {
    std::string out(bytes.size() / 3 * 4 + 5, '\0');
    out.resize(static_cast<std::size_t>(EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(out.data()),
        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()))));
    while (out.ends_with('='))
        out.pop_back();
    for (char& c : out)
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

inline std::string hmac_sha256(std::string_view secret, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned length = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &length);
    return {reinterpret_cast<const char*>(mac.data()), length};
}

inline constexpr std::string_view secret = "a secret of the tests, 40 bytes of it...";

/// Any two texts as header and payload, with HS256's signature whatever the header says.
inline std::string sign(std::string_view header, std::string_view payload,
                        std::string_view key = secret) {
    const std::string text = base64url(header) + "." + base64url(payload);
    return text + "." + base64url(hmac_sha256(key, text));
}

inline std::string with_claims(std::string_view payload) {
    return sign(R"({"alg":"HS256"})", payload);
}

inline auth::key_set secret_set() {
    return *auth::key_set::from_secret(secret);
}

/// The defaults but for one member.
template <typename Member, typename Value>
auth::token_rules rules_with(Member auth::token_rules::*member, Value value) {
    auth::token_rules out;
    out.*member = static_cast<Member>(std::move(value));
    return out;
}

inline constexpr std::chrono::sys_seconds now{std::chrono::seconds(1'700'000'100)};

/// "ok", or the error's name.
inline std::string outcome(std::string_view token, const auth::key_set& keys,
                           const auth::token_rules& rules = {}, std::chrono::sys_seconds at = now) {
    const auto verified = auth::verify(token, keys, rules, at);
    return verified ? "ok" : std::string(auth::name_of(verified.error()));
}

/// The keys behind vectors::node::tokens.
inline auth::key_set node_keys() {
    auto keys = *auth::key_set::from_jwks(vectors::node::jwks);
    keys.add(*auth::key_set::from_secret(vectors::node::secret));
    return keys;
}

} // namespace tokens
