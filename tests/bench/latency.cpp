#include "tests/bench/load.hpp"
#include "tests/bench/scenarios.hpp"
#include "tests/support/eventually.hpp"

#include <libpq-fe.h>

#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace bench {

namespace {

constexpr std::size_t listeners = 10;
constexpr auto interval = std::chrono::milliseconds(10);

double ms(clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

/// The p50 and p99 of runs, each with its own row.
void add_percentiles(const bench_context& context, measurement row,
                     const std::vector<std::vector<double>>& runs, const std::string& goal50,
                     const std::string& goal99) {
    const std::string work = row.name;
    for (const auto& [share, title, goal] :
         {std::tuple(0.5, "p50", goal50), std::tuple(0.99, "p99", goal99)}) {
        row.name = work + ", " + title;
        row.goal = goal;
        row.values.clear();
        for (const auto& run : runs)
            row.values.push_back(percentile(run, share));
        context.out.add(row);
    }
}

/// INSERTs by plain SQL at a fixed rate, and when their notification and their frames are there.
struct paced {
    std::vector<std::vector<double>> notified; ///< one list a run
    std::vector<std::vector<double>> framed;
    measurement row;
};

paced measure_paced(const bench_context& context, subject& what, const std::string& listen) {
    load on(what.port(), listeners, 0);
    on.subscribe_all("bench");
    auto writer = what.database().connect();
    auto listener = what.database().connect();
    listener.exec("listen " + listen);
    PGconn* const writing = writer.native();
    PGresult* const prepared =
        PQprepare(writing, "put", "insert into queue.message (channel, data) values ('bench', $1)",
                  1, nullptr);
    PQclear(prepared);
    PQsetnonblocking(writing, 1);

    paced found;
    found.row.subject = what.name();
    found.row.unit = "ms";
    std::vector<clock::time_point> due; ///< when each message was to be sent
    std::size_t notifications = 0;
    std::size_t run_begins = 0;
    bool writing_now = false;
    on.delivered = [&](std::size_t, const stamp& one) {
        if (!found.framed.empty() && one.number >= run_begins)
            found.framed.back().push_back(ms(clock::now() - due[one.number]));
    };
    on.swarm().watch(PQsocket(listener.native()), [&] {
        for (const auto& ring : listener.notifications()) {
            (void)ring;
            if (!found.notified.empty() && notifications >= run_begins)
                found.notified.back().push_back(ms(clock::now() - due[notifications]));
            ++notifications;
        }
    });
    on.swarm().watch(PQsocket(writing), [&] {
        PQconsumeInput(writing);
        while (writing_now && !PQisBusy(writing)) {
            PGresult* const answer = PQgetResult(writing);
            writing_now = answer != nullptr;
            PQclear(answer);
        }
    });
    const auto go_on = [&](int messages) {
        auto next = clock::now() + interval;
        for (int i = 0; i < messages; ++i, next += interval) {
            on.swarm().run_until(next, [] { return false; });
            on.swarm().run_until(next + patience, [&] { return !writing_now; });
            const std::string data = stamped_data({0, due.size()}, 256);
            const char* const values[] = {data.c_str()};
            due.push_back(next);
            writing_now = PQsendQueryPrepared(writing, "put", 1, values, nullptr, nullptr, 0) == 1;
            PQflush(writing);
        }
        const bool all = on.swarm().run_until(clock::now() + patience, [&] {
            return notifications == due.size() && on.deliveries() == due.size() * listeners;
        });
        if (!all)
            throw std::runtime_error("not every message arrived");
    };
    go_on(100);
    const cpu_meter cpu(what.pid(), context.postgres.postmaster_pid());
    for (int run = 0; run < context.runs; ++run) {
        found.framed.emplace_back();
        found.notified.emplace_back();
        run_begins = due.size();
        go_on(static_cast<int>(2 * context.window / interval));
    }
    found.row.cpu = cpu.read();
    on.count(found.row);
    return found;
}

/// Connects until the server takes it and the first message is there; false: not yet.
bool try_first_message(int port) {
    const int socket = connect_to(port);
    if (socket < 0)
        return false;
    const auto exchange = [&] {
        std::string ask = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n";
        const std::string subscribe =
            R"({"type":"subscribe","ref":1,"channel":"bench","after":"start"})";
        ask += "\x81";
        ask.push_back(static_cast<char>(0x80 | subscribe.size()));
        ask.append(4, '\0').append(subscribe);
        if (::send(socket, ask.data(), ask.size(), MSG_NOSIGNAL) < 0)
            return false;
        std::string got;
        char bytes[4096];
        while (got.find(R"({"type":"message")") == got.npos) {
            const ssize_t more = recv(socket, bytes, sizeof bytes, 0);
            if (more <= 0)
                return false;
            got.append(bytes, static_cast<std::size_t>(more));
            if (!got.starts_with("HTTP/1.1 101") && got.size() > 12)
                return false;
        }
        return true;
    };
    const bool done = exchange();
    close(socket);
    return done;
}

} // namespace

void insert_to_frame(const bench_context& context) {
    {
        const auto what = context.start();
        auto found = measure_paced(context, *what, "queue_message");
        found.row.scenario = "F";
        found.row.name = "100/s to 10, INSERT due to frame";
        add_percentiles(context, found.row, found.framed, "<= libpq + 0.5 ms", "<= libpq + 1.5 ms");
        auto libpq = found.row;
        libpq.subject = "libpq";
        libpq.cpu.clear();
        libpq.name = "100/s to 10, INSERT due to notification";
        add_percentiles(context, libpq, found.notified, "", "");
    }
    if (const auto node = context.start_node()) {
        auto found = measure_paced(context, *node, "bench");
        found.row.scenario = "F";
        found.row.name = "100/s to 10, INSERT due to frame";
        add_percentiles(context, found.row, found.framed, "", "");
    }
    const auto what = context.start();
    load on(what->port(), listeners, 0);
    on.subscribe_all("bench");
    measurement rest{"F", "CPU at rest, 10 subscribers", what->name(), "%"};
    rest.goal = "< 0.5 %";
    for (int run = 0; run < context.runs; ++run) {
        const cpu_meter cpu(what->pid(), 0);
        on.swarm().run_for(4 * context.window);
        rest.values.push_back(100 * cpu.read().at("server"));
    }
    context.out.add(rest);
}

void start_to_first(const bench_context& context) {
    support::database database(context.postgres);
    database.exec("insert into queue.message (channel, data) values ('bench', '1')");
    measurement found{"K", "start of the program to first delivery", "pgherald", "ms"};
    found.goal = "< 150 ms";
    for (int run = 0; run < 3 * context.runs; ++run) {
        const int port = free_port();
        const auto begun = clock::now();
        const child daemon({context.daemon, "serve"},
                           {"PGHERALD_POSTGRES_DSN=" + database.conninfo(),
                            "PGHERALD_SERVER_LISTEN=127.0.0.1:" + std::to_string(port)});
        bool arrived = false;
        support::eventually(patience, [&] {
            arrived = try_first_message(port);
            return arrived || !daemon.running();
        });
        if (!arrived)
            throw std::runtime_error("the daemon did not start:\n" + daemon.output());
        found.values.push_back(ms(clock::now() - begun));
    }
    context.out.add(found);
}

} // namespace bench
