#include "tests/bench/load.hpp"
#include "tests/bench/scenarios.hpp"

namespace bench {

namespace {

struct shape {
    std::size_t receivers = 1;
    std::size_t channels = 8;
    bool everybody_on_each = true; ///< else every channel has one of the receivers
    std::size_t data_bytes = 256;
    std::size_t publishers = 8;
    std::size_t window = 64;
};

struct cost_of_a_message {
    double messages; ///< a second
    double server_us;
    double postgres_us;
};

/// Publishes at full speed; the CPU time of one message.
cost_of_a_message cost_of(const bench_context& context, const shape& of) {
    const auto what = context.start();
    load on(what->port(), of.receivers, of.publishers);
    on.data_bytes(of.data_bytes);
    std::vector<std::vector<std::string>> lanes(of.publishers);
    for (std::size_t i = 0; i < of.channels; ++i) {
        const std::string channel = "c" + std::to_string(i);
        lanes[i % of.publishers].push_back(channel);
        if (!of.everybody_on_each)
            on.subscribe(i % of.receivers, channel);
        for (std::size_t who = 0; of.everybody_on_each && who < of.receivers; ++who)
            on.subscribe(who, channel);
    }
    on.confirm();
    for (std::size_t who = 0; who < of.publishers; ++who)
        on.lanes(who, std::move(lanes[who]));
    publishing flow(on, of.publishers, of.window);
    flow.run(context.window / 4);
    const cpu_meter cpu(what->pid(), context.postgres.postmaster_pid());
    const double rate = flow.run(context.window);
    const auto used = cpu.read();
    flow.finish();
    return {rate, 1e6 * used.at("server") / rate, 1e6 * used.at("postgres") / rate};
}

/// Measures `shapes` at the points of one axis and draws the daemon's and Postgres' share.
template <typename Shape>
void draw(const bench_context& context, const std::string& axis,
          const std::vector<std::size_t>& points, Shape shape_at) {
    series rate{"messages a second by " + axis, axis, "messages/s", "pgherald"};
    series server{"CPU of a message by " + axis, axis, "us CPU", "pgherald"};
    series postgres{"CPU of a message by " + axis, axis, "us CPU", "Postgres"};
    for (const std::size_t each : points) {
        const auto at = static_cast<double>(each);
        const cost_of_a_message found = cost_of(context, shape_at(each));
        rate.points.emplace_back(at, found.messages);
        server.points.emplace_back(at, found.server_us);
        postgres.points.emplace_back(at, found.postgres_us);
    }
    context.out.add(rate);
    context.out.add(server);
    context.out.add(postgres);
}

} // namespace

void costs(const bench_context& context) {
    draw(context, "subscribers of a channel", {1, 10, 100, 1'000, 4'000}, [](std::size_t count) {
        return shape{.receivers = count, .channels = 1, .publishers = 1};
    });
    draw(context, "channels", {10, 100, 1'000, 10'000, 50'000}, [](std::size_t count) {
        return shape{.receivers = 10, .channels = count, .everybody_on_each = false};
    });
    draw(context, "bytes of data", {16, 256, 1'024, 4'096, 16'384, 49'152},
         [](std::size_t bytes) { return shape{.data_bytes = bytes}; });
    draw(context, "publishers", {1, 2, 4, 8, 16, 64},
         [](std::size_t count) { return shape{.channels = count, .publishers = count}; });
}

} // namespace bench
