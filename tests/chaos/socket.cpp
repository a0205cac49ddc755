#include "tests/chaos/socket.hpp"

#include "tests/support/ws_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chaos {

namespace {

using steady = std::chrono::steady_clock;
constexpr std::chrono::seconds send_patience{6};

constexpr unsigned op_text = 1;
constexpr unsigned op_close = 8;
constexpr unsigned op_ping = 9;
constexpr unsigned op_pong = 10;

} // namespace

bool socket::wait_for(short events, time_point deadline) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady::now());
    pollfd one{fd_, events, 0};
    return ::poll(&one, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) > 0;
}

int socket::open(std::uint16_t port, int receive_buffer, std::chrono::milliseconds wait) {
    abort();
    close_code_ = 0;
    const auto deadline = steady::now() + wait;
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        return 0;
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_buffer > 0) {
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        int error = errno;
        socklen_t size = sizeof error;
        if (error != EINPROGRESS || !wait_for(POLLOUT, deadline) ||
            ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            abort();
            return 0;
        }
    }
    if (!send_bytes(support::plain_handshake())) {
        return 0;
    }
    bool ended = false;
    while (in_.find("\r\n\r\n") == std::string::npos) {
        if (!receive(deadline, ended)) {
            abort();
            return 0;
        }
    }
    // "HTTP/1.1 101 Switching Protocols"
    const int status = in_.size() > 12 ? std::atoi(in_.c_str() + 9) : 0;
    in_.erase(0, in_.find("\r\n\r\n") + 4);
    if (status != 101) {
        abort();
    }
    return status;
}

bool socket::send(std::string_view text) {
    return send_bytes(support::client_frame(op_text, text));
}

bool socket::send_bytes(std::string_view bytes) {
    const auto deadline = steady::now() + send_patience;
    while (fd_ >= 0 && !bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN || !wait_for(POLLOUT, deadline)) {
            abort();
        }
    }
    return fd_ >= 0;
}

/// More bytes into the buffer; false: none in time, or the end.
bool socket::receive(time_point deadline, bool& ended) {
    std::array<char, 64 * 1024> chunk;
    while (fd_ >= 0) {
        const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
        if (got > 0) {
            in_.append(chunk.data(), static_cast<std::size_t>(got));
            return true;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            ended = true;
            return false;
        }
        if (!wait_for(POLLIN, deadline)) {
            return false;
        }
    }
    ended = true;
    return false;
}

/// The first whole frame of the buffer, which the server doesn't mask.
bool socket::take_frame(unsigned& opcode, bool& final, std::string& payload) {
    const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(in_[at_ + i]); };
    const std::size_t have = in_.size() - at_;
    if (have < 2) {
        return false;
    }
    const unsigned short_length = byte(1) & 0x7fU;
    const std::size_t extra = short_length < 126 ? 0 : short_length == 126 ? 2 : 8;
    if (have < 2 + extra) {
        return false;
    }
    std::uint64_t length = extra == 0 ? short_length : 0;
    for (std::size_t i = 0; i < extra; ++i) {
        length = length << 8 | byte(2 + i);
    }
    if (have - 2 - extra < length) {
        return false;
    }
    final = (byte(0) & 0x80U) != 0;
    opcode = byte(0) & 0x0fU;
    payload.assign(in_, at_ + 2 + extra, length);
    at_ += 2 + extra + length;
    if (at_ == in_.size()) {
        in_.clear();
        at_ = 0;
    } else if (at_ > 256 * 1024) {
        in_.erase(0, at_);
        at_ = 0;
    }
    return true;
}

socket::result socket::read(std::string& text, time_point deadline) {
    while (fd_ >= 0) {
        unsigned opcode = 0;
        bool final = false;
        if (!take_frame(opcode, final, text)) {
            bool ended = false;
            if (!receive(deadline, ended)) {
                if (!ended) {
                    return result::nothing;
                }
                abort();
            }
            continue;
        }
        if (opcode == op_ping) {
            send_bytes(support::client_frame(op_pong, text));
        } else if (opcode == op_close) {
            if (text.size() >= 2) {
                close_code_ =
                    static_cast<unsigned char>(text[0]) * 256 + static_cast<unsigned char>(text[1]);
            }
            send_bytes(support::client_frame(op_close, text.substr(0, 2)));
            end();
        } else if (opcode < op_close) {
            if (final && partial_.empty()) {
                return result::frame;
            }
            partial_ += text;
            if (final) {
                text = std::move(partial_);
                partial_.clear();
                return result::frame;
            }
        }
    }
    return result::ended;
}

void socket::close(std::chrono::milliseconds wait) {
    const auto deadline = steady::now() + wait;
    send_bytes(support::client_frame(op_close, std::string_view("\x03\xe8", 2)));
    std::string dropped;
    while (read(dropped, deadline) == result::frame) {
    }
    end();
}

void socket::abort() {
    if (fd_ >= 0) {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    end();
}

void socket::end() {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
    in_.clear();
    at_ = 0;
    partial_.clear();
}

} // namespace chaos
