// Any bytes as a token, as the header or the payload of a token that is signed well, as a JWK Set,
// as a PEM text and as a pattern. Nobody has the private keys any more, so a token that is accepted
// must be one that its maker signed.

#include "auth/access.hpp"
#include "auth/key.hpp"
#include "auth/token.hpp"
#include "tests/unit/auth/pattern_model.hpp"
#include "tests/unit/auth/tokens.hpp"
#include "tests/unit/auth/vectors.hpp"
#include "json/reader.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void require(bool holds) {
    if (!holds)
        std::abort();
}

/// Keys with ids, without, and a secret.
const auth::key_set& known_keys() {
    static const auto keys = [] {
        auto out = *auth::key_set::from_jwks(vectors::node::jwks);
        out.add(*auth::key_set::from_jwks(vectors::jose::jwks));
        out.add(*auth::key_set::from_secret(vectors::node::secret));
        return out;
    }();
    return keys;
}

std::string_view signed_part(std::string_view token) {
    return token.substr(0, token.rfind('.'));
}

bool was_signed(std::string_view token) {
    const auto same = [token](const vectors::token& made) {
        return signed_part(made.text) == signed_part(token);
    };
    return std::ranges::any_of(vectors::node::tokens, same) ||
           std::ranges::any_of(vectors::jose::tokens, same);
}

void check_token(std::string_view token) {
    const auth::token_rules rules;
    const auto claims = auth::verify(token, known_keys(), rules, tokens::now);
    if (claims)
        require(was_signed(token) && token.size() <= rules.max_bytes);
    else
        require(!auth::explain(claims.error()).empty());
    require(!auth::verify(token, {}, rules, tokens::now));
}

void check_header(std::string_view header) {
    const auth::token_rules rules;
    if (!auth::verify(tokens::sign(header, "{}"), tokens::secret_set(), rules, tokens::now))
        return;
    const auto parsed = json::parse_object(header);
    require(parsed && parsed->find("alg")->text == "HS256" && parsed->find("crit") == nullptr);
}

void check_patterns(const std::vector<auth::pattern>& patterns) {
    require(patterns.size() <= 256);
    for (const auto& pattern : patterns)
        require(pattern.text().size() <= 255);
}

void check_payload(std::string_view payload) {
    auto rules = tokens::rules_with(&auth::token_rules::role_claim, "role");
    const auto token = tokens::with_claims(payload);
    const auto claims = auth::verify(token, tokens::secret_set(), rules, tokens::now);
    if (claims) {
        require(bool(json::parse_object(payload, {.keys = 256})));
        require(claims->json == payload && claims->subject.size() <= 255);
        require(std::ranges::none_of(claims->subject, [](unsigned char c) { return c < 0x20; }));
        if (claims->expires) {
            require(tokens::now < *claims->expires + rules.leeway);
            require(*claims->expires < std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1));
        }
        check_patterns(claims->granted.subscribe);
        check_patterns(claims->granted.publish);
        const auth::holder holder{.subject = claims->subject, .granted = claims->granted};
        const auto access = auth::decide({}, auth::verb::subscribe, claims->subject, &holder);
        require(access != auth::access::needs_token);
    }
    // Who is refused isn't accepted by asking for more.
    rules.issuer = "i";
    rules.audience = {"a", "b"};
    require(claims || !auth::verify(token, tokens::secret_set(), rules, tokens::now));
}

void check_keys(const boost::system::result<auth::key_set, auth::key_problem>& made) {
    if (!made) {
        require(!made.error().reason.empty());
        return;
    }
    require(!made->empty() && made->keys().size() <= 100);
    for (const auto& key : made->keys()) {
        require(!key->fits(auth::algorithm::hs256) && !key->fits(auth::algorithm::hs384) &&
                !key->fits(auth::algorithm::hs512));
        const int types = (key->fits(auth::algorithm::rs256) || key->fits(auth::algorithm::rs384) ||
                           key->fits(auth::algorithm::rs512)) +
                          key->fits(auth::algorithm::es256) + key->fits(auth::algorithm::es384) +
                          key->fits(auth::algorithm::eddsa);
        require(types == 1);
    }
    const auto& first = *made->keys().front();
    for (const auto& token : vectors::node::tokens)
        (void)first.verifies(*auth::algorithm_named(token.algorithm), signed_part(token.text),
                             std::string(64, '\x01'));
}

/// Pattern, channel and subject, a line each.
void check_pattern(std::string_view text) {
    const auto line = [&text](std::size_t most) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto out = text.substr(0, std::min(end, most));
        text.remove_prefix(std::min(end + 1, text.size()));
        return out;
    };
    const auto pattern = line(1'000);
    const auto channel = line(255);
    const auto subject = line(255);
    require(auth::pattern(std::string(pattern)).matches(channel, subject) ==
            pattern_model::matches(pattern, channel, subject));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    switch (bytes[0] % 6) {
    case 0:
        check_token(text);
        break;
    case 1:
        check_header(text);
        break;
    case 2:
        check_payload(text);
        break;
    case 3:
        check_keys(auth::key_set::from_jwks(text));
        break;
    case 4:
        check_keys(auth::key_set::from_pem(text));
        break;
    case 5:
        check_pattern(text);
        break;
    }
    require(ERR_peek_error() == 0);
    return 0;
}
