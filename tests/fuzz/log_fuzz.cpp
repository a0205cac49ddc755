#include "tests/support/log_model.hpp"

#include <cstdint>

/// Any sequence of commits, removals, failovers, late and failed pages, full outboxes and windows:
/// a broken promise is an exception that nobody catches.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    support::log_model({data, size}).run();
    return 0;
}
