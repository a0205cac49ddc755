#include "auth/algorithm.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace auth {

namespace {

constexpr std::array<std::pair<algorithm, std::string_view>, 9> names{{
    {algorithm::hs256, "HS256"},
    {algorithm::hs384, "HS384"},
    {algorithm::hs512, "HS512"},
    {algorithm::rs256, "RS256"},
    {algorithm::rs384, "RS384"},
    {algorithm::rs512, "RS512"},
    {algorithm::es256, "ES256"},
    {algorithm::es384, "ES384"},
    {algorithm::eddsa, "EdDSA"},
}};

} // namespace

std::string_view name_of(algorithm which) {
    return std::ranges::find(names, which, [](const auto& row) { return row.first; })->second;
}

std::optional<algorithm> algorithm_named(std::string_view name) {
    const auto* const found =
        std::ranges::find(names, name, [](const auto& row) { return row.second; });
    return found == names.end() ? std::nullopt : std::optional(found->first);
}

} // namespace auth
