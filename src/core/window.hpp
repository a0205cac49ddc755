#pragma once

#include "base/seq.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace core {

/// What a consumer has been given and has not acknowledged: at most so many messages.
/// Owner: a subscription. Thread: the shard's. Lifetime: the subscription's.
class window {
public:
    /// The consumer has acknowledged everything up to `acked`.
    window(std::uint32_t most, base::seq acked) : most_(most), acked_(acked) {}

    std::size_t room() const { return most_ - sent_.size(); }
    base::seq acked() const { return acked_; }

    /// `seq` is above all before it; there must be room.
    void sent(base::seq seq) { sent_.push_back(seq); }

    /// Everything up to `seq` is acknowledged.
    void ack(base::seq seq) {
        acked_ = std::max(acked_, seq);
        while (!sent_.empty() && sent_.front() <= seq) {
            sent_.pop_front();
        }
    }

    /// The log goes on after `seq`, and what it had from there to `upto`, the cursor, is lost:
    /// nobody has to acknowledge it any more.
    void lose_after(base::seq seq, base::seq upto) {
        while (!sent_.empty() && sent_.back() > seq) {
            sent_.pop_back();
        }
        acked_ = std::min(acked_, seq);
        kept_upto_ = seq;
        lost_upto_ = std::max(lost_upto_, upto);
    }
    /// An acknowledgement that was under way while its messages were lost can be up to here...
    base::seq lost_upto() const { return lost_upto_; }
    /// ... and says that everything up to here is done.
    base::seq kept_upto() const { return kept_upto_; }

    /// As lose_after(), where the consumer goes on at `head` whatever it has acknowledged.
    void restart_at(base::seq head, base::seq upto) {
        lose_after(head, upto);
        ack(head);
    }

private:
    std::size_t most_;
    base::seq acked_;
    base::seq kept_upto_ = 0;
    base::seq lost_upto_ = 0;
    std::deque<base::seq> sent_;
};

} // namespace core
