#include "ws/send_queue.hpp"

#include "ws/text_frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace {

base::frame_ptr frame(std::string_view text) {
    std::string buffer = ws::start_frame(text.size());
    buffer += text;
    return ws::seal_frame(std::move(buffer));
}

std::string gathered(const ws::send_queue& queue) {
    std::string bytes;
    for (const auto& each : queue.gather())
        bytes.append(static_cast<const char*>(each.data()), each.size());
    return bytes;
}

TEST(TextFrame, JoinedFramesAreTheirBytesInOrder) {
    const std::vector<base::frame_ptr> three = {frame("a"), frame(std::string(200, 'b')),
                                                frame(std::string(70'000, 'c'))};
    const auto joined = ws::join_frames(three);
    std::string expected;
    for (const auto& each : three)
        expected += each->bytes();
    EXPECT_EQ(joined->bytes(), expected);
    EXPECT_EQ(joined->seq(), 0);
}

/// Frames as they are queued: what leaves is whole frames in their order.
class one_socket {
public:
    explicit one_socket(unsigned seed) : random_(seed) {}

    void queue_some() {
        std::vector<base::frame_ptr> made;
        for (std::size_t left = 1 + below(4); left > 0; --left) {
            const std::size_t size = below(8) == 0 ? 60'000 + below(10'000) : below(300);
            made.push_back(frame(std::string(size, static_cast<char>('a' + below(26)))));
            waiting_.emplace_back(made.back()->bytes());
        }
        queue_.append(made.size() == 1 ? made.front() : ws::join_frames(made));
    }

    void put_control() {
        if (queue_.has_control())
            return;
        control_ = std::string("\x8a", 1) + static_cast<char>(below(126));
        control_.append(static_cast<unsigned char>(control_[1]), 'p');
        queue_.put_control(control_, false);
    }

    void send_some() {
        const std::string bytes = gathered(queue_);
        const std::size_t step = below(3) == 0 ? bytes.size() : below(bytes.size() + 1);
        queue_.advance(step);
        sent_ += bytes.substr(0, step);
        match();
    }

    void check() const {
        std::size_t rest = 0;
        for (const auto& each : waiting_)
            rest += each.size();
        ASSERT_EQ(queue_.queued_bytes(), rest - (is_control() ? 0 : sent_.size()));
    }

    bool is_broken() const { return broken_; }
    std::size_t below(std::size_t end) { return random_() % end; }

private:
    bool is_control() const { return !sent_.empty() && sent_[0] == '\x8a'; }

    /// Takes whole frames off the front of what was sent.
    void match() {
        while (!sent_.empty()) {
            const bool control = is_control();
            const std::string& expected = control ? control_ : waiting_.front();
            const std::size_t both = std::min(expected.size(), sent_.size());
            broken_ = broken_ || sent_.compare(0, both, expected, 0, both) != 0;
            if (broken_ || sent_.size() < expected.size())
                return;
            sent_.erase(0, expected.size());
            if (!control)
                waiting_.pop_front();
        }
    }

    std::mt19937 random_;
    ws::send_queue queue_;
    std::deque<std::string> waiting_; ///< frames of which not all was sent
    std::string control_;
    std::string sent_; ///< of a frame that is not whole yet
    bool broken_ = false;
};

// A message is shared by everybody who gets it; a reply is one socket's alone.
TEST(SendQueue, RepliesCountWithTheMemoryTheyTake) {
    std::string buffer = ws::start_frame(5);
    buffer += "12345";
    const auto message = ws::seal_frame(std::move(buffer), "channel", 7);
    const auto reply = frame("1234567890");
    ws::send_queue queue;
    queue.append(message);
    EXPECT_EQ(queue.held_bytes(), queue.queued_bytes());
    queue.append(reply);
    queue.append(reply);
    const std::size_t each = (queue.held_bytes() - queue.queued_bytes()) / 2;
    EXPECT_GE(each, sizeof(base::frame) + sizeof(base::frame_ptr));
    queue.advance(message->bytes().size() + reply->bytes().size() + 1);
    EXPECT_EQ(queue.held_bytes(), queue.queued_bytes() + each);
    queue.advance(reply->bytes().size() - 1);
    EXPECT_EQ(queue.held_bytes(), 0U);
    queue.append(reply);
    queue.clear();
    EXPECT_EQ(queue.held_bytes(), 0U);
}

TEST(SendQueue, WhatLeavesIsWholeFramesInTheirOrder) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        one_socket socket(seed);
        for (int step = 0; step < 400; ++step) {
            const std::size_t what = socket.below(16);
            if (what < 6)
                socket.queue_some();
            else if (what == 6)
                socket.put_control();
            else
                socket.send_some();
            ASSERT_FALSE(socket.is_broken()) << seed << " " << step;
            ASSERT_NO_FATAL_FAILURE(socket.check()) << seed << " " << step;
        }
    }
}

} // namespace
