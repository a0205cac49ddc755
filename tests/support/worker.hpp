#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <stop_token>
#include <thread>
#include <utility>

namespace support {

/// A thread beside a test: it is asked to stop and waited for however the test goes on, and what it
/// throws is a failure. `work` takes a std::stop_token.
template <class Work>
std::jthread worker(Work work) {
    return std::jthread([work = std::move(work)](const std::stop_token& stop) {
        try {
            work(stop);
        } catch (const std::exception& error) {
            ADD_FAILURE() << "beside the test: " << error.what();
        }
    });
}

} // namespace support
