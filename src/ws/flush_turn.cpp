#include "ws/flush_turn.hpp"

#include "ws/outbox.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace ws {
namespace {

/// Outboxes written in one go (2 to 3 ms); then reads, timers and other channels get their chance.
constexpr std::size_t chunk = 256;

/// More than this is a peak whose memory is given back.
constexpr std::size_t keep_capacity = 4096;

} // namespace

flush_turn::flush_turn(asio::io_context& context) : context_(context) {}

void flush_turn::mark(std::shared_ptr<outbox_core> outbox) {
    dirty_.push_back(std::move(outbox));
    post_flush();
}

void flush_turn::post_flush() {
    if (posted_)
        return;
    posted_ = true;
    asio::post(context_, [this] { flush(); });
}

void flush_turn::flush() {
    posted_ = false;
    // What pump() marks again waits for the next turn, so an endless outbox can't hold this one.
    const std::size_t end = std::min(next_ + chunk, dirty_.size());
    while (next_ < end) {
        const auto outbox = std::move(dirty_[next_++]);
        outbox->pump();
    }
    if (next_ < dirty_.size()) {
        post_flush();
        return;
    }
    next_ = 0;
    dirty_.clear();
    if (dirty_.capacity() > keep_capacity)
        dirty_.shrink_to_fit();
}

} // namespace ws
