#pragma once

#include "base/utf8.hpp"
#include "ws/inflater.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ws {

/// Takes the frames of a client apart (RFC 6455 5), undoes masking and compression, and puts
/// messages together. A message that came in one piece is not copied. No I/O.
/// Owner: the socket. Thread: the shard's. Lifetime: the socket's.
class frame_reader {
public:
    enum class event {
        none, ///< all bytes are taken, and more are needed
        message,
        ping,
        pong,
        close,
        violation, ///< the connection must be closed with code(); nothing may be taken after it
    };

    /// `max_message`: of a message after inflating. `terms` nothing: no compression was agreed on.
    explicit frame_reader(std::size_t max_message,
                          const std::optional<deflate_terms>& terms = std::nullopt);

    /// Takes bytes from the front, which it changes, until there is something to tell. What it
    /// tells of, payload(), is valid until the next call, and as long as the bytes that were taken.
    event take(std::span<char>& bytes);

    /// Of a message, ping, pong or close.
    std::string_view payload() const { return payload_; }
    bool is_binary() const { return is_binary_; }

    /// Of a close: the peer's, 1005 where it gave none. Of a violation: 1002, 1007 or 1009.
    std::uint16_t code() const { return code_; }

    /// Frees what a message that has been dealt with took.
    void release();

private:
    bool take_header(std::span<char>& bytes);
    bool gather(std::span<char>& bytes, std::size_t wanted);
    bool check_start();
    bool read_length();
    void unmask(std::span<char> piece);
    event take_control(std::string_view piece);
    event take_data(std::string_view piece);
    event take_close();
    bool append(std::string_view piece);
    bool inflate(std::string_view piece, bool is_last);
    bool check_text(std::string_view more);
    bool violate(std::uint16_t code);

    std::size_t max_message_;
    std::optional<inflater> inflater_;

    // The frame under way.
    std::array<char, 14> header_{}; ///< the first header_size_ bytes of it
    std::uint8_t header_size_ = 0;
    std::uint8_t key_at_ = 0; ///< which byte of the key is for the next byte
    std::array<char, 4> key_{};
    bool in_payload_ = false;
    std::uint64_t left_ = 0; ///< of the payload
    std::string control_;    ///< payload of a control frame that came in pieces

    // The message under way.
    std::string message_;         ///< what has come of it in pieces, inflated
    std::uint64_t announced_ = 0; ///< bytes of its frames so far, not inflated
    base::utf8_check utf8_;
    bool in_message_ = false;
    bool is_binary_ = false;
    bool is_deflated_ = false;

    std::string_view payload_;
    std::uint16_t code_ = 0;
};

} // namespace ws
