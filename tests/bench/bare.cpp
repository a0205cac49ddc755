#include "tests/bench/bare.hpp"

#include "tests/support/certificate.hpp"

#include <openssl/ssl.h>

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

struct command {
    std::size_t rounds;
    std::size_t per_call; ///< 0: rounds are frames, each to another socket
    std::size_t payload;  ///< bytes that follow
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

SSL_CTX* make_context() {
    const auto made = support::make_certificate("localhost");
    SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
    const support::detail::bio certificate(BIO_new_mem_buf(made.pem.c_str(), -1));
    const support::detail::bio key(BIO_new_mem_buf(made.key.c_str(), -1));
    const support::detail::x509 one(
        PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
    const support::detail::pkey its(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context, one.get());
    SSL_CTX_use_PrivateKey(context, its.get());
    // As the daemon's: the cheapest.
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    return context;
}

/// Waits where the kernel is full.
std::uint64_t write_all(SSL* tls, const std::string& bytes) {
    std::size_t written = 0;
    SSL_write_ex(tls, bytes.data(), bytes.size(), &written);
    return 1;
}

[[noreturn]] void serve(int listener, std::size_t count, swarm::transport over, int from, int to) {
    SSL_CTX* const context = over == swarm::transport::tls ? make_context() : nullptr;
    std::vector<int> sockets;
    std::vector<SSL*> secured;
    while (sockets.size() < count) {
        const int socket = accept(listener, nullptr, nullptr);
        if (socket < 0)
            _exit(1);
        const int on = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockets.push_back(socket);
        if (!context)
            continue;
        secured.push_back(SSL_new(context));
        SSL_set_fd(secured.back(), socket);
        if (SSL_accept(secured.back()) != 1)
            _exit(1);
    }
    command next{};
    std::size_t turn = 0;
    while (read_all(from, &next, sizeof next)) {
        std::string payload(next.payload, '\0');
        if (!read_all(from, payload.data(), payload.size()))
            break;
        std::string frame = framed(payload);
        if (next.per_call == 0) {
            for (; next.rounds > 0; --next.rounds)
                write_all(sockets[turn++ % count], {iovec{frame.data(), frame.size()}});
            continue;
        }
        const std::vector<iovec> parts(next.per_call, iovec{frame.data(), frame.size()});
        const auto begun = std::chrono::steady_clock::now();
        bare_loop::result done{};
        std::string together;
        for (const iovec& each : parts)
            together.append(static_cast<const char*>(each.iov_base), each.iov_len);
        for (std::size_t round = 0; round < next.rounds; ++round) {
            for (SSL* const tls : secured)
                done.calls += write_all(tls, together);
            for (std::size_t i = secured.size(); i < sockets.size(); ++i)
                done.calls += write_all(sockets[i], parts);
        }
        done.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        if (write(to, &done, sizeof done) != sizeof done)
            break;
    }
    _exit(0);
}

} // namespace

bare_loop::bare_loop(std::size_t sockets, swarm::transport over) {
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
        serve(listener, sockets, over, to[0], from[1]);
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
    order(rounds, per_call, payload);
}

void bare_loop::send_in_turn(std::size_t frames, const std::string& payload) {
    order(frames, 0, payload);
}

void bare_loop::order(std::size_t rounds, std::size_t per_call, const std::string& payload) {
    const command next{rounds, per_call, payload.size()};
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
