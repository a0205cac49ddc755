#include "core/tail.hpp"

#include <algorithm>

namespace core {

namespace {

/// What a frame costs besides its bytes: its block and the entries that point to it.
constexpr std::size_t overhead = 160;

std::size_t cost(const base::frame& frame) {
    return frame.bytes().size() + frame.channel().size() + overhead;
}

constexpr std::uint64_t places = 2'048; ///< in a segment; a power of two
constexpr std::uint64_t place = places - 1;

std::uint64_t hash_of(std::string_view channel) {
    return channel_hash{}(channel) & ~place;
}

} // namespace

bool tail::segment::full() const {
    return frames.size() == places;
}

base::frame_ptr tail::segment::find(std::string_view channel, std::size_t from) const {
    const std::uint64_t wanted = hash_of(channel);
    const auto is_it = [&](std::uint64_t entry) {
        return (entry & ~place) == wanted && frames[entry & place]->channel() == channel;
    };
    // Two channels may have the same hash.
    auto at = full() ? std::ranges::lower_bound(index, wanted | from)
                     : index.begin() + static_cast<std::ptrdiff_t>(from);
    while (at != index.end() && !is_it(*at)) {
        if (full() && (*at & ~place) != wanted) {
            return nullptr;
        }
        ++at;
    }
    return at == index.end() ? nullptr : frames[*at & place];
}

void tail::reset(base::seq floor) {
    segments_.clear();
    floors_.clear();
    sweep_at_ = least_to_sweep;
    bytes_ = 0;
    floor_ = floor;
}

void tail::push(base::frame_ptr frame) {
    bytes_ += cost(*frame);
    if (segments_.empty() || segments_.back().full()) {
        segments_.emplace_back();
    }
    segment& last = segments_.back();
    last.index.push_back(hash_of(frame->channel()) | last.frames.size());
    last.frames.push_back(std::move(frame));
    if (last.full()) {
        std::ranges::sort(last.index);
    }
    while (bytes_ > max_bytes_) {
        drop_oldest();
    }
}

void tail::lacks(std::string_view channel, base::seq seq) {
    if (seq <= floor_) {
        return;
    }
    if (floors_.size() >= sweep_at_) {
        boost::unordered::erase_if(floors_,
                                   [this](const auto& each) { return each.second <= floor_; });
        sweep_at_ = std::max(least_to_sweep, 2 * floors_.size());
    }
    base::seq& floor = floors_[std::string(channel)];
    floor = std::max(floor, seq);
}

base::seq tail::floor(std::string_view channel) const {
    const auto found = floors_.find(channel);
    return found == floors_.end() ? floor_ : std::max(floor_, found->second);
}

void tail::drop_oldest() {
    segment& from = segments_.front();
    const base::frame_ptr oldest = std::move(from.frames[from.first++]);
    bytes_ -= cost(*oldest);
    floor_ = oldest->seq();
    if (from.first == from.frames.size()) {
        segments_.pop_front();
    }
}

base::frame_ptr tail::next(std::string_view channel, base::seq after) const {
    auto at = std::ranges::partition_point(
        segments_, [&](const segment& each) { return each.frames.back()->seq() <= after; });
    if (at == segments_.end()) {
        return nullptr;
    }
    const auto begin = at->frames.begin() + static_cast<std::ptrdiff_t>(at->first);
    const auto first = std::partition_point(
        begin, at->frames.end(), [&](const auto& frame) { return frame->seq() <= after; });
    auto from = static_cast<std::size_t>(first - at->frames.begin());
    for (; at != segments_.end(); ++at, from = 0) {
        if (auto found = at->find(channel, from)) {
            return found;
        }
    }
    return nullptr;
}

} // namespace core
