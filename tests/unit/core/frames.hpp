#pragma once

#include "base/frame.hpp"

#include <memory>
#include <string>
#include <utility>

namespace core_test {

inline base::frame_ptr frame(std::string channel, base::seq seq, std::size_t bytes = 10) {
    return std::make_shared<base::frame>(std::string(bytes, 'x'), 0, std::move(channel), seq);
}

} // namespace core_test
