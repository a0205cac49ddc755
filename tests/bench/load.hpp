#pragma once

#include "tests/bench/results.hpp"
#include "tests/bench/subject.hpp"
#include "tests/bench/swarm.hpp"
#include "tests/bench/tally.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

/// Receivers and publishers on one swarm: the first clients of it receive, those behind publish.
/// Whoever is added to the swarm takes frames that nobody looks at.
/// Owner: a scenario. Thread: one. Lifetime: the swarm's sockets end with it.
class load {
public:
    load(int port, std::size_t receivers, std::size_t publishers,
         swarm::transport over = swarm::transport::plain);

    bench::swarm& swarm() { return swarm_; }
    std::size_t receivers() const { return tallies_.size(); }

    /// Subscribes receiver `who` and returns when all that was asked so far is confirmed.
    void subscribe(std::size_t who, const std::string& channel);
    void subscribe_all(const std::string& channel);
    void confirm();

    /// Which channels publisher `who` writes to, in turn. One channel has one publisher, so that
    /// the order of its messages is known.
    void lanes(std::size_t who, std::vector<std::string> channels);

    /// Sends the next message of publisher `who`.
    void publish(std::size_t who);

    void data_bytes(std::size_t size) { data_bytes_ = size; }

    /// A message arrived; `what` says which.
    std::function<void(std::size_t who, const stamp& what)> delivered;
    /// Publisher `who` got a receipt.
    std::function<void(std::size_t who)> acknowledged;

    std::uint64_t deliveries() const { return deliveries_; }
    std::uint64_t acknowledgements() const { return acknowledgements_; }
    std::uint64_t published() const { return published_; }

    /// Waits for what is under way; then counts what did not arrive as it should.
    void finish(measurement& into, std::uint64_t deliveries_expected);
    void count(measurement& into) const;

private:
    struct lane {
        std::string channel;
        std::uint32_t number;
        std::uint64_t next = 0;
    };
    struct publisher {
        std::vector<lane> lanes;
        std::size_t at = 0;
    };

    void take(std::size_t who, std::string_view text);

    bench::swarm swarm_;
    stamp_finder finder_;
    std::vector<tally> tallies_;
    std::vector<publisher> publishers_;
    std::uint32_t last_lane_ = 0;
    std::size_t data_bytes_ = 256;
    std::uint64_t unconfirmed_ = 0;
    std::uint64_t deliveries_ = 0;
    std::uint64_t acknowledgements_ = 0;
    std::uint64_t published_ = 0;
};

/// One message in flight until every receiver has it, `window` of them at a time.
class closed_loop {
public:
    closed_loop(load& on, std::size_t window);
    ~closed_loop();
    closed_loop(const closed_loop&) = delete;
    closed_loop& operator=(const closed_loop&) = delete;

    /// Deliveries a second while it goes on for `time`.
    double run(std::chrono::milliseconds time);
    /// Lets what is in flight arrive, and counts.
    void finish(measurement& into);

    /// With one message in flight: deliveries a second between its first and its last arrival, so
    /// without the time it took to be stored, since the last call.
    double take_fan_out_rate();

private:
    void refill();

    load& load_;
    std::size_t window_;
    std::vector<std::uint32_t> arrived_; ///< of message number modulo its size
    std::size_t in_flight_ = 0;
    clock::time_point first_arrival_;
    clock::duration spreading_{};
    std::uint64_t spread_ = 0;
    bool going_ = false;
};

/// `window` publishes of each publisher without receipt at any time.
class publishing {
public:
    publishing(load& on, std::size_t publishers, std::size_t window);
    ~publishing();
    publishing(const publishing&) = delete;
    publishing& operator=(const publishing&) = delete;

    /// Called once a turn, when there may be new receipts.
    void each_turn(std::function<void()> call) { each_turn_ = std::move(call); }

    /// Receipts a second while it goes on for `time`.
    double run(std::chrono::milliseconds time);
    /// Returns when every publish has its receipt.
    void finish();

private:
    load& load_;
    std::vector<std::size_t> free_;
    std::function<void()> each_turn_;
    bool going_ = false;
};

} // namespace bench
