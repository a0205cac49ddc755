#include "tests/chaos/faults.hpp"

#include "tests/chaos/network.hpp"
#include "tests/support/eventually.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace chaos {

namespace {

constexpr milliseconds cut_time{12'000};
/// server.drain_timeout and what else a busy machine needs.
constexpr std::chrono::seconds drain_patience{20};
/// For another try, where something sat on the port.
constexpr std::chrono::seconds start_patience{3};

/// Below those the kernel gives to outgoing connections: one of these could sit on the port, or
/// even connect to itself, while the daemon is away.
std::uint16_t free_port() {
    std::mt19937 random(std::random_device{}());
    for (int attempt = 0; attempt < 100; ++attempt) {
        const auto port =
            static_cast<std::uint16_t>(std::uniform_int_distribution(10'000, 30'000)(random));
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool free =
            ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        if (free) {
            return port;
        }
    }
    throw std::runtime_error("no free TCP port");
}

} // namespace

std::string_view name_of(fault what) {
    switch (what) {
    case fault::kill_daemon:
        return "daemon killed (SIGKILL)";
    case fault::end_daemon:
        return "daemon ended (SIGTERM)";
    case fault::stop_daemon:
        return "daemon stopped 1 to 5 s";
    case fault::crash_postgres:
        return "Postgres crashed (immediate)";
    case fault::end_backend:
        return "backend terminated";
    case fault::stop_backends:
        return "backends stopped 1 to 5 s";
    case fault::cut_listen:
        return "LISTEN cut 12 s";
    case fault::count:
        break;
    }
    return "?";
}

instance::instance(std::size_t number, support::daemon::options options, std::string log_folder)
    : number_(number),
      options_(std::move(options)),
      log_folder_(std::move(log_folder)),
      port_(free_port()) {
    options_.settings["SERVER_LISTEN"] = "127.0.0.1:" + std::to_string(port_);
    options_.wait_ready = false;
}

instance::~instance() {
    bury();
}

void instance::start() {
    std::string why;
    const bool started = support::eventually(start_patience, [&] {
        now_ = std::make_unique<support::daemon>(options_);
        if (now_->port() == port_) {
            return true;
        }
        why = now_->log();
        bury();
        return false;
    });
    if (!started) {
        throw std::runtime_error("a daemon does not start again:\n" + why);
    }
}

std::optional<int> instance::ended() {
    if (now_->running()) {
        return std::nullopt;
    }
    return now_->wait();
}

void instance::bury() {
    if (now_ && !log_folder_.empty()) {
        std::ofstream(log_folder_ + "/daemon-" + std::to_string(number_) + ".log", std::ios::app)
            << now_->log() << "--- the end of this process\n";
    }
    now_.reset();
}

faults::faults(world& world, support::postgres_server& server, std::string database,
               std::vector<std::unique_ptr<instance>>& daemons, bool with_cuts, std::uint64_t seed)
    : world_(world),
      server_(server),
      database_(std::move(database)),
      daemons_(daemons),
      with_cuts_(with_cuts),
      dice_(seed) {}

void faults::happen(std::chrono::seconds time, const std::atomic<bool>& interrupted) {
    std::vector<fault> kinds;
    for (std::size_t i = 0; i < fault_count; ++i) {
        if (possible(static_cast<fault>(i))) {
            kinds.push_back(static_cast<fault>(i));
        }
    }
    const auto end = steady::now() + time;
    // A long run has calm times too, in which everybody is live.
    const milliseconds mean(std::min<std::int64_t>(
        milliseconds(time).count() / static_cast<std::int64_t>(kinds.size() + 1), 4'000));
    std::vector<fault> deck;
    bool first_round = true;
    auto next = steady::now() + mean / 2;
    while (!interrupted) {
        if (deck.empty()) {
            first_round = first_round && happened(kinds.front()) == 0;
            deck = kinds;
            for (std::size_t i = deck.size(); i > 1; --i) {
                std::swap(deck[i - 1], deck[dice_.below(i)]);
            }
        }
        if (!first_round && steady::now() >= end) {
            break;
        }
        wait_until(first_round ? next : std::min(next, end));
        if (!first_round && steady::now() >= end) {
            break;
        }
        const fault what = deck.back();
        if (make(what)) {
            ++counts_[static_cast<std::size_t>(what)];
            deck.pop_back();
        } else {
            // Nothing there to be hurt, such as connections of a daemon that is just starting.
            wait_until(steady::now() + 50ms);
        }
        next += mean / 2 + dice_.time(0ms, mean);
        next = std::max(next, steady::now());
    }
    wait_until(end);
}

void faults::end_all() {
    make_repairs(true);
    look_after_daemons();
}

bool faults::make(fault what) {
    switch (what) {
    case fault::kill_daemon:
        return end_daemon(SIGKILL);
    case fault::end_daemon:
        return end_daemon(SIGTERM);
    case fault::stop_daemon:
        return stop_daemon();
    case fault::crash_postgres:
        say("Postgres crashes");
        server_.restart("immediate");
        say("Postgres is back");
        return true;
    case fault::end_backend:
        return end_backend();
    case fault::stop_backends:
        return stop_backends();
    case fault::cut_listen:
        return cut_listen();
    case fault::count:
        break;
    }
    return false;
}

bool faults::end_daemon(int signal) {
    const std::size_t number = dice_.below(daemons_.size());
    instance& one = *daemons_[number];
    if (!one.alive()) {
        return false;
    }
    say("signal " + std::to_string(signal) + " for daemon " + std::to_string(number));
    one.signal(signal);
    std::optional<int> code;
    support::eventually(drain_patience, [&] {
        make_repairs(false); // one that is stopped must go on to hear SIGTERM
        return (code = one.ended()).has_value();
    });
    const int wanted = signal == SIGTERM ? 0 : 128 + signal;
    if (code != wanted) {
        world_.found.add(offence::daemon_died,
                         "daemon " + std::to_string(number) + " after signal " +
                             std::to_string(signal) + ": " +
                             (code ? "exit code " + std::to_string(*code) : "does not end"));
    }
    one.bury();
    later(dice_.time(0ms, 800ms), [this, number] {
        say("daemon " + std::to_string(number) + " starts again");
        daemons_[number]->start();
    });
    return true;
}

bool faults::stop_daemon() {
    const std::size_t number = dice_.below(daemons_.size());
    instance& one = *daemons_[number];
    if (!one.alive()) {
        return false;
    }
    const auto time = dice_.time(1'000ms, 5'000ms);
    say("daemon " + std::to_string(number) + " is stopped for " + std::to_string(time.count()) +
        " ms");
    one.signal(SIGSTOP);
    later(time, [this, number, pid = one.pid()] {
        if (daemons_[number]->alive() && daemons_[number]->pid() == pid) {
            daemons_[number]->signal(SIGCONT);
        }
    });
    return true;
}

/// The daemons' connections as Postgres has them; none while it is away.
std::vector<faults::backend> faults::backends(const std::string& application) {
    std::vector<backend> all;
    try {
        support::connection db(server_.conninfo(database_) + " connect_timeout=5");
        for (const auto& row : db.query("select pid, client_port from pg_stat_activity where "
                                        "datname = current_database() and application_name like "
                                        "$1 order by pid",
                                        application)) {
            all.push_back({std::stoi(row[0].value()), std::stoi(row[1].value_or("0"))});
        }
    } catch (const support::postgres_error&) {
        // A fault of before is still at work.
    }
    return all;
}

bool faults::end_backend() {
    const auto all = backends("pgherald/%");
    if (all.empty()) {
        return false;
    }
    const backend one = all[dice_.below(all.size())];
    say("backend " + std::to_string(one.pid) + " is terminated");
    try {
        support::connection db(server_.conninfo(database_) + " connect_timeout=5");
        db.query("select pg_terminate_backend($1)", static_cast<int>(one.pid));
    } catch (const support::postgres_error&) {
        return false;
    }
    return true;
}

bool faults::stop_backends() {
    // One that reads pages is always among them: the others go on meanwhile, and what is committed
    // while a page is under way is what a join can lose.
    const auto reading = backends("pgherald/replay");
    if (reading.empty()) {
        return false;
    }
    std::vector<backend> all = {reading[dice_.below(reading.size())]};
    for (const backend& each : backends("pgherald/%")) {
        if (each.pid != all.front().pid && dice_.percent(20)) {
            all.push_back(each);
        }
    }
    const auto time = dice_.time(1'000ms, 5'000ms);
    say(std::to_string(all.size()) + " backends are stopped for " + std::to_string(time.count()) +
        " ms");
    for (const backend& each : all) {
        ::kill(each.pid, SIGSTOP);
    }
    later(time, [all] {
        for (const backend& each : all) {
            ::kill(each.pid, SIGCONT);
        }
    });
    return true;
}

bool faults::cut_listen() {
    const auto all = backends("pgherald/listen");
    if (all.empty()) {
        return false;
    }
    const int port = all[dice_.below(all.size())].client_port;
    say("LISTEN on port " + std::to_string(port) + " is cut");
    if (!cut(port)) {
        mend(port);
        return false;
    }
    later(cut_time, [port] { mend(port); });
    return true;
}

void faults::later(milliseconds after, std::function<void()> make) {
    repairs_.push_back({steady::now() + after, std::move(make)});
}

void faults::wait_until(steady::time_point time) {
    do {
        make_repairs(false);
        look_after_daemons();
        std::this_thread::sleep_for(
            std::clamp<steady::duration>(time - steady::now(), 0ms, milliseconds(20)));
    } while (steady::now() < time);
}

void faults::make_repairs(bool all) {
    while (true) {
        const auto due = std::ranges::find_if(
            repairs_, [&](const repair& each) { return all || each.due <= steady::now(); });
        if (due == repairs_.end()) {
            return;
        }
        const auto make = std::move(due->make);
        repairs_.erase(due);
        make();
    }
}

void faults::look_after_daemons() {
    for (std::size_t number = 0; number < daemons_.size(); ++number) {
        instance& one = *daemons_[number];
        if (!one.alive()) {
            continue; // its start is among the repairs
        }
        if (const auto code = one.ended()) {
            const std::string log = one.log();
            world_.found.add(offence::daemon_died,
                             "daemon " + std::to_string(number) +
                                 " ended by itself with exit code " + std::to_string(*code) +
                                 " at " + std::to_string(world_.seconds()) + " s; its log ends:\n" +
                                 log.substr(log.size() - std::min<std::size_t>(log.size(), 1'500)));
            one.bury();
            one.start();
        }
    }
}

void faults::say(const std::string& what) const {
    if (world_.verbose) {
        std::fprintf(stderr, "%8.2f s  %s\n", world_.seconds(), what.c_str());
    }
}

} // namespace chaos
