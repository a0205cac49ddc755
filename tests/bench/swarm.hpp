#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;
struct ssl_ctx_st;

namespace bench {

using clock = std::chrono::steady_clock;

/// For what must come in the end.
inline constexpr auto patience = std::chrono::seconds(60);

/// Many WebSocket clients on one epoll, made to cost as little as possible: frames are parsed where
/// the kernel put them, and nothing is allocated for a frame that arrives whole.
/// Owner: a scenario. Thread: one. Lifetime: closing it closes its sockets.
class swarm {
public:
    /// Plain TCP, or TLS without checking the certificate.
    enum class transport { plain, tls };

    /// A text frame for client `who`; the text is valid during the call.
    using frame_handler = std::function<void(std::size_t who, std::string_view text)>;

    explicit swarm(transport over = transport::plain);
    ~swarm();
    swarm(const swarm&) = delete;
    swarm& operator=(const swarm&) = delete;

    /// Adds `count` clients connected to 127.0.0.1:port and upgraded at /ws. Throws when they are
    /// not all open in time.
    void open(int port, std::size_t count);

    /// Adds `count` sockets that speak frames at once, without a handshake.
    void open_bare(int port, std::size_t count);

    /// Closes all without a word.
    void drop_all();

    std::size_t size() const { return clients_.size(); }

    void on_frame(frame_handler handler) { handler_ = std::move(handler); }

    /// Called when everything that was ready has been read.
    void after_turn(std::function<void()> call) { after_turn_ = std::move(call); }

    /// Queues a text frame; it leaves at the end of the turn, with the others of that client.
    void send(std::size_t who, std::string_view text);

    /// Writes what is queued and reads, until `done` or `deadline`. True: done.
    bool run_until(clock::time_point deadline, const std::function<bool()>& done);
    bool run_for(std::chrono::milliseconds time) {
        return run_until(clock::now() + time, [] { return false; });
    }

    /// Watched beside the sockets: `ready` is called when `descriptor` is readable.
    void watch(int descriptor, std::function<void()> ready);

    std::uint64_t bytes_in() const { return bytes_in_; }

private:
    struct client;

    void connect(int port, std::size_t count, bool upgrade);
    void read(std::size_t who);
    void parse(std::size_t who, std::string_view bytes);
    std::size_t parse_frames(std::size_t who, std::string_view bytes);
    void write(std::size_t who);
    void wait_for(std::size_t who, bool writable);
    void turn(std::chrono::nanoseconds timeout);

    std::vector<std::unique_ptr<client>> clients_;
    std::vector<std::size_t> dirty_;
    std::unique_ptr<char[]> buffer_;
    ssl_ctx_st* tls_ = nullptr;
    frame_handler handler_;
    std::function<void()> after_turn_;
    std::vector<std::function<void()>> watched_;
    std::size_t open_ = 0;
    std::uint64_t bytes_in_ = 0;
    int epoll_ = -1;
};

} // namespace bench
