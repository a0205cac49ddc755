#include "ws/send_queue.hpp"

#include "ws/text_frame.hpp"

#include <algorithm>

namespace ws {
namespace {

/// From this many places on, those of frames that have left are worth taking back.
constexpr std::size_t worth_closing_up = 64;

/// Where a second frame comes in one turn, there are often more.
constexpr std::size_t usual_burst = 16;

} // namespace

void send_queue::append(base::frame_ptr frame) {
    appended_ += frame->bytes().size();
    replies_ += is_reply(*frame) ? 1 : 0;
    if (first_ > worth_closing_up && first_ > frames_.size() / 2) {
        frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    if (frames_.size() == 1)
        frames_.reserve(usual_burst);
    frames_.push_back(std::move(frame));
}

void send_queue::put_control(std::string bytes, bool is_last) {
    control_ = std::move(bytes);
    control_is_last_ = is_last;
}

batch send_queue::gather() const {
    batch out;
    std::size_t next = first_;
    if (head_sent_ > 0)
        out.add(frames_[next++]->bytes().substr(head_sent_));
    if (has_control() && !control_is_last_)
        out.add(control_);
    for (; next < frames_.size() && out.count < batch::most; ++next)
        out.add(frames_[next]->bytes());
    if (has_control() && control_is_last_ && out.count < batch::most)
        out.add(control_);
    return out;
}

bool send_queue::advance(std::size_t bytes) {
    // The order is that of gather().
    const bool had_control = has_control();
    if (head_sent_ > 0) {
        const std::size_t step = std::min(frames_[first_]->bytes().size() - head_sent_, bytes);
        advance_frames(step);
        bytes -= step;
    }
    if (head_sent_ == 0 && !control_is_last_)
        bytes = advance_control(bytes);
    bytes = advance_frames(bytes);
    if (first_ == frames_.size()) {
        advance_control(bytes);
        drop_frames();
    }
    return had_control && !has_control();
}

std::size_t send_queue::advance_frames(std::size_t bytes) {
    while (bytes > 0 && first_ < frames_.size()) {
        const std::size_t rest = frames_[first_]->bytes().size() - head_sent_;
        const std::size_t step = std::min(rest, bytes);
        bytes -= step;
        sent_ += step;
        head_sent_ += step;
        if (step == rest) {
            replies_ -= is_reply(*frames_[first_]) ? 1 : 0;
            frames_[first_++].reset();
            head_sent_ = 0;
        }
    }
    return bytes;
}

std::size_t send_queue::advance_control(std::size_t bytes) {
    const std::size_t step = std::min(control_.size(), bytes);
    if (step == control_.size())
        std::string().swap(control_); // an idle socket holds nothing
    else
        control_.erase(0, step);
    return bytes - step;
}

void send_queue::clear() {
    drop_frames();
    appended_ = sent_;
    control_ = {};
}

/// An idle socket holds no memory for them.
void send_queue::drop_frames() {
    std::vector<base::frame_ptr>().swap(frames_);
    first_ = 0;
    head_sent_ = 0;
    replies_ = 0;
}

} // namespace ws
