#include "tests/bench/scenarios.hpp"
#include "tests/bench/tally.hpp"

#include <stdexcept>

namespace bench {

namespace {

constexpr std::size_t sockets = 5'000;
constexpr std::uint64_t behind = 100;

std::uint64_t transactions(support::database& database) {
    database.query("select pg_sleep(1.1)"); // backends tell their numbers at most once a second
    return std::stoull(*database.value(
        "select xact_commit from pg_stat_database where datname = current_database()"));
}

} // namespace

void reconnect_storm(const bench_context& context) {
    const auto what = context.start();
    support::database& database = what->database();
    measurement found{"I", "5,000 sockets resume 100 messages back, all live", "pgherald", "ms"};
    found.goal = "< 2,000 ms";
    measurement queries{"I", "Postgres transactions for that", "pgherald", "queries"};
    queries.goal = "<= 20 queries";
    std::uint64_t sent = 0;
    for (int run = 0; run < context.runs; ++run) {
        const auto head = *database.value("select queue.head()");
        database.query(
            R"(insert into queue.message (channel, data)
               select 'bench', ('{"p":0,"n":' || n || ',"pad":"' || repeat('x', 230) || '"}')::json
               from generate_series(0, $1::bigint - 1) n)",
            static_cast<std::int64_t>(behind));
        sent += behind;
        const auto reads = what->daemon().metric("pgherald_replay_reads_total");
        const std::uint64_t queries_before = transactions(database);

        swarm clients;
        stamp_finder finder;
        std::vector<tally> tallies(sockets);
        std::uint64_t deliveries = 0;
        std::size_t live = 0;
        clients.on_frame([&](std::size_t who, std::string_view text) {
            if (const auto one = finder.find(text)) {
                ++deliveries;
                tallies[who].take(*one);
            } else if (text.starts_with(R"({"type":"live")")) {
                ++live;
            } else if (text.starts_with(R"({"type":"welcome")")) {
                clients.send(who, R"({"type":"subscribe","channel":"bench","after":)" + head + "}");
            } else if (text.starts_with(R"({"type":"reset")") ||
                       text.starts_with(R"({"type":"error")")) {
                throw std::runtime_error("a resuming client got " + std::string(text));
            }
        });
        const cpu_meter cpu(what->pid(), context.postgres.postmaster_pid());
        const auto begun = clock::now();
        clients.open(what->port(), sockets);
        if (!clients.run_until(clock::now() + patience, [&] { return live == sockets; }))
            throw std::runtime_error("not all were live in time");
        found.values.push_back(
            std::chrono::duration<double, std::milli>(clock::now() - begun).count());
        found.cpu = cpu.read();
        for (const tally& each : tallies) {
            found.add(each);
            found.lost += behind - std::min(behind, each.taken());
        }
        queries.values.push_back(static_cast<double>(transactions(database) - queries_before));
        queries.detail["replay reads"] =
            what->daemon().metric("pgherald_replay_reads_total") - reads;
    }
    context.out.add(found);
    context.out.add(queries);
}

} // namespace bench
