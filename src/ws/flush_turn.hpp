#pragma once

#include "ws/net.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace ws {

class outbox_core;

/// Collects the outboxes that got frames during one turn of the loop and writes each once, at the
/// end of the turn: what arrived together leaves in one system call.
/// Owner: the shard. Thread: the shard's. Lifetime: longer than the shard's sockets and than the
/// last run of its io_context.
class flush_turn {
public:
    explicit flush_turn(asio::io_context& context);
    flush_turn(const flush_turn&) = delete;
    flush_turn& operator=(const flush_turn&) = delete;

    /// Writes `outbox` at the end of this turn. Called at most once a turn for each.
    void mark(std::shared_ptr<outbox_core> outbox);

    /// System calls that wrote to sockets so far.
    std::uint64_t writes() const { return writes_; }

private:
    friend class outbox_core; // counts its writes

    void post_flush();
    void flush();

    asio::io_context& context_;
    std::vector<std::shared_ptr<outbox_core>> dirty_;
    std::size_t next_ = 0; ///< those before it in dirty_ are written
    std::uint64_t writes_ = 0;
    bool posted_ = false;
};

} // namespace ws
