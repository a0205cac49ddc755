#pragma once

#include "base/seq.hpp"

#include <chrono>
#include <cstddef>

namespace core {

/// Follows the log of the whole database: which page to read next, and when to rest. A ring says
/// only that the table grew; whatever rings during a read is answered by reading until a page comes
/// back short after it.
/// Owner: app::tail_loop. Thread: the Postgres side's. Lifetime: the daemon's; it outlives the
/// connections, so the position survives their loss.
class tailer {
public:
    base::seq position() const { return position_; }
    bool caught_up() const { return !dirty_; }

    /// The log begins here: at start, or when the log was replaced.
    void start_at(base::seq position);

    /// The doorbell rang, or the poll timer ran out.
    void ring() { dirty_ = true; }

    /// LISTEN stands (again) while the log ends at `head`: what was committed until then may have
    /// rung unheard, so it is read from the position on.
    void listening(base::seq head);

    /// How long to hold the next read back. Anybody in the database may ring; a flood of rings with
    /// nothing behind them must not become a flood of reads.
    std::chrono::milliseconds rest() const;

    /// How many rows the next page may have; 0 when there is nothing to read before the next ring.
    /// Marks the rings so far as answered.
    int begin_read();

    /// The page asked for: `last` is the last seq it settles, of a message or of removed ones;
    /// 0 for none.
    void end_read(base::seq last, bool more);

    /// The read failed; it is to be made again.
    void fail_read() { dirty_ = true; }

private:
    base::seq position_ = 0;
    int limit_ = 256;
    int empty_in_a_row_ = 0;
    bool dirty_ = true;
};

} // namespace core
