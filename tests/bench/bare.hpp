#pragma once

#include "tests/bench/swarm.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace bench {

/// 300 with the header: what 256 bytes of data become.
constexpr std::size_t message_bytes = 296;

/// The floor: a process that only calls send() or writev() on accepted sockets, or SSL_write() for
/// what one call shall send. What a server adds to this is its own.
/// Owner: a scenario. Lifetime: the destructor ends the process.
class bare_loop {
public:
    /// Takes `sockets` connections.
    explicit bare_loop(std::size_t sockets, swarm::transport over = swarm::transport::plain);
    ~bare_loop();
    bare_loop(const bare_loop&) = delete;
    bare_loop& operator=(const bare_loop&) = delete;

    int port() const { return port_; }
    pid_t pid() const { return pid_; }

    /// Writes `rounds` times `per_call` frames of `size` payload bytes to each socket, one call
    /// for each socket and round. Returns at once; answer() is readable at the end.
    void start(std::size_t rounds, std::size_t per_call, const std::string& payload);

    /// Writes one frame to each of the next `frames` sockets, from where the last such call ended.
    /// Returns at once, and no answer comes.
    void send_in_turn(std::size_t frames, const std::string& payload);

    struct result {
        std::uint64_t calls;
        double seconds;
    };
    int answer() const { return from_; }
    result take_answer();

private:
    void order(std::size_t rounds, std::size_t per_call, const std::string& payload);

    pid_t pid_ = -1;
    int port_ = 0;
    int to_ = -1;
    int from_ = -1;
};

} // namespace bench
