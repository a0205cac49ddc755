#include "tests/bench/fan_out.hpp"
#include "tests/bench/bare.hpp"
#include "tests/bench/scenarios.hpp"

#include <stdexcept>

namespace bench {

namespace {

constexpr std::size_t subscribers = 1'000;
const std::string one_in_flight_name = "deliveries, 1 in flight";
const std::string fan_out_name = "of it the fan-out, first to last arrival";
const std::string payload(message_bytes, 'x');

struct closed_rates {
    double deliveries; ///< a second
    double fan_out;    ///< the same between a message's first and last arrival
};

/// Rounds of the bare loop, the next begins when the last has arrived everywhere.
closed_rates bare_closed(swarm& clients, bare_loop& bare, std::uint64_t& arrived,
                         std::chrono::milliseconds time) {
    const auto begun = clock::now();
    clock::duration spreading{};
    std::uint64_t calls = 0;
    while (clock::now() - begun < time) {
        arrived = 0;
        bare.start(1, 1, payload);
        clients.run_until(begun + patience, [&] { return arrived > 0; });
        const auto first = clock::now();
        if (!clients.run_until(begun + patience, [&] { return arrived == subscribers; }))
            throw std::runtime_error("the bare loop's frames did not arrive");
        spreading += clock::now() - first;
        calls += bare.take_answer().calls;
    }
    const auto rate = [calls](clock::duration all) {
        return static_cast<double>(calls) / std::chrono::duration<double>(all).count();
    };
    return {rate(clock::now() - begun), rate(spreading)};
}

/// The bare loop without waiting for anything but the kernel. Frames a second.
double bare_open(swarm& clients, bare_loop& bare, std::uint64_t& arrived, std::size_t per_call,
                 std::size_t rounds) {
    arrived = 0;
    bare.start(rounds, per_call, payload);
    if (!clients.run_until(clock::now() + patience,
                           [&] { return arrived == subscribers * rounds * per_call; }))
        throw std::runtime_error("the bare loop's frames did not arrive");
    const auto done = bare.take_answer();
    return static_cast<double>(subscribers * rounds * per_call) / done.seconds;
}

} // namespace

void measure_bare(const bench_context& context, const std::string& scenario, bool closed,
                  const std::vector<std::size_t>& per_call, swarm::transport over) {
    const std::string name = over == swarm::transport::tls ? "bare loop, TLS" : "bare loop";
    bare_loop bare(subscribers, over);
    swarm clients(over);
    std::uint64_t arrived = 0;
    clients.on_frame([&](std::size_t, std::string_view) { ++arrived; });
    clients.open_bare(bare.port(), subscribers);
    for (const std::size_t each : per_call) {
        measurement open{scenario, "frames a second, " + std::to_string(each) + " a call", name,
                         "1/s"};
        const cpu_meter cpu(bare.pid(), 0);
        for (int run = 0; run < context.runs; ++run)
            open.values.push_back(bare_open(clients, bare, arrived, each, 400 / each + 50));
        open.cpu = cpu.read();
        context.out.add(open);
    }
    if (closed) {
        measurement rounds{scenario, one_in_flight_name, name, "1/s"};
        measurement fan_out{scenario, fan_out_name, name, "1/s"};
        const cpu_meter cpu(bare.pid(), 0);
        for (int run = 0; run < context.runs; ++run) {
            const auto rates = bare_closed(clients, bare, arrived, context.window);
            rounds.values.push_back(rates.deliveries);
            fan_out.values.push_back(rates.fan_out);
        }
        rounds.cpu = cpu.read();
        context.out.add(rounds);
        context.out.add(fan_out);
    }
}

measurement measure_fan_out(const bench_context& context, subject& what, std::size_t receivers,
                            std::size_t window, swarm::transport over,
                            std::vector<double>* fan_out) {
    load on(what.port(), receivers, 1, over);
    on.subscribe_all("bench");
    on.lanes(0, {"bench"});
    closed_loop loop(on, window);
    loop.run(context.window / 2); // warm
    loop.take_fan_out_rate();
    measurement found;
    found.subject = what.name();
    found.unit = "1/s";
    const auto published = on.published();
    const auto begun = clock::now();
    const cpu_meter cpu(what.pid(), context.postgres.postmaster_pid());
    for (int run = 0; run < context.runs; ++run) {
        found.values.push_back(loop.run(context.window));
        if (fan_out)
            fan_out->push_back(loop.take_fan_out_rate());
    }
    found.cpu = cpu.read();
    found.detail["messages/s"] = static_cast<double>(on.published() - published) /
                                 std::chrono::duration<double>(clock::now() - begun).count();
    loop.finish(found);
    return found;
}

void one_in_flight(const bench_context& context) {
    measure_bare(context, "A", true, {1});
    const auto add = [&](subject& what) {
        measurement alone{"A", fan_out_name, what.name(), "1/s"};
        alone.goal = ">= 0.95 x a bare send loop";
        auto found =
            measure_fan_out(context, what, subscribers, 1, swarm::transport::plain, &alone.values);
        found.scenario = "A";
        found.name = one_in_flight_name;
        found.goal = ">= 0.95 x a bare send loop";
        context.out.add(found);
        context.out.add(alone);
    };
    add(*context.start());
    if (const auto node = context.start_node())
        add(*node);
}

void many_in_flight(const bench_context& context) {
    measure_bare(context, "B", false, {1, 8, 16, 64});
    const auto add = [&](subject& what) {
        auto found = measure_fan_out(context, what, subscribers, 64);
        found.scenario = "B";
        found.name = "deliveries, 64 in flight";
        found.goal = ">= 2,000 k/s and >= 30 x node";
        context.out.add(found);
    };
    add(*context.start());
    if (const auto node = context.start_node())
        add(*node);
}

void shards(const bench_context& context) {
    for (const char* const threads : {"1", "2"}) {
        const auto what = context.start({{"SERVER_THREADS", threads}});
        auto found = measure_fan_out(context, *what, subscribers, 64);
        found.scenario = "J";
        found.name = "deliveries, 64 in flight";
        found.subject = std::string("pgherald, shards: ") + threads;
        found.goal = ">= 1.8 x for a core added";
        // What the cores were worth: one that also runs the clients is no core added.
        found.detail["deliveries per CPU second of the server"] =
            median(found.values) / found.cpu.at("server");
        context.out.add(found);
    }
}

void burst(const bench_context& context) {
    constexpr std::uint64_t messages = 200;
    const auto add = [&](subject& what) {
        load on(what.port(), subscribers, 0);
        on.subscribe_all("bench");
        auto database = what.database().connect();
        std::uint64_t sent = 0;
        const auto once = [&] {
            const auto begun = clock::now();
            database.query(
                R"(insert into queue.message (channel, data)
                   select 'bench', ('{"p":0,"n":' || n || ',"pad":"' || repeat('x', 230) || '"}')::json
                   from generate_series($1::bigint, $2::bigint) n)",
                static_cast<std::int64_t>(sent), static_cast<std::int64_t>(sent + messages - 1));
            sent += messages;
            if (!on.swarm().run_until(clock::now() + patience,
                                      [&] { return on.deliveries() >= sent * subscribers; }))
                throw std::runtime_error("the burst did not arrive");
            return std::chrono::duration<double, std::milli>(clock::now() - begun).count();
        };
        once();
        measurement found{"C", "burst of 200 to 1,000, last delivery", what.name(), "ms"};
        found.goal = "<= 150 ms and <= 1/20 of node";
        const cpu_meter cpu(what.pid(), context.postgres.postmaster_pid());
        for (int run = 0; run < 3 * context.runs; ++run)
            found.values.push_back(once());
        found.cpu = cpu.read();
        on.count(found);
        context.out.add(found);
    };
    add(*context.start());
    if (const auto node = context.start_node())
        add(*node);
}

} // namespace bench
