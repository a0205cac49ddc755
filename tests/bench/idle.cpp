#include "tests/bench/fan_out.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/scenarios.hpp"
#include "tests/support/certificate.hpp"

namespace bench {

namespace {

void measure_idle(const bench_context& context, subject& what, std::size_t sockets,
                  swarm::transport over, measurement memory, const std::string& rest_goal) {
    memory.unit = "KiB";
    memory.subject = what.name();
    {
        load warm(what.port(), 100, 0, over);
        warm.subscribe_all("bench");
    }
    const long before = resident_kib(what.pid());
    load on(what.port(), sockets, 0, over);
    on.subscribe_all("bench");
    on.swarm().run_for(context.window);
    const long after = resident_kib(what.pid());
    memory.values = {static_cast<double>(after - before) / static_cast<double>(sockets)};
    context.out.add(memory);

    measurement rest{memory.scenario, "CPU at rest, same sockets", what.name(), "%"};
    rest.goal = rest_goal;
    for (int run = 0; run < context.runs; ++run) {
        const cpu_meter cpu(what.pid(), 0);
        on.swarm().run_for(2 * context.window);
        rest.values.push_back(100 * cpu.read().at("server"));
    }
    context.out.add(rest);
}

} // namespace

void idle_sockets(const bench_context& context) {
    constexpr std::size_t sockets = 9'900; // with what else is open, below the usual limit
    measurement memory{"G", "memory of an idle subscribed socket", "", ""};
    memory.goal = "<= 4 KiB";
    measure_idle(context, *context.start(), sockets, swarm::transport::plain, memory, "< 1 %");
    if (const auto node = context.start_node()) {
        memory.goal.clear();
        measure_idle(context, *node, sockets, swarm::transport::plain, memory, "");
    }
}

void over_tls(const bench_context& context) {
    const support::certificate_files files(support::make_certificate("localhost"));
    const auto start = [&] {
        return context.start({{"TLS_CERTIFICATE", files.pem()}, {"TLS_KEY", files.key()}},
                             swarm::transport::tls);
    };
    for (const auto over : {swarm::transport::plain, swarm::transport::tls}) {
        const bool secure = over == swarm::transport::tls;
        measure_bare(context, "H", false, {64}, over);
        const auto what = secure ? start() : context.start();
        auto found = measure_fan_out(context, *what, 1'000, 64, over);
        found.scenario = "H";
        found.name = "deliveries, 64 in flight";
        found.subject = secure ? "pgherald, TLS" : "pgherald";
        found.goal = secure ? ">= 0.6 x plain" : "";
        context.out.add(found);
    }
    constexpr std::size_t sockets = 9'900;
    measurement memory{"H", "memory of an idle subscribed socket", "", ""};
    memory.goal = "<= 25 KiB";
    measure_idle(context, *start(), sockets, swarm::transport::tls, memory, "< 1 %");
}

} // namespace bench
