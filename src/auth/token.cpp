#include "auth/token.hpp"

#include "auth/base64url.hpp"
#include "auth/claims.hpp"
#include "auth/key.hpp"
#include "json/reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace auth {

namespace {

/// A token's text, cut at its dots.
/// Lifetime: the token's.
struct parts {
    std::string_view header;
    std::string_view payload;
    std::string_view signature;
    std::string_view signed_text; ///< header and payload with the dot between them
};

struct header {
    auth::algorithm algorithm;
    std::optional<std::string> key_id;
};

std::optional<parts> cut(std::string_view token) {
    const auto first = token.find('.');
    const auto second = first == token.npos ? first : token.find('.', first + 1);
    if (second == token.npos || token.find('.', second + 1) != token.npos)
        return std::nullopt;
    return parts{.header = token.substr(0, first),
                 .payload = token.substr(first + 1, second - first - 1),
                 .signature = token.substr(second + 1),
                 .signed_text = token.substr(0, second)};
}

/// Keys or addresses of keys that a header brings along are never looked at.
boost::system::result<header, token_error> read_header(std::string_view text,
                                                       const token_rules& rules) {
    const auto json = decode_base64url(text);
    if (!json)
        return token_error::malformed;
    const auto parsed = json::parse_object(*json);
    // What `crit` names must be understood, and nothing of that kind is.
    if (!parsed || parsed->find("crit") != nullptr)
        return token_error::malformed;
    const auto* const name = parsed->find("alg");
    const auto* const id = parsed->find("kid");
    if (name == nullptr || name->kind != json::kind::string ||
        (id != nullptr && id->kind != json::kind::string))
        return token_error::malformed;
    const auto algorithm = algorithm_named(name->text);
    if (!algorithm ||
        (!rules.algorithms.empty() && std::ranges::count(rules.algorithms, *algorithm) == 0))
        return token_error::algorithm;
    return header{*algorithm, id == nullptr ? std::nullopt : std::optional(id->text)};
}

/// Nothing when one of the keys made the signature.
std::optional<token_error> check_signature(const header& header, std::string_view text,
                                           std::string_view signature, const key_set& keys) {
    bool tried = false;
    bool knows_id = !header.key_id;
    bool has_ids = false;
    for (const auto& key : keys.keys()) {
        has_ids |= key->id().has_value();
        if (!key->fits(header.algorithm) ||
            (header.key_id && key->id() && key->id() != header.key_id))
            continue;
        if (key->verifies(header.algorithm, text, signature))
            return std::nullopt;
        tried = true;
        knows_id |= key->id().has_value();
    }
    // Only keys without an id were tried: where others have one, the token's own may be missing.
    const bool may_be_missing = has_ids && !knows_id;
    return tried && !may_be_missing ? token_error::signature : token_error::unknown_key;
}

struct description {
    token_error why;
    std::string_view name;
    std::string_view sentence;
};

constexpr std::array<description, 9> descriptions{{
    {token_error::too_large, "too_large", "The token is longer than this server takes."},
    {token_error::malformed, "malformed", "The token is no JWT, or a claim is of the wrong type."},
    {token_error::algorithm, "algorithm",
     "The token is not signed, or with an algorithm that this server does not accept."},
    {token_error::unknown_key, "unknown_key",
     "This server has no key that could verify the token."},
    {token_error::signature, "signature", "The token's signature is wrong."},
    {token_error::expired, "expired", "The token has expired."},
    {token_error::not_yet, "not_yet", "The token is not valid yet."},
    {token_error::issuer, "issuer", "The token is not of an issuer that this server accepts."},
    {token_error::audience, "audience", "The token is not meant for this server."},
}};

const description& describe(token_error why) {
    return *std::ranges::find(descriptions, why, &description::why);
}

} // namespace

std::string_view name_of(token_error why) {
    return describe(why).name;
}

std::string_view explain(token_error why) {
    return describe(why).sentence;
}

boost::system::result<claims, token_error> verify(std::string_view token, const key_set& keys,
                                                  const token_rules& rules,
                                                  std::chrono::sys_seconds now) {
    if (token.size() > rules.max_bytes)
        return token_error::too_large;
    const auto parts = cut(token);
    if (!parts)
        return token_error::malformed;
    const auto header = read_header(parts->header, rules);
    if (!header)
        return header.error();
    const auto signature = decode_base64url(parts->signature);
    if (!signature)
        return token_error::malformed;
    if (const auto why = check_signature(*header, parts->signed_text, *signature, keys))
        return *why;
    auto payload = decode_base64url(parts->payload);
    if (!payload)
        return token_error::malformed;
    return read_claims(std::move(*payload), rules, now);
}

} // namespace auth
