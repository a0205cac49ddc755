#pragma once

#include "base/frame.hpp"
#include "ws/net.hpp"

#include <boost/asio/buffer.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ws {

/// The buffers of one write, in the order of leaving.
struct batch {
    using value_type = asio::const_buffer;
    static constexpr std::size_t most = 64; ///< asio hands no more to one system call

    void add(std::string_view bytes) {
        buffers[count++] = asio::buffer(bytes);
        size += bytes.size();
    }
    const value_type* begin() const { return buffers.data(); }
    const value_type* end() const { return buffers.data() + count; }

    std::array<value_type, most> buffers;
    std::size_t count = 0;
    std::size_t size = 0;
};

/// What one socket still has to send, and in which order: shared data frames first in, first out,
/// and at most one control frame, which overtakes frames that have not begun to leave (joined ones
/// are one here). No I/O.
/// Owner: the outbox. Thread: the shard's. Lifetime: the outbox's.
class send_queue {
public:
    void append(base::frame_ptr frame);

    /// `is_last`: it doesn't overtake, but leaves behind all frames.
    void put_control(std::string bytes, bool is_last);
    bool has_control() const { return !control_.empty(); }

    batch gather() const;

    /// Lets go of what has left; true: the control frame has left with it.
    bool advance(std::size_t bytes);

    void clear();

    bool is_empty() const { return appended_ == sent_ && !has_control(); }
    std::size_t queued_bytes() const { return static_cast<std::size_t>(appended_ - sent_); }

    /// With what replies take in memory besides, which for a short one is nearly all. Messages are
    /// shared, and count by their bytes.
    std::size_t held_bytes() const { return queued_bytes() + replies_ * cost_of_reply; }

    std::uint64_t appended() const { return appended_; } ///< bytes of frames, ever
    std::uint64_t sent() const { return sent_; }         ///< of these, those that have left

private:
    /// A shared frame with a string's capacity, and a place here.
    static constexpr std::size_t cost_of_reply = 400;

    static bool is_reply(const base::frame& frame) { return frame.channel().empty(); }
    void drop_frames();
    std::size_t advance_frames(std::size_t bytes);
    std::size_t advance_control(std::size_t bytes);

    std::vector<base::frame_ptr> frames_; ///< those before first_ have left; no memory when idle
    std::size_t first_ = 0;
    std::size_t head_sent_ = 0; ///< bytes of the first frame that have left
    std::size_t replies_ = 0;   ///< of the frames that haven't left
    std::string control_;       ///< without what has left
    bool control_is_last_ = false;
    std::uint64_t appended_ = 0;
    std::uint64_t sent_ = 0;
};

} // namespace ws
