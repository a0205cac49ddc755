#pragma once

#include <chrono>
#include <string>

namespace core {

/// A new random uuid (version 4) in its lower-case text form. Thread: any.
std::string make_uuid();

/// A new uuid that begins with the time (version 7, RFC 9562 5.7), as above. Ids that rise keep an
/// index on them small and quick to add to.
std::string make_uuid_at(std::chrono::system_clock::time_point now);

} // namespace core
