#include "core/tail.hpp"

#include <algorithm>

namespace core {

namespace {

/// What a frame costs besides its bytes: its block and the entries that point to it.
constexpr std::size_t overhead = 160;

std::size_t cost(const base::frame& frame) {
    return frame.bytes().size() + frame.channel().size() + overhead;
}

} // namespace

void tail::reset(base::seq floor) {
    frames_.clear();
    channels_.clear();
    floors_.clear();
    bytes_ = 0;
    floor_ = floor;
}

void tail::push(base::frame_ptr frame) {
    bytes_ += cost(*frame);
    auto found = channels_.find(std::string_view(frame->channel()));
    if (found == channels_.end()) {
        found = channels_.emplace(frame->channel(), log{}).first;
    }
    found->second.frames.push_back(frame);
    frames_.push_back(std::move(frame));
    while (bytes_ > max_bytes_ && !frames_.empty()) {
        drop_oldest();
    }
}

void tail::lacks(std::string_view channel, base::seq seq) {
    boost::unordered::erase_if(floors_, [this](const auto& each) { return each.second <= floor_; });
    base::seq& floor = floors_[std::string(channel)];
    floor = std::max(floor, seq);
}

base::seq tail::floor(std::string_view channel) const {
    const auto found = floors_.find(channel);
    return found == floors_.end() ? floor_ : std::max(floor_, found->second);
}

void tail::drop_oldest() {
    const base::frame_ptr oldest = std::move(frames_.front());
    frames_.pop_front();
    bytes_ -= cost(*oldest);
    floor_ = oldest->seq();

    const auto found = channels_.find(std::string_view(oldest->channel()));
    log& channel = found->second;
    channel.frames[channel.first++].reset();
    if (channel.first == channel.frames.size()) {
        channels_.erase(found);
    } else if (channel.first > 32 && channel.first * 2 > channel.frames.size()) {
        const auto gone = static_cast<std::ptrdiff_t>(channel.first);
        channel.frames.erase(channel.frames.begin(), channel.frames.begin() + gone);
        channel.first = 0;
    }
}

base::frame_ptr tail::next(std::string_view channel, base::seq after) const {
    const auto found = channels_.find(channel);
    if (found == channels_.end()) {
        return nullptr;
    }
    const log& log = found->second;
    const auto begin = log.frames.begin() + static_cast<std::ptrdiff_t>(log.first);
    const auto at = std::upper_bound(
        begin, log.frames.end(), after,
        [](base::seq seq, const base::frame_ptr& frame) { return seq < frame->seq(); });
    return at == log.frames.end() ? nullptr : *at;
}

} // namespace core
