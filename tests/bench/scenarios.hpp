#pragma once

#include "tests/bench/results.hpp"
#include "tests/bench/subject.hpp"
#include "tests/bench/swarm.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace bench {

/// What all scenarios share. fsync is on in this Postgres.
struct bench_context {
    std::string daemon;
    std::string node; ///< its script; empty: not compared
    std::chrono::milliseconds window{2'000};
    int runs = 3;
    support::postgres_server& postgres;
    results& out;

    std::unique_ptr<pgherald> start(std::map<std::string, std::string> settings = {},
                                    swarm::transport over = swarm::transport::plain) const {
        return std::make_unique<pgherald>(postgres, daemon, std::move(settings), over);
    }
    /// Null where there is nothing to compare with.
    std::unique_ptr<subject> start_node() const {
        return node.empty() ? nullptr : std::make_unique<node_peer>(postgres, node);
    }
};

// fan_out.cpp
void one_in_flight(const bench_context& context);
void many_in_flight(const bench_context& context);
void burst(const bench_context& context);
void shards(const bench_context& context);
// publish.cpp
void durable_publishes(const bench_context& context);
void many_channels(const bench_context& context);
// latency.cpp
void insert_to_frame(const bench_context& context);
void start_to_first(const bench_context& context);
// idle.cpp
void idle_sockets(const bench_context& context);
void over_tls(const bench_context& context);
// storm.cpp
void reconnect_storm(const bench_context& context);
// costs.cpp
void costs(const bench_context& context);

} // namespace bench
