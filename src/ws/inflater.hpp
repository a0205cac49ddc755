#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace ws {

/// What a handshake agreed on for messages from the client (RFC 7692). Whatever window it names,
/// one of 32 KiB reads it.
struct deflate_terms {
    bool keeps_window = true; ///< a message may refer to those before it, in the same stream
};

/// Inflates a client's messages. Takes 40 KiB, a window of 32 among them, from the first one on
/// that is compressed. No I/O. Owner: the frame_reader. Thread: the shard's. Lifetime: the
/// socket's.
class inflater {
public:
    enum class outcome {
        fine,
        broken,    ///< not deflate
        too_large, ///< `most` bytes have been written, and there is more
    };

    explicit inflater(const deflate_terms& terms);
    inflater(inflater&&) noexcept;
    ~inflater();

    /// Appends what the next piece of a message inflates to, while `to` has at most `most` bytes.
    outcome append(std::string_view piece, std::string& to, std::size_t most);

    /// The same for the end of the message, which isn't sent (RFC 7692 7.2.2).
    outcome finish(std::string& to, std::size_t most);

private:
    struct state;

    deflate_terms terms_;
    std::unique_ptr<state> state_; ///< from the first message on that needs it
};

} // namespace ws
