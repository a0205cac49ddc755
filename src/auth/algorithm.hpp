#pragma once

#include <optional>
#include <string_view>

namespace auth {

/// The signatures a token may have (RFC 7518, RFC 8037). There is no "none".
enum class algorithm { hs256, hs384, hs512, rs256, rs384, rs512, es256, es384, eddsa };

/// As it stands in a token's header: "HS256", ..., "EdDSA".
std::string_view name_of(algorithm which);

/// Nothing for any other text; names are case-sensitive.
std::optional<algorithm> algorithm_named(std::string_view name);

} // namespace auth
