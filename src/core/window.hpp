#pragma once

#include "base/seq.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>

namespace core {

/// What a consumer has been given and has not acknowledged: at most so many messages.
/// Owner: a subscription. Thread: the shard's. Lifetime: the subscription's.
class window {
public:
    explicit window(std::uint32_t most) : most_(most) {}

    std::size_t room() const { return most_ - sent_.size(); }

    /// `seq` is above all before it; there must be room.
    void sent(base::seq seq) { sent_.push_back(seq); }

    /// Everything up to `seq` is acknowledged.
    void ack(base::seq seq) {
        while (!sent_.empty() && sent_.front() <= seq) {
            sent_.pop_front();
        }
    }

    void clear() { sent_.clear(); }

private:
    std::size_t most_;
    std::deque<base::seq> sent_;
};

} // namespace core
