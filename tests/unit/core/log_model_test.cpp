#include "tests/support/log_model.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace {

/// tests/fuzz/log_fuzz.cpp drives the same model with bytes that a fuzzer chooses.
TEST(LogModel, RandomOperationsKeepThePromises) {
    for (unsigned seed = 0; seed < 3'000; ++seed) {
        std::mt19937 random(seed);
        std::vector<std::uint8_t> bytes(400);
        for (std::uint8_t& byte : bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        ASSERT_NO_THROW(support::log_model(bytes).run()) << "seed " << seed;
    }
}

} // namespace
