#pragma once

#include "tests/bench/load.hpp"
#include "tests/bench/scenarios.hpp"

namespace bench {

/// Deliveries a second of one channel with `receivers`, `window` messages in flight, published by
/// frames of 256 bytes of data. `fan_out`, where wanted: the same between a message's first and
/// last arrival (with one in flight).
measurement measure_fan_out(const bench_context& context, subject& what, std::size_t receivers,
                            std::size_t window, swarm::transport over = swarm::transport::plain,
                            std::vector<double>* fan_out = nullptr);

/// What a bare loop sends in `per_call` frames a call to 1,000 sockets. `closed`: also with one in
/// flight.
void measure_bare(const bench_context& context, const std::string& scenario, bool closed,
                  const std::vector<std::size_t>& per_call,
                  swarm::transport over = swarm::transport::plain);

} // namespace bench
