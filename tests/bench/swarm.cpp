#include "tests/bench/swarm.hpp"

#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bench {

namespace {

constexpr std::size_t buffer_size = 256 * 1024;
/// So that a burst's records come with one call.
constexpr std::size_t tls_read_size = 64 * 1024;
constexpr std::uint64_t watched_mark = std::uint64_t{1} << 63;

/// How many sockets are between connect() and open at a time: more would only overflow the
/// listener's queue, and then wait for the kernel's retries.
constexpr std::size_t opening_at_once = 256;

constexpr std::string_view handshake = "GET /ws HTTP/1.1\r\n"
                                       "Host: 127.0.0.1\r\n"
                                       "Upgrade: websocket\r\n"
                                       "Connection: Upgrade\r\n"
                                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                       "Sec-WebSocket-Version: 13\r\n\r\n";

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

} // namespace

struct swarm::client {
    enum class phase { handshake, open, closed };

    ~client() {
        if (tls)
            SSL_free(tls);
        if (descriptor >= 0)
            close(descriptor);
    }

    int descriptor = -1;
    SSL* tls = nullptr;
    phase now = phase::handshake;
    bool queued = false;
    bool waits_writable = false;
    std::string in;  ///< the start of a frame whose end is still to come
    std::string out; ///< what the kernel has not taken yet
};

swarm::swarm(transport over)
    : buffer_(std::make_unique_for_overwrite<char[]>(buffer_size)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0)
        fail("epoll_create1");
    if (over == transport::tls) {
        tls_ = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_read_ahead(tls_, 1);
        SSL_CTX_set_default_read_buffer_len(tls_, tls_read_size);
        SSL_CTX_set_mode(tls_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
}

swarm::~swarm() {
    clients_.clear();
    SSL_CTX_free(tls_);
    close(epoll_);
}

void swarm::open(int port, std::size_t count) {
    connect(port, count, true);
}

void swarm::open_bare(int port, std::size_t count) {
    connect(port, count, false);
}

void swarm::connect(int port, std::size_t count, bool upgrade) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const std::size_t wanted = clients_.size() + count;
    const auto deadline = clock::now() + patience;
    while (clients_.size() < wanted) {
        auto made = std::make_unique<client>();
        made->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (made->descriptor < 0)
            fail("socket");
        // Blocking: on loopback it returns as soon as the listener's queue has taken it.
        if (::connect(made->descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
            fail("connect");
        fcntl(made->descriptor, F_SETFL, O_NONBLOCK);
        const int on = 1;
        setsockopt(made->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = clients_.size();
        epoll_ctl(epoll_, EPOLL_CTL_ADD, made->descriptor, &event);
        if (tls_) {
            made->tls = SSL_new(tls_);
            SSL_set_fd(made->tls, made->descriptor);
            SSL_set_connect_state(made->tls);
        }
        const std::size_t who = clients_.size();
        clients_.push_back(std::move(made));
        if (upgrade) {
            clients_[who]->out = handshake;
            write(who);
        } else {
            clients_[who]->now = client::phase::open;
            ++open_;
            if (tls_)
                read(who); // begins the handshake
        }
        while (clients_.size() - open_ >= opening_at_once)
            if (!run_until(deadline, [&] { return clients_.size() - open_ < opening_at_once; }))
                throw std::runtime_error("clients could not be opened in time");
    }
    if (!run_until(deadline, [&] { return open_ == clients_.size(); }))
        throw std::runtime_error("clients could not be opened in time");
}

void swarm::drop_all() {
    clients_.clear();
    dirty_.clear();
    open_ = 0;
}

void swarm::watch(int descriptor, std::function<void()> ready) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = watched_mark | watched_.size();
    watched_.push_back(std::move(ready));
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) < 0)
        fail("epoll_ctl");
}

void swarm::send(std::size_t who, std::string_view text) {
    client& to = *clients_[who];
    // The mask is there, as RFC 6455 asks, and is zero: the server's work is the same.
    std::string& out = to.out;
    out.push_back('\x81');
    if (text.size() < 126) {
        out.push_back(static_cast<char>(0x80 | text.size()));
    } else if (text.size() <= 0xffff) {
        out.push_back('\xfe');
        out.push_back(static_cast<char>(text.size() >> 8));
        out.push_back(static_cast<char>(text.size()));
    } else {
        out.push_back('\xff');
        for (int shift = 56; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(text.size() >> shift));
    }
    out.append(4, '\0').append(text);
    if (!std::exchange(to.queued, true))
        dirty_.push_back(who);
}

void swarm::wait_for(std::size_t who, bool writable) {
    client& one = *clients_[who];
    if (one.waits_writable == writable)
        return;
    one.waits_writable = writable;
    epoll_event event{};
    event.events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = who;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, one.descriptor, &event);
}

void swarm::write(std::size_t who) {
    client& one = *clients_[who];
    while (!one.out.empty() && one.now != client::phase::closed) {
        ssize_t taken = 0;
        if (one.tls) {
            const int result = SSL_write(one.tls, one.out.data(), static_cast<int>(one.out.size()));
            if (result <= 0) {
                const int why = SSL_get_error(one.tls, result);
                wait_for(who, why == SSL_ERROR_WANT_WRITE);
                return;
            }
            taken = result;
        } else {
            taken = ::send(one.descriptor, one.out.data(), one.out.size(), MSG_NOSIGNAL);
            if (taken < 0) {
                wait_for(who, errno == EAGAIN);
                return;
            }
        }
        one.out.erase(0, static_cast<std::size_t>(taken));
    }
    wait_for(who, false);
}

void swarm::read(std::size_t who) {
    client& one = *clients_[who];
    while (true) {
        ssize_t got = 0;
        if (one.tls) {
            got = SSL_read(one.tls, buffer_.get(), static_cast<int>(buffer_size));
            if (got <= 0) {
                const int why = SSL_get_error(one.tls, static_cast<int>(got));
                if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
                    break;
                got = 0;
            }
        } else {
            got = recv(one.descriptor, buffer_.get(), buffer_size, 0);
            if (got < 0 && (errno == EAGAIN || errno == EINTR))
                break;
        }
        if (got <= 0) {
            if (one.now == client::phase::handshake)
                throw std::runtime_error("the server closed the connection in the handshake");
            one.now = client::phase::closed;
            epoll_ctl(epoll_, EPOLL_CTL_DEL, one.descriptor, nullptr);
            break;
        }
        bytes_in_ += static_cast<std::size_t>(got);
        parse(who, {buffer_.get(), static_cast<std::size_t>(got)});
        if (!one.tls || SSL_has_pending(one.tls) == 0) // what is left makes epoll report it again
            break;
    }
    if (one.tls && !one.out.empty())
        write(who);
}

void swarm::parse(std::size_t who, std::string_view bytes) {
    client& one = *clients_[who];
    std::string joined;
    if (!one.in.empty()) {
        joined = std::move(one.in);
        joined.append(bytes);
        one.in.clear();
        bytes = joined;
    }
    if (one.now == client::phase::handshake) {
        const auto end = bytes.find("\r\n\r\n");
        if (end == bytes.npos) {
            one.in = bytes;
            return;
        }
        if (!bytes.starts_with("HTTP/1.1 101"))
            throw std::runtime_error("no upgrade: " + std::string(bytes.substr(0, end)));
        one.now = client::phase::open;
        ++open_;
        bytes.remove_prefix(end + 4);
    }
    bytes.remove_prefix(parse_frames(who, bytes));
    if (!bytes.empty())
        one.in = bytes;
}

std::size_t swarm::parse_frames(std::size_t who, std::string_view bytes) {
    std::size_t at = 0;
    while (bytes.size() - at >= 2) {
        const auto* const byte = reinterpret_cast<const unsigned char*>(bytes.data()) + at;
        std::uint64_t length = byte[1] & 0x7f;
        std::size_t header = 2;
        if (length >= 126) {
            header = length == 126 ? 4 : 10;
            if (bytes.size() - at < header)
                break;
            length = 0;
            for (std::size_t i = 2; i < header; ++i)
                length = length << 8 | byte[i];
        }
        if (bytes.size() - at < header + length)
            break;
        const int kind = byte[0] & 0x0f;
        const auto text = bytes.substr(at + header, length);
        at += header + length;
        if (kind == 1 && handler_) {
            handler_(who, text);
        } else if (kind == 9) {
            client& one = *clients_[who];
            one.out.append("\x8a\x80\0\0\0\0", 6);
            if (!std::exchange(one.queued, true))
                dirty_.push_back(who);
        }
    }
    return at;
}

void swarm::turn(std::chrono::nanoseconds timeout) {
    std::array<epoll_event, 512> events;
    const timespec most{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
    const int ready = epoll_pwait2(epoll_, events.data(), events.size(), &most, nullptr);
    for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 & watched_mark) {
            watched_[event.data.u64 & ~watched_mark]();
            continue;
        }
        if (event.events & EPOLLOUT)
            write(event.data.u64);
        if (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            read(event.data.u64);
    }
    if (after_turn_)
        after_turn_();
    for (const std::size_t who : dirty_) {
        clients_[who]->queued = false;
        write(who);
    }
    dirty_.clear();
}

bool swarm::run_until(clock::time_point deadline, const std::function<bool()>& done) {
    // What was queued outside of a turn.
    for (const std::size_t who : std::exchange(dirty_, {})) {
        clients_[who]->queued = false;
        write(who);
    }
    while (!done()) {
        const std::chrono::nanoseconds left = deadline - clock::now();
        if (left.count() <= 0)
            return false;
        turn(std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(100)));
    }
    return true;
}

} // namespace bench
