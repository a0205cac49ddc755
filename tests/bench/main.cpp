#include "tests/bench/scenarios.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

struct scenario {
    std::string_view name;
    std::string_view what;
    void (*run)(const bench::bench_context&);
};

constexpr scenario scenarios[] = {
    {"A", "1 channel, 1,000 subscribers, 1 message in flight", bench::one_in_flight},
    {"B", "the same, 64 in flight", bench::many_in_flight},
    {"C", "burst of 200 messages to 1,000 subscribers", bench::burst},
    {"D", "acknowledged durable publishes", bench::durable_publishes},
    {"E", "many channels", bench::many_channels},
    {"F", "INSERT to frame", bench::insert_to_frame},
    {"G", "10,000 idle sockets", bench::idle_sockets},
    {"H", "TLS: B and G again", bench::over_tls},
    {"I", "5,000 sockets reconnect", bench::reconnect_storm},
    {"J", "two shards against one", bench::shards},
    {"K", "start to first delivery", bench::start_to_first},
    {"costs", "how cost grows with subscribers, channels, size and publishers", bench::costs},
};

int usage(const char* program) {
    std::fprintf(stderr,
                 "usage: %s --daemon FILE --out FILE [--node SCRIPT] [--runs N] [--window MS] "
                 "[SCENARIO...]\n",
                 program);
    for (const scenario& each : scenarios)
        std::fprintf(stderr, "  %s  %s\n", each.name.data(), each.what.data());
    return 64;
}

void raise_descriptor_limit() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

} // namespace

int main(int argc, char** argv) {
    std::string daemon, out, node;
    int runs = 3;
    std::chrono::milliseconds window{2'000};
    std::vector<std::string_view> wanted;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (!word.starts_with("--")) {
            wanted.push_back(word);
            continue;
        }
        if (value == nullptr)
            return usage(argv[0]);
        ++i;
        if (word == "--daemon")
            daemon = value;
        else if (word == "--out")
            out = value;
        else if (word == "--node")
            node = value;
        else if (word == "--runs")
            runs = std::max(1, std::atoi(value));
        else if (word == "--window")
            window = std::chrono::milliseconds(std::max(100, std::atoi(value)));
        else
            return usage(argv[0]);
    }
    const auto known = [](std::string_view name) {
        return std::ranges::find(scenarios, name, &scenario::name) != std::end(scenarios);
    };
    if (daemon.empty() || out.empty() || !std::ranges::all_of(wanted, known))
        return usage(argv[0]);

    raise_descriptor_limit();
    try {
        support::postgres_server postgres(
            {.fsync = true, .settings = {{"autovacuum", "on"}, {"autovacuum_naptime", "5s"}}});
        bench::results results(out);
        const bench::bench_context context{daemon, node, window, runs, postgres, results};
        for (const scenario& each : scenarios) {
            if (!wanted.empty() && std::ranges::find(wanted, each.name) == wanted.end())
                continue;
            std::fprintf(stderr, "%s: %s\n", each.name.data(), each.what.data());
            each.run(context);
        }
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
