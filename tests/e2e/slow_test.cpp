// Clients that stop reading while 300 MB go by: bounded memory, nobody else waits, nobody is cut.
#include "tests/support/messages.hpp"
#include "tests/support/worker.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace support;
using steady = std::chrono::steady_clock;

constexpr std::size_t row_bytes = 60'000;
const std::size_t rows_total = sanitized ? 480 : 5'000;
constexpr std::size_t slow_clients = 20;
constexpr std::size_t channels = 8;

std::string channel_name(std::size_t number) {
    return "slow" + std::to_string(number % channels);
}

/// A client for gigabytes: of each frame it looks at the first bytes and drops the rest.
class lean_client {
public:
    lean_client(int port, const std::string& channel, int receive_buffer)
        : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        set_receive_buffer(receive_buffer);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
            throw std::runtime_error("connect: " + std::string(std::strerror(errno)));
        }
        write(plain_handshake());
        std::string answer;
        while (!answer.ends_with("\r\n\r\n")) {
            char byte = 0;
            if (recv(fd_, &byte, 1, 0) != 1) {
                throw std::runtime_error("handshake: " + answer);
            }
            answer += byte;
        }
        write(client_frame(1, R"({"type":"subscribe","ref":1,"channel":")" + channel + R"("})"));
    }
    ~lean_client() { close(fd_); }
    lean_client(const lean_client&) = delete;
    lean_client& operator=(const lean_client&) = delete;

    void set_receive_buffer(int bytes) {
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    int descriptor() const { return fd_; }

    /// Reads once what is there, waiting for it; false at the end of the connection.
    bool read_some() {
        static thread_local std::vector<char> chunk(1 << 20);
        const ssize_t count = recv(fd_, chunk.data(), chunk.size(), 0);
        if (count <= 0) {
            return false;
        }
        std::size_t at = 0;
        while (at < static_cast<std::size_t>(count)) {
            at += take(chunk.data() + at, static_cast<std::size_t>(count) - at);
        }
        return true;
    }

    bool subscribed = false;
    seqs got;
    std::vector<std::string> others; ///< frames that are neither messages, live nor the ok

private:
    void write(const std::string& bytes) {
        if (send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(bytes.size())) {
            throw std::runtime_error("send: " + std::string(std::strerror(errno)));
        }
    }

    std::size_t take(const char* bytes, std::size_t count) {
        if (left_ == 0) {
            header_ += *bytes;
            const auto second = header_.size() < 2 ? 0U : static_cast<unsigned char>(header_[1]);
            const std::size_t whole = second == 126 ? 4 : second == 127 ? 10 : 2;
            if (header_.size() == whole) {
                left_ = second;
                if (whole > 2) {
                    left_ = 0;
                    for (const char c : header_.substr(2)) {
                        left_ = left_ << 8 | static_cast<unsigned char>(c);
                    }
                }
                header_.clear();
                begin_.clear();
            }
            return 1;
        }
        const std::size_t taken = std::min(left_, count);
        begin_.append(bytes, std::min(taken, 200 - std::min<std::size_t>(200, begin_.size())));
        left_ -= taken;
        if (left_ == 0) {
            frame();
        }
        return taken;
    }

    void frame() {
        if (begin_.starts_with(R"({"type":"message")")) {
            const auto at = begin_.find("\"seq\":");
            got.push_back(std::strtoll(begin_.c_str() + at + 6, nullptr, 10));
        } else if (begin_.starts_with(R"({"type":"ok")")) {
            subscribed = true;
        } else if (!begin_.starts_with(R"({"type":"live")") &&
                   !begin_.starts_with(R"({"type":"welcome")")) {
            others.push_back(begin_);
        }
    }

    int fd_;
    std::string header_;
    std::string begin_;
    std::size_t left_ = 0;
};

/// Reads all of them as data comes, until `done` or the deadline.
template <class Done>
bool read_all(std::vector<std::unique_ptr<lean_client>>& clients, std::chrono::seconds patience,
              Done done) {
    const auto deadline = steady::now() + patience;
    while (!done()) {
        std::vector<pollfd> waiting;
        for (const auto& client : clients) {
            waiting.push_back({client->descriptor(), POLLIN, 0});
        }
        if (steady::now() > deadline) {
            return false;
        }
        poll(waiting.data(), waiting.size(), 100);
        for (std::size_t i = 0; i < clients.size(); ++i) {
            if (waiting[i].revents != 0 && !clients[i]->read_some()) {
                ADD_FAILURE() << "client " << i << " was cut after " << clients[i]->got.size();
                return false;
            }
        }
    }
    return true;
}

TEST(Slow, TwentyThatStopReadingCostABufferEach) {
    postgres_server server({.settings = {{"max_wal_size", "2GB"},
                                         {"wal_level", "minimal"},
                                         {"max_wal_senders", "0"}}});
    database db(server);
    support::daemon daemon({.dsn = db.conninfo(), .settings = {{"WEBSOCKET_PING_INTERVAL", "5m"}}});
    std::vector<std::unique_ptr<lean_client>> slow;
    for (std::size_t i = 0; i < slow_clients; ++i) {
        slow.push_back(std::make_unique<lean_client>(daemon.port(), channel_name(i), 4'096));
    }
    ASSERT_TRUE(read_all(slow, 60s, [&] {
        return std::ranges::all_of(slow, [](const auto& one) { return one->subscribed; });
    }));
    std::vector<std::unique_ptr<lean_client>> quick;
    for (std::size_t i = 0; i < channels; ++i) {
        quick.push_back(std::make_unique<lean_client>(daemon.port(), channel_name(i), 1 << 20));
    }
    ASSERT_TRUE(read_all(quick, 60s, [&] {
        return std::ranges::all_of(quick, [](const auto& one) { return one->subscribed; });
    }));

    const long before = daemon.resident_kib();
    std::atomic<long> most = before;
    std::jthread watcher = worker([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            most = std::max(most.load(), daemon.resident_kib());
            std::this_thread::yield();
            poll(nullptr, 0, 10);
        }
    });
    const auto received = [](const auto& clients) {
        std::size_t sum = 0;
        for (const auto& client : clients) {
            sum += client->got.size();
        }
        return sum;
    };

    // One commit at a time, and how long the quick ones wait for it.
    auto longest = steady::duration::zero();
    constexpr std::size_t batch = 40;
    for (std::size_t written = 0; written < rows_total; written += batch) {
        db.query("insert into queue.message (channel, data) "
                 "select 'slow' || i % $1::int, to_json(repeat('x', $2::int)) "
                 "from generate_series(1, $3::int) i",
                 channels, row_bytes, batch);
        const auto committed = steady::now();
        ASSERT_TRUE(read_all(quick, 60s, [&] { return received(quick) >= written + batch; }))
            << received(quick) << " of " << written + batch;
        longest = std::max(longest, steady::now() - committed);
    }
    EXPECT_LT(longest, sanitized ? 20s : 10s);
    std::vector<seqs> truth;
    for (std::size_t i = 0; i < channels; ++i) {
        truth.push_back(seqs_of(db, channel_name(i)));
        EXPECT_EQ(quick[i]->got, truth.back());
    }
    EXPECT_EQ(daemon.metric("pgherald_sessions"), static_cast<double>(slow_clients + channels))
        << "nobody is cut";
    EXPECT_GE(count(daemon, "pgherald_fell_behind_total"), static_cast<double>(slow_clients));
    const long bound_kib = (64 + 64) * 1'024 + static_cast<long>(slow_clients) * 64;
    if (!sanitized) {
        EXPECT_LT(most - before, bound_kib);
    }
    RecordProperty("grown_kib", static_cast<int>(most - before));

    // They read again, on the same sockets.
    for (auto& client : slow) {
        client->set_receive_buffer(4 << 20);
    }
    const std::size_t each = rows_total / channels;
    EXPECT_TRUE(read_all(slow, 120s, [&] { return received(slow) >= each * slow_clients; }))
        << received(slow);
    for (std::size_t i = 0; i < slow.size(); ++i) {
        EXPECT_EQ(slow[i]->got, truth[i % channels]) << i;
        EXPECT_TRUE(slow[i]->others.empty()) << slow[i]->others.front();
    }
    watcher.request_stop();
    watcher.join();
    if (!sanitized) {
        EXPECT_LT(most - before, bound_kib + 32 * 1'024) << "with the pages they are given";
    }
    EXPECT_EQ(daemon.metric("pgherald_sessions"), static_cast<double>(slow_clients + channels));
    RecordProperty("grown_kib_later", static_cast<int>(most - before));
}

} // namespace
