#include "core/backoff.hpp"

#include <algorithm>

namespace core {

backoff::milliseconds backoff::next(std::uint32_t random) {
    if (attempts_ == 0) {
        attempts_ = 1;
        return milliseconds(0);
    }
    const unsigned doublings = std::min(attempts_ - 1, 20U);
    const milliseconds whole = std::min(first_ * (std::int64_t{1} << doublings), ceiling_);
    attempts_ = std::min(attempts_ + 1, 30U);
    const std::int64_t half = whole.count() / 2;
    return milliseconds(half + static_cast<std::int64_t>(random) * (whole.count() - half) /
                                   std::int64_t{0xFFFFFFFF});
}

} // namespace core
