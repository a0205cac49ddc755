#include "tests/bench/bare.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace bench {

namespace {

struct order {
    std::size_t rounds;
    std::size_t per_call;
    std::size_t payload; ///< bytes that follow
};

void transfer(ssize_t moved, std::size_t wanted) {
    if (moved != static_cast<ssize_t>(wanted))
        throw std::runtime_error("the bare loop's process is gone");
}

bool read_all(int from, void* to, std::size_t size) {
    auto* at = static_cast<char*>(to);
    while (size > 0) {
        const ssize_t got = read(from, at, size);
        if (got <= 0)
            return false;
        at += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

/// One call for all of `parts`, and more only where the kernel is full. Returns how many.
std::uint64_t write_all(int socket, std::vector<iovec> parts) {
    std::uint64_t calls = 0;
    auto first = parts.begin();
    while (first != parts.end()) {
        msghdr message{};
        message.msg_iov = &*first;
        message.msg_iovlen = static_cast<std::size_t>(parts.end() - first);
        ssize_t taken = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        ++calls;
        if (taken < 0) {
            if (errno != EAGAIN)
                return calls;
            pollfd full{socket, POLLOUT, 0};
            poll(&full, 1, -1);
            continue;
        }
        while (first != parts.end() && taken >= static_cast<ssize_t>(first->iov_len)) {
            taken -= static_cast<ssize_t>(first->iov_len);
            ++first;
        }
        if (first != parts.end()) {
            first->iov_base = static_cast<char*>(first->iov_base) + taken;
            first->iov_len -= static_cast<std::size_t>(taken);
        }
    }
    return calls;
}

std::string framed(std::string_view payload) {
    std::string frame = "\x81";
    if (payload.size() < 126) {
        frame.push_back(static_cast<char>(payload.size()));
    } else {
        frame.push_back(126);
        frame.push_back(static_cast<char>(payload.size() >> 8));
        frame.push_back(static_cast<char>(payload.size()));
    }
    return frame.append(payload);
}

[[noreturn]] void serve(int listener, std::size_t count, int from, int to) {
    std::vector<int> sockets;
    while (sockets.size() < count) {
        const int socket = accept(listener, nullptr, nullptr);
        if (socket < 0)
            _exit(1);
        const int on = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockets.push_back(socket);
    }
    order next{};
    while (read_all(from, &next, sizeof next)) {
        std::string payload(next.payload, '\0');
        if (!read_all(from, payload.data(), payload.size()))
            break;
        std::string frame = framed(payload);
        const std::vector<iovec> parts(next.per_call, iovec{frame.data(), frame.size()});
        const auto begun = std::chrono::steady_clock::now();
        bare_loop::result done{};
        for (std::size_t round = 0; round < next.rounds; ++round)
            for (const int socket : sockets)
                done.calls += write_all(socket, parts);
        done.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        if (write(to, &done, sizeof done) != sizeof done)
            break;
    }
    _exit(0);
}

} // namespace

bare_loop::bare_loop(std::size_t sockets) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int to[2];
    int from[2];
    if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), size) < 0 ||
        listen(listener, 4096) < 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) < 0 || pipe(to) < 0 ||
        pipe(from) < 0)
        throw std::runtime_error("the bare loop could not be set up");
    port_ = ntohs(address.sin_port);
    pid_ = fork();
    if (pid_ == 0) {
        close(to[1]);
        close(from[0]);
        serve(listener, sockets, to[0], from[1]);
    }
    close(listener);
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = from[0];
}

bare_loop::~bare_loop() {
    close(to_);
    close(from_);
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
}

void bare_loop::start(std::size_t rounds, std::size_t per_call, const std::string& payload) {
    const order next{rounds, per_call, payload.size()};
    transfer(write(to_, &next, sizeof next), sizeof next);
    transfer(write(to_, payload.data(), payload.size()), payload.size());
}

bare_loop::result bare_loop::take_answer() {
    result done{};
    if (!read_all(from_, &done, sizeof done))
        throw std::runtime_error("the bare loop's process is gone");
    return done;
}

} // namespace bench
