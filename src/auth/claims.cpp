#include "auth/claims.hpp"

#include "auth/numeric_date.hpp"
#include "json/reader.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

namespace {

constexpr json::limits payload_limits{.keys = 256};
constexpr json::limits list_limits{.keys = 256}; ///< an audience, or a verb's patterns
constexpr std::size_t most_bytes = 255;          ///< of a subject or a pattern

/// U+0000..1F and U+007F..9F, in valid UTF-8.
bool has_control_character(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0)
            return true;
    }
    return false;
}

/// Reads claims and remembers whether one was not what it has to be. A claim that isn't there is
/// empty.
/// Lifetime: the payload's.
class claim_reader {
public:
    explicit claim_reader(const json::object& payload) : payload_(payload) {}

    bool malformed() const { return malformed_; }

    std::string text(std::string_view name) {
        const auto* const claim = payload_.find(name);
        if (claim == nullptr)
            return {};
        malformed_ |= claim->kind != json::kind::string;
        return claim->text;
    }

    std::string subject() {
        auto out = text("sub");
        malformed_ |= out.size() > most_bytes || has_control_character(out);
        return out;
    }

    std::optional<std::chrono::sys_seconds> date(std::string_view name) {
        const auto* const claim = payload_.find(name);
        if (claim == nullptr)
            return std::nullopt;
        if (claim->kind != json::kind::number) {
            malformed_ = true;
            return std::nullopt;
        }
        return to_date(claim->raw);
    }

    std::vector<std::string> audience() {
        const auto* const claim = payload_.find("aud");
        if (claim == nullptr)
            return {};
        if (claim->kind == json::kind::string)
            return {claim->text};
        return strings(*claim);
    }

    auth::grants grants(std::string_view name) {
        const auto* const claim = payload_.find(name);
        if (claim == nullptr)
            return {};
        const auto verbs = json::parse_object(claim->raw);
        if (!verbs) {
            malformed_ = true;
            return {};
        }
        return {.subscribe = patterns(*verbs, "subscribe"), .publish = patterns(*verbs, "publish")};
    }

private:
    std::vector<std::string> strings(const json::member& member) {
        auto list = json::parse_array(member.raw, list_limits);
        if (!list) {
            malformed_ = true;
            return {};
        }
        std::vector<std::string> out;
        out.reserve(list->size());
        for (json::member& one : *list) {
            malformed_ |= one.kind != json::kind::string;
            out.push_back(std::move(one.text));
        }
        return out;
    }

    std::vector<pattern> patterns(const json::object& verbs, std::string_view name) {
        const auto* const member = verbs.find(name);
        if (member == nullptr)
            return {};
        std::vector<pattern> out;
        for (std::string& one : strings(*member)) {
            malformed_ |= one.size() > most_bytes;
            out.emplace_back(std::move(one));
        }
        return out;
    }

    const json::object& payload_;
    bool malformed_ = false;
};

bool is_among(const std::vector<std::string>& audience, const std::vector<std::string>& accepted) {
    return std::ranges::find_first_of(audience, accepted) != audience.end();
}

} // namespace

boost::system::result<claims, token_error>
read_claims(std::string payload, const token_rules& rules, std::chrono::sys_seconds now) {
    const auto parsed = json::parse_object(payload, payload_limits);
    if (!parsed)
        return token_error::malformed;
    claim_reader read(*parsed);
    const auto expires = read.date("exp");
    const auto begins = read.date("nbf");
    (void)read.date("iat");
    const auto issuer = read.text("iss");
    const auto audience = read.audience();
    claims out;
    out.subject = read.subject();
    if (!rules.role_claim.empty())
        out.role = read.text(rules.role_claim);
    out.expires = expires;
    out.granted = read.grants(rules.grants_claim);

    if (read.malformed())
        return token_error::malformed;
    if (expires && now >= *expires + rules.leeway)
        return token_error::expired;
    if (begins && now + rules.leeway < *begins)
        return token_error::not_yet;
    if (!rules.issuer.empty() && issuer != rules.issuer)
        return token_error::issuer;
    if (!rules.audience.empty() && !is_among(audience, rules.audience))
        return token_error::audience;
    out.json = std::move(payload);
    return out;
}

void read_grants_again(claims& of, const token_rules& rules) {
    of.role.clear();
    of.granted = {};
    const auto parsed = json::parse_object(of.json, payload_limits);
    if (!parsed)
        return;
    claim_reader read(*parsed);
    auto role = rules.role_claim.empty() ? std::string() : read.text(rules.role_claim);
    auto granted = read.grants(rules.grants_claim);
    if (read.malformed())
        return;
    of.role = std::move(role);
    of.granted = std::move(granted);
}

} // namespace auth
