#pragma once

#include "base/frame.hpp"
#include "base/message.hpp"
#include "wire/encode.hpp"
#include "wire/frames.hpp"
#include "ws/text_frame.hpp"

#include <string>
#include <utility>

namespace app {

/// A message as the frame every subscriber's socket sends.
inline base::frame_ptr frame_of(const base::message_view& message) {
    std::string buffer = ws::start_frame(wire::room_for_message(message));
    wire::append_message(buffer, message);
    return ws::seal_frame(std::move(buffer), std::string(message.channel), message.seq);
}

/// A frame of any other kind; `append` writes its JSON text.
template <typename Append>
base::frame_ptr make_frame(Append append) {
    std::string buffer = ws::start_frame(128);
    append(buffer);
    return ws::seal_frame(std::move(buffer));
}

} // namespace app
