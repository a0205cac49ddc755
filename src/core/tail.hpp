#pragma once

#include "base/frame.hpp"
#include "base/seq.hpp"
#include "core/channel_hash.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace core {

/// The recent messages of one shard, all channels, within a number of bytes: whoever resumes within
/// it costs no query. Every message with seq > floor() that was handed on is here. Many come for
/// one that is asked for again, so to come is cheap: the channel isn't looked up.
/// Owner: app::shard. Thread: the shard's. Lifetime: the shard's.
class tail {
public:
    explicit tail(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    /// Everything up to `seq` is not here. Called when the log's position jumps (start, new log).
    void reset(base::seq floor);

    /// `frame` has a seq above all before it. Old frames go when the bytes exceed the maximum.
    void push(base::frame_ptr frame);

    /// Messages of the channel up to `seq` were removed from the table before they were handed on,
    /// so that here they are missing.
    void lacks(std::string_view channel, base::seq seq);

    base::seq floor() const { return floor_; }
    /// Every message of the channel with a seq above this one that was handed on is here.
    base::seq floor(std::string_view channel) const;
    std::size_t bytes() const { return bytes_; }
    /// How many channels have a floor of their own; for tests.
    std::size_t floors() const { return floors_.size(); }

    /// The channel's first message with a seq above `after`; null when there is none.
    /// Only meaningful for after >= floor(channel).
    base::frame_ptr next(std::string_view channel, base::seq after) const;

private:
    /// Frames that came one after the other, and where those of a channel are among them.
    struct segment {
        std::vector<base::frame_ptr> frames; ///< in order; those before `first` are gone
        /// Of each frame its channel's hash, and its place in the low bits. In the order of frames
        /// while there is room for more, then sorted.
        std::vector<std::uint64_t> index;
        std::size_t first = 0;

        bool full() const;
        /// The first frame of the channel at `from` or behind; null when there is none.
        base::frame_ptr find(std::string_view channel, std::size_t from) const;
    };

    void drop_oldest();

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    base::seq floor_ = 0;
    std::deque<segment> segments_; ///< none is empty, all but the last are full
    /// Higher floors of single channels. Few, as a rule; while old messages are removed from all
    /// channels and read, there is one for each, so the useless ones go once there are twice as
    /// many as were of use.
    boost::unordered_flat_map<std::string, base::seq, channel_hash, std::equal_to<>> floors_;
    static constexpr std::size_t least_to_sweep = 64;
    std::size_t sweep_at_ = least_to_sweep;
};

} // namespace core
