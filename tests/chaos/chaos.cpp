// Nothing lost, nothing twice, in order, while everything breaks. Followers, consumers, publishers
// and SQL writers work on one database through two daemons; a seed decides what is killed, stopped
// and cut meanwhile. In the end what everybody was given is compared with the table.
//
// Exit codes: 0 all was kept, 1 something was not, 2 the run proves nothing (it could not be set
// up, or a kind of fault never happened). docs/guarantees.md says what it is good for.
#include "tests/chaos/client.hpp"
#include "tests/chaos/faults.hpp"
#include "tests/chaos/network.hpp"
#include "tests/chaos/report.hpp"
#include "tests/chaos/writer.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/private_network.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

namespace chaos {
namespace {

constexpr int all_kept = 0;
constexpr int broken = 1;
constexpr int proves_nothing = 2;

constexpr unsigned writers = 12;
constexpr unsigned followers = 36;
constexpr unsigned consumers = 6;
constexpr unsigned publishers = 4;
constexpr std::chrono::seconds catch_up_patience{90};

struct options {
    std::uint64_t seed = std::random_device{}();
    std::chrono::seconds time{30};
    std::string sabotage = "none";
    std::string binary;
    std::string logs;
    bool consumers = true;
    bool verbose = false;
    bool expect_failure = false;
};

constexpr const char* usage =
    "usage: chaos [--seed N] [--seconds N] [--sabotage none|sequence|join|catchup]\n"
    "             [--binary PATH] [--logs FOLDER] [--no-consumers] [--expect-failure] [--verbose]\n"
    "  --binary          the daemon to test instead of the one it was built with\n"
    "  --logs            an existing folder that the logs of daemons and Postgres are written to\n"
    "  --expect-failure  exit code 0 if and only if messages were lost\n";

std::optional<options> parse(int argc, char** argv) {
    options out;
    const auto number = [](const char* text, auto& to) {
        const char* const end = text + std::strlen(text);
        const auto [stopped, error] = std::from_chars(text, end, to);
        return error == std::errc() && stopped == end;
    };
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (name == "--no-consumers") {
            out.consumers = false;
        } else if (name == "--expect-failure") {
            out.expect_failure = true;
        } else if (name == "--verbose") {
            out.verbose = true;
        } else if (value == nullptr) {
            return std::nullopt;
        } else {
            ++i;
            std::int64_t seconds = 0;
            if (name == "--seed") {
                if (!number(value, out.seed)) {
                    return std::nullopt;
                }
            } else if (name == "--seconds") {
                if (!number(value, seconds) || seconds < 1) {
                    return std::nullopt;
                }
                out.time = std::chrono::seconds(seconds);
            } else if (name == "--sabotage") {
                out.sabotage = value;
            } else if (name == "--binary") {
                out.binary = value;
            } else if (name == "--logs") {
                out.logs = value;
            } else {
                return std::nullopt;
            }
        }
    }
    if (out.sabotage == "join" && out.binary.empty()) {
        out.binary = PGHERALD_SABOTAGED_JOIN;
    } else if (out.sabotage == "catchup" && out.binary.empty()) {
        out.binary = PGHERALD_SABOTAGED_CATCHUP;
    } else if (out.binary.empty()) {
        out.binary = PGHERALD_BINARY;
    }
    for (const char* known : {"none", "sequence", "join", "catchup"}) {
        if (out.sabotage == known) {
            return out;
        }
    }
    return std::nullopt;
}

/// Names that meet every quoting on the way: SQL, JSON, NOTIFY, arrays.
std::vector<std::string> channel_names() {
    return {"sports",
            "Sports",
            "with space",
            R"(quo"te)",
            "it's",
            R"(back\slash)",
            "comma,semi;colon--",
            "{brace}",
            "$1 %s",
            "NULL",
            "queue_message", // rings the doorbell with a payload
            "Ünïcödé",
            "\xF0\x9F\xA6\x89 owl",
            std::string(63, 's'),
            std::string(255, 'l'),
            "/"};
}

std::atomic<bool> interrupted = false;

/// Numbers as an ordinary sequence gives them; what is committed still rings.
void use_a_plain_sequence(support::connection& db) {
    db.exec("alter table queue.message disable trigger user;"
            "alter table queue.message alter column seq set default nextval('queue.message_seq');"
            "create function chaos_ring() returns trigger language plpgsql as "
            "$$ begin perform pg_notify('queue_message', ''); return null; end $$;"
            "create trigger chaos_ring after insert on queue.message "
            "for each statement execute function chaos_ring()");
}

/// Acknowledgements that go back are written down, as the server won't tell.
void watch_progress(support::connection& db) {
    db.exec("create table chaos_step_back (channel text, name text, before bigint, after bigint);"
            "create function chaos_note_step_back() returns trigger language plpgsql as "
            "$$ begin insert into chaos_step_back "
            "values (old.channel, old.name, old.acked_seq, new.acked_seq); return new; end $$;"
            "create trigger chaos_note_step_back before update on queue.consumer for each row "
            "when (new.acked_seq < old.acked_seq) execute function chaos_note_step_back()");
}

/// One row in every channel, after all others; their seqs.
std::vector<seq> mark(support::connection& db, const std::vector<std::string>& channels) {
    db.exec("insert into queue.message (channel, data) select name, '\"the end\"' "
            "from chaos_channel");
    std::vector<seq> seqs;
    for (const std::string& channel : channels) {
        seqs.push_back(std::stoll(
            db.value("select max(seq) from queue.message where channel = $1", channel).value()));
    }
    return seqs;
}

table read_table(support::connection& db, const std::vector<std::string>& channels,
                 const std::vector<publication>& published) {
    table truth;
    truth.channels.resize(channels.size());
    for (const publication& each : published) {
        truth.by_id[each.id] = {channels.size(), 0, 0};
    }
    for (std::size_t channel = 0; channel < channels.size(); ++channel) {
        auto& rows = truth.channels[channel];
        while (true) {
            const auto page =
                db.query("select seq, id, coalesce(data::text, 'null') from queue.message "
                         "where channel = $1 and seq > $2 order by seq limit 2000",
                         channels[channel], rows.empty() ? 0 : rows.back().seq);
            for (const auto& row : page) {
                const message read{std::stoll(*row[0]), content_of(*row[1], *row[2])};
                rows.push_back(read);
                if (const auto known = truth.by_id.find(*row[1]); known != truth.by_id.end()) {
                    known->second = {channel, read.seq, read.content};
                }
            }
            if (page.empty()) {
                break;
            }
        }
    }
    std::erase_if(truth.by_id,
                  [&](const auto& each) { return each.second.channel == channels.size(); });
    return truth;
}

class run {
public:
    explicit run(const options& options)
        : options_(options),
          random_(options.seed),
          world_(channel_names()) {
        world_.verbose = options.verbose;
        // A short run has less time to find something in: fewer calm moments.
        world_.longest_calm = std::clamp(milliseconds(options.time) / 6, 800ms, 4'000ms);
    }

    int perform();
    /// After perform() threw, when threads may still be at work: ends what would outlive them.
    void abandon();

private:
    void set_up();
    void load();
    void settle();
    void compare();
    void keep_logs();
    result results() const;
    int verdict() const;

    options options_;
    dice random_;
    world world_;
    std::unique_ptr<support::postgres_server> server_;
    std::unique_ptr<support::database> database_;
    std::vector<std::unique_ptr<instance>> daemons_;
    std::unique_ptr<faults> faults_;
    std::vector<std::unique_ptr<follower>> followers_;
    std::vector<std::unique_ptr<consumer>> consumers_;
    std::vector<std::unique_ptr<publisher>> publishers_;
    std::vector<std::thread> client_threads_;
    std::vector<std::thread> writer_threads_;
    double caught_up_in_ = 0;
    std::size_t rows_ = 0;
};

int run::perform() {
    std::printf("chaos: seed %llu, %lld s, sabotage %s, %s\n",
                static_cast<unsigned long long>(options_.seed),
                static_cast<long long>(options_.time.count()), options_.sabotage.c_str(),
                options_.binary.c_str());
    std::fflush(stdout);
    set_up();
    load();
    settle();
    compare();
    keep_logs();
    report(world_, results());
    return verdict();
}

void run::abandon() {
    for (const auto& daemon : daemons_) {
        if (daemon->alive()) {
            daemon->signal(SIGKILL);
        }
    }
}

void run::set_up() {
    const bool private_network = support::enter_private_network().empty();
    const bool with_cuts = private_network && can_cut();
    server_ = std::make_unique<support::postgres_server>(
        support::server_options{.tcp = true,
                                .fsync = true,
                                .settings = {{"autovacuum", "on"}, {"autovacuum_naptime", "5s"}}});
    if (private_network) {
        keep_free(server_->tcp_port());
    }
    database_ = std::make_unique<support::database>(*server_, support::database::content::empty);
    world_.conninfo = database_->conninfo();
    for (std::size_t number = 0; number < world::daemons; ++number) {
        // One has nothing in memory and little room, so that most is read in pages. What the
        // sabotaged join breaks are only these.
        const bool has_tail = number == 0 && options_.sabotage != "join";
        support::daemon::options daemon{
            .dsn = server_->tcp_conninfo(database_->name()),
            .settings = {{"POSTGRES_MIGRATE", "true"},
                         {"MESSAGES_TAIL", has_tail ? "256KiB" : "0"},
                         {"WEBSOCKET_OUTBOX", number == 0 ? "64KiB" : "16KiB"},
                         {"SERVER_DRAIN_TIMEOUT", "3s"},
                         {"LOG_LEVEL", options_.logs.empty() ? "info" : "debug"}},
            .binary = options_.binary};
        daemons_.push_back(std::make_unique<instance>(number, std::move(daemon), options_.logs));
        daemons_.back()->start();
        world_.ports[number] = daemons_.back()->port();
    }
    for (const auto& daemon : daemons_) {
        if (!support::eventually(30s, [&] { return daemon->ready(); })) {
            throw std::runtime_error("a daemon does not become ready:\n" + daemon->log());
        }
    }
    auto db = database_->connect();
    prepare_writers(db, world_.channels);
    watch_progress(db);
    if (options_.sabotage == "sequence") {
        use_a_plain_sequence(db);
    }
    faults_ = std::make_unique<faults>(world_, *server_, database_->name(), daemons_, with_cuts,
                                       random_.bits());
}

void run::load() {
    std::vector<client*> clients;
    for (unsigned i = 0; i < followers; ++i) {
        // Every channel has some, and most followers have several channels.
        std::vector<std::size_t> channels = {i % world_.channels.size()};
        while (channels.size() < 1 + i % 3) {
            const std::size_t more = random_.below(world_.channels.size());
            if (std::ranges::find(channels, more) == channels.end()) {
                channels.push_back(more);
            }
        }
        followers_.push_back(std::make_unique<follower>(world_, "follower " + std::to_string(i),
                                                        random_.bits(), channels));
        clients.push_back(followers_.back().get());
    }
    for (unsigned i = 0; options_.consumers && i < consumers; ++i) {
        consumers_.push_back(std::make_unique<consumer>(world_, "consumer " + std::to_string(i),
                                                        random_.bits(),
                                                        random_.below(world_.channels.size())));
        clients.push_back(consumers_.back().get());
    }
    for (unsigned i = 0; i < publishers; ++i) {
        publishers_.push_back(
            std::make_unique<publisher>(world_, "publisher " + std::to_string(i), random_.bits()));
        clients.push_back(publishers_.back().get());
    }
    for (client* each : clients) {
        // Some come when there is something to read already.
        const milliseconds late(
            random_.percent(40) ? random_.between(0, milliseconds(options_.time).count() / 2) : 0);
        client_threads_.emplace_back([this, each, late] {
            if (late.count() > 0) {
                world_.pause(late);
            }
            each->run();
        });
    }
    for (unsigned i = 0; i < writers; ++i) {
        writer_threads_.emplace_back(write_rows, std::ref(world_), i, random_.bits());
    }
    faults_->happen(options_.time, interrupted);
}

/// No more faults, no more rows: everybody gets what is still owed, within a deadline.
void run::settle() {
    world_.enter(world::stage::settle);
    const auto begun = steady::now();
    faults_->end_all();
    for (std::thread& each : writer_threads_) {
        each.join();
    }
    std::vector<client*> clients;
    const auto gather = [&](const auto& some) {
        for (const auto& each : some) {
            clients.push_back(each.get());
        }
    };
    gather(publishers_);
    const auto satisfied = [&] {
        return std::ranges::all_of(clients, [](const client* each) { return each->satisfied(); });
    };
    // What is still being published comes before the mark.
    support::eventually(begun + catch_up_patience, satisfied);

    auto db = database_->connect();
    const std::vector<seq> goals = mark(db, world_.channels);
    for (std::size_t i = 0; i < goals.size(); ++i) {
        world_.goals[i] = goals[i];
    }
    gather(followers_);
    gather(consumers_);
    // A daemon that lost a ring or a row only notices with the next one.
    auto next_mark = steady::now() + 2s;
    support::eventually(begun + catch_up_patience, [&] {
        if (steady::now() >= next_mark) {
            mark(db, world_.channels);
            next_mark = steady::now() + 2s;
        }
        return satisfied();
    });
    caught_up_in_ = std::chrono::duration<double>(steady::now() - begun).count();
    for (const client* each : clients) {
        if (!each->satisfied()) {
            std::printf("%s did not catch up within %lld s\n", each->name().c_str(),
                        static_cast<long long>(catch_up_patience.count()));
        }
    }
    world_.pause(500ms); // what comes twice comes now
    world_.enter(world::stage::done);
    for (std::thread& each : client_threads_) {
        each.join();
    }
}

void run::compare() {
    std::vector<publication> published;
    for (const auto& each : publishers_) {
        std::ranges::move(each->take_publications(), std::back_inserter(published));
    }
    auto db = database_->connect();
    const table truth = read_table(db, world_.channels, published);
    rows_ = truth.rows();
    for (const publication& each : published) {
        chaos::compare(each, world_.channels, truth, world_.found);
    }
    for (const auto& each : followers_) {
        for (const trail& seen : each->take_trails()) {
            const seq goal = world_.goals[seen.channel];
            chaos::compare(seen, world_.channels, truth, goal, world_.found);
            if (seen.final && !seen.begin) {
                world_.found.add(offence::lost, seen.who + " never got into " +
                                                    shown(world_.channels[seen.channel]));
            }
        }
    }
    for (const auto& each : consumers_) {
        const consumer_trail seen = each->take_trail();
        const seq goal = world_.goals[seen.channel];
        chaos::compare(seen, world_.channels, truth, goal, world_.found);
        if (!each->satisfied() && seen.acknowledged >= goal) {
            world_.found.add(offence::progress, seen.who + ": its last ack was not stored");
        }
    }
    for (const auto& row : db.query("select channel, name, before, after from chaos_step_back")) {
        world_.found.add(offence::progress, *row[1] + " of " + shown(*row[0]) + " went back from " +
                                                *row[2] + " to " + *row[3]);
    }
}

void run::keep_logs() {
    if (!options_.logs.empty()) {
        daemons_.clear();
        std::ofstream(options_.logs + "/postgres.log") << server_->log();
    }
}

result run::results() const {
    return {.faults = *faults_,
            .rows = rows_,
            .followers = followers_.size(),
            .consumers = consumers_.size(),
            .caught_up_in = caught_up_in_};
}

int run::verdict() const {
    const auto lost = world_.found.count(offence::lost);
    const auto seed = static_cast<unsigned long long>(options_.seed);
    if (options_.expect_failure) {
        std::printf("verdict: sabotage %s, seed %llu: %s\n", options_.sabotage.c_str(), seed,
                    lost > 0 ? "messages were lost, as they must be" : "NOTHING WAS LOST");
        return lost > 0 ? all_kept : broken;
    }
    if (world_.found.any()) {
        std::printf("verdict: BROKEN, seed %llu\n", seed);
        return broken;
    }
    if (const std::string what = missing(world_, results()); !what.empty()) {
        std::printf("verdict: proves nothing, seed %llu: there were no %s\n", seed, what.c_str());
        return proves_nothing;
    }
    std::printf("verdict: kept, seed %llu\n", seed);
    return all_kept;
}

} // namespace
} // namespace chaos

int main(int argc, char** argv) {
    const auto options = chaos::parse(argc, argv);
    if (!options) {
        std::fputs(chaos::usage, stderr);
        return chaos::proves_nothing;
    }
    // Ended early, it still compares and reports, and leaves no process behind.
    for (const int number : {SIGINT, SIGTERM}) {
        std::signal(number, [](int) { chaos::interrupted = true; });
    }
    auto run = std::make_unique<chaos::run>(*options);
    try {
        return run->perform();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "chaos: could not run: %s\n", error.what());
        run->abandon();
        // No destructors: they would wait for threads. Postgres has a guard of its own.
        std::fflush(nullptr);
        std::_Exit(chaos::proves_nothing);
    }
}
