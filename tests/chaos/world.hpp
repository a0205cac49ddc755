#pragma once

#include "tests/chaos/evidence.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace chaos {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Choices from the seed. Each thread has its own, so that what one draws doesn't depend on the
/// others.
class dice {
public:
    explicit dice(std::uint64_t seed) : random_(seed) {}

    /// From `least` to `most`, both included.
    std::int64_t between(std::int64_t least, std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
    }
    std::size_t below(std::size_t count) {
        return static_cast<std::size_t>(between(0, static_cast<std::int64_t>(count) - 1));
    }
    milliseconds time(milliseconds least, milliseconds most) {
        return milliseconds(between(least.count(), most.count()));
    }
    bool percent(int of_a_hundred) { return between(1, 100) <= of_a_hundred; }
    std::uint64_t bits() { return random_(); }

private:
    std::mt19937_64 random_;
};

struct counters {
    using number = std::atomic<std::uint64_t>;

    // load
    number transactions{0};
    number late_commits{0};
    number rollbacks{0};
    number large_rows{0};
    number lost_transactions{0}; ///< broken off by a fault; the table says what became of them
    number publishes{0};
    number publishes_repeated{0}; ///< the same id sent again
    number duplicates{0};         ///< receipts that say so

    // clients
    number to_followers{0};
    number to_consumers{0};
    number to_consumers_again{0};
    number acknowledged{0};
    number windows_filled{0};
    number begun_at_start{0};
    number begun_far_back{0};
    number resets{0};

    // why a client came back
    number aborted{0};   ///< reset by the client
    number closed{0};    ///< closed by the client
    number sent_away{0}; ///< closed by the daemon, with a code
    number cut_off{0};   ///< without a close frame
    number unsubscribed{0};
    number slow{0};       ///< stopped reading for a while
    number not_let_in{0}; ///< no connection or no handshake
    number moved{0};      ///< resumed on the other daemon
};

/// What all threads of a run share. The pointers to it outlive the threads.
struct world {
    static constexpr std::size_t daemons = 2;

    enum class stage {
        load,   ///< writers write, clients drop, faults happen
        settle, ///< everybody catches up
        done,
    };

    explicit world(std::vector<std::string> names)
        : channels(std::move(names)),
          goals(std::make_unique<std::atomic<seq>[]>(channels.size())) {}

    bool loading() const { return now == stage::load; }
    bool done() const { return now == stage::done; }
    void enter(stage next) {
        {
            const std::lock_guard lock(mutex);
            now = next;
        }
        changed.notify_all();
    }
    /// A pause that is part of the load; it ends early when the stage changes.
    void pause(milliseconds time) {
        std::unique_lock lock(mutex);
        const stage before = now;
        changed.wait_for(lock, time, [&] { return now != before; });
    }
    double seconds() const { return std::chrono::duration<double>(steady::now() - begun).count(); }

    const std::vector<std::string> channels;
    std::string conninfo;
    std::array<std::atomic<std::uint16_t>, daemons> ports{};

    const steady::time_point begun = steady::now();
    std::atomic<stage> now = stage::load;
    /// Per channel the seq that everybody must have reached in the end; 0: not known yet.
    std::unique_ptr<std::atomic<seq>[]> goals;

    findings found;
    counters count;
    /// How long a session lasts at most before its client does something to it.
    milliseconds longest_calm{4'000};
    bool verbose = false;

private:
    std::mutex mutex;
    std::condition_variable changed;
};

} // namespace chaos
