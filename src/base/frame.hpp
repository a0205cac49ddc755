#pragma once

#include "base/seq.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace base {

/// One frame ready for a socket: the WebSocket header and the JSON text behind it, built once and
/// shared by every socket that sends it.
/// Owner: shared. Thread: any, it never changes. Lifetime: until the last outbox and tail let go.
class frame {
public:
    /// `bytes` from `begin` on are what goes out. `channel` and `seq` are those of the message, or
    /// empty and 0 for a frame that is no message.
    frame(std::string bytes, std::size_t begin, std::string channel = {}, base::seq number = 0)
        : bytes_(std::move(bytes)),
          channel_(std::move(channel)),
          begin_(begin),
          seq_(number) {}

    std::string_view bytes() const { return std::string_view(bytes_).substr(begin_); }
    const std::string& channel() const { return channel_; }
    base::seq seq() const { return seq_; }

private:
    std::string bytes_;
    std::string channel_;
    std::size_t begin_;
    base::seq seq_;
};

using frame_ptr = std::shared_ptr<const frame>;

/// Messages of one channel that came together, in order.
struct frame_run {
    std::span<const frame_ptr> frames;
    frame_ptr joined; ///< all of them in one piece, for whoever takes them all; may be null
};

} // namespace base
