#pragma once

#include "base/seq.hpp"

#include <chrono>
#include <optional>

namespace core {

/// Follows the log of the whole database: which page to read next, and when to rest. A ring says
/// only that the table grew; whatever rings during a read is answered by reading until a page comes
/// back short after it.
/// Owner: app::tail_loop. Thread: the Postgres side's. Lifetime: the daemon's; it outlives the
/// connections, so the position survives their loss.
class tailer {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// How a page ended. It has all removals beyond its beginning: only the last of each channel is
    /// known, so one that is left out could be of any message.
    struct page_end {
        base::seq message = 0;      ///< the last one; 0: none
        base::seq removal = 0;      ///< the last one; 0: none
        bool more_messages = false; ///< than the limit took
    };

    base::seq position() const { return position_; }
    /// Nothing is to be read before the next ring.
    bool caught_up() const { return !dirty_; }
    /// The last page read went to the log's end. More may have rung since, so under load this holds
    /// where caught_up() hardly ever does.
    bool at_end() const { return at_end_; }
    /// How long a message may have waited to be read: since the oldest ring without an answer.
    std::chrono::steady_clock::duration lag(time_point now) const;

    /// The log begins here: at start, or when the log was replaced.
    void start_at(base::seq position);

    /// The doorbell rang, or the poll timer ran out.
    void ring(time_point now);

    /// LISTEN stands (again) while the log ends at `head`: what was committed until then may have
    /// rung unheard, so it is read from the position on.
    void listening(base::seq head);

    /// How long to hold the next read back. Anybody in the database may ring; a flood of rings with
    /// nothing behind them must not become a flood of reads.
    std::chrono::milliseconds rest() const;

    /// How many rows the next page may have; 0 when there is nothing to read before the next ring.
    /// Marks the rings so far as answered.
    int begin_read();

    /// The page asked for is there.
    void end_read(const page_end& page);

    /// The read failed; it is to be made again.
    void fail_read();

private:
    base::seq position_ = 0;
    int limit_ = 256;
    int empty_in_a_row_ = 0;
    bool dirty_ = true;
    bool at_end_ = false;
    std::optional<time_point> rung_at_;     ///< the first ring since the last read began
    std::optional<time_point> reading_for_; ///< the oldest one that reads have not answered yet
};

} // namespace core
