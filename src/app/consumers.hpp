#pragma once

#include "app/database.hpp"
#include "app/replay.hpp"
#include "app/signal.hpp"
#include "base/observation.hpp"
#include "base/seq.hpp"
#include "core/log_epoch.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace app {

/// What a session tells of its consumer.
struct consumer_news {
    enum class kind { acked, left };
    kind what;
    std::string channel;
    std::string name;
    base::seq seq = 0;                               ///< acknowledged up to here
    std::shared_ptr<const core::log_epoch> log = {}; ///< whose number that is
};

/// Keeps queue.consumer: what was acknowledged is stored in batches, at most a second late, and the
/// consumers that are connected are marked as seen, so that retention waits for them.
/// Owner: app::server. Thread: the Postgres side's. Lifetime: the server's.
class consumers {
public:
    /// `grace`: a consumer not seen for so long is taken for abandoned.
    consumers(asio::io_context& context, const database_options& options,
              std::chrono::seconds grace, replay& replay, base::observer& observer);

    struct entered {
        base::seq acked;
        bool is_new;   ///< nobody has opened it before
        bool is_ahead; ///< it was beyond the log (restored by hand, say), and is at the head now
    };
    /// A session subscribes as this consumer; a new one begins at `start`, or now. What is
    /// acknowledged here but not stored yet counts. `epoch`, `position`: of the log, as far as the
    /// session knows it; unavailable where the database has another one.
    /// May be awaited from any shard's coroutine; every success is followed by one `left`.
    asio::awaitable<base::outcome<entered>> enter(std::string epoch, std::string channel,
                                                  std::string name, std::optional<base::seq> start,
                                                  base::seq position);

    void take(std::vector<consumer_news> news);

    /// Acknowledgements of an earlier log count only as far as this one shares its numbers; of an
    /// older copy of the same log, which goes on at `position`, up to there.
    void log_changed(std::shared_ptr<const core::log_epoch> log, base::seq position);

    asio::awaitable<void> run();

    /// Returns when everything acknowledged is stored, or at `deadline`.
    asio::awaitable<void> drain(std::chrono::steady_clock::time_point deadline);
    void stop();

private:
    struct entry {
        base::seq acked = 0;
        std::size_t present = 0; ///< sessions that have it
        bool unstored = false;
    };
    using key = std::pair<std::string, std::string>; ///< channel, name

    asio::awaitable<base::outcome<entered>> open(std::string epoch, std::string channel,
                                                 std::string name, std::optional<base::seq> start,
                                                 base::seq position);
    asio::awaitable<void> store();
    asio::awaitable<bool> ensure_open();
    void mark(entry& one);
    base::seq shared_with(const core::log_epoch& earlier) const;

    asio::io_context& context_;
    replay& replay_;
    base::observer& observer_;
    std::chrono::milliseconds touch_interval_;
    reopening_connection connection_;
    std::map<key, entry> entries_;
    std::shared_ptr<const core::log_epoch> log_;
    base::seq log_began_at_ = 0; ///< where this copy of the log went on
    std::size_t unstored_ = 0;
    signal wake_;
    signal stored_;
    bool storing_ = false; ///< a statement is under way
    bool draining_ = false;
    bool stopping_ = false;
};

} // namespace app
