#pragma once

#include "tests/chaos/faults.hpp"
#include "tests/chaos/world.hpp"

#include <string>

namespace chaos {

/// What a run has to tell beside what its world counted.
struct result {
    const chaos::faults& faults;
    std::size_t rows;
    std::size_t followers;
    std::size_t consumers; ///< 0: the run is to do without
    double caught_up_in;   ///< seconds
};

/// Prints all that was counted and found.
void report(const world& world, const result& result);

/// What should have happened and did not, so that the run proves nothing; empty when it does.
std::string missing(const world& world, const result& result);

} // namespace chaos
