#pragma once

#include <cstdint>

namespace base {

/// A message's number in commit order: whole database, rising, with holes. Only ever compared.
/// The first message has a seq above 0, so 0 stands before every message.
using seq = std::int64_t;

} // namespace base
