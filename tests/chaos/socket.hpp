#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace chaos {

/// One WebSocket whose failures are values, since here they are the rule. Descriptors are closed on
/// exec: a daemon started meanwhile must not keep a socket open that its client has reset.
/// Owner: a client. Thread: the client's.
class socket {
public:
    using time_point = std::chrono::steady_clock::time_point;

    socket() = default;
    ~socket() { abort(); }
    socket(const socket&) = delete;
    socket& operator=(const socket&) = delete;

    /// Connects and shakes hands. The HTTP status of the answer: 101 is open, 0 is none.
    int open(std::uint16_t port, int receive_buffer, std::chrono::milliseconds wait);

    /// False: it didn't leave in time, or the socket is dead.
    bool send(std::string_view text);

    enum class result { frame, nothing, ended };
    /// The next message into `text`. Answers pings.
    result read(std::string& text, time_point deadline);
    /// What the server's close frame said; 0: none came.
    int close_code() const { return close_code_; }

    /// The closing handshake, for at most `wait`; what comes meanwhile is dropped.
    void close(std::chrono::milliseconds wait);
    /// Resets the connection.
    void abort();

private:
    bool send_bytes(std::string_view bytes);
    bool wait_for(short events, time_point deadline) const;
    bool receive(time_point deadline, bool& ended);
    bool take_frame(unsigned& opcode, bool& final, std::string& payload);
    void end();

    int fd_ = -1;
    std::string in_;
    std::size_t at_ = 0;
    std::string partial_; ///< of a message in several frames
    int close_code_ = 0;
};

} // namespace chaos
