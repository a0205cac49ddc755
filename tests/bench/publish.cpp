#include "tests/bench/bare.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/scenarios.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>

namespace bench {

namespace {

constexpr std::size_t publishers = 8;
constexpr std::size_t window = 64;

std::vector<std::string> channels(std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i)
        names.push_back("c" + std::to_string(i));
    return names;
}

/// Hands the channels round, so that each has one publisher.
void spread(load& on, const std::vector<std::string>& names) {
    for (std::size_t who = 0; who < publishers; ++who) {
        std::vector<std::string> mine;
        for (std::size_t i = who; i < names.size(); i += publishers)
            mine.push_back(names[i]);
        on.lanes(who, std::move(mine));
    }
}

/// Each publisher writes to all channels in turn.
void share(load& on, const std::vector<std::string>& names) {
    for (std::size_t who = 0; who < publishers; ++who) {
        std::vector<std::string> mine = names;
        std::ranges::rotate(mine, mine.begin() + static_cast<std::ptrdiff_t>(who % mine.size()));
        on.lanes(who, std::move(mine));
    }
}

/// What was promised with a receipt is in the table, in the order of each publisher.
void check_table(subject& what, load& on, measurement& found) {
    auto& database = what.database();
    const auto stored = std::stoull(*database.value("select count(*) from queue.message"));
    found.lost += on.acknowledgements() > stored ? on.acknowledgements() - stored : 0;
    found.repeated += stored > on.acknowledgements() ? stored - on.acknowledgements() : 0;
    if (what.name() != "pgherald")
        return; // nothing there says in which order rows were committed
    found.reordered += std::stoull(*database.value(
        "select count(*) from (select (data->>'n')::bigint - lag((data->>'n')::bigint) "
        "over (partition by data->>'p' order by seq) as step from queue.message) steps "
        "where step <> 1"));
}

struct cost {
    double rate;
    double server_us; ///< of CPU for one message
};

measurement measure(const bench_context& context, subject& what, load& on) {
    publishing flow(on, publishers, window);
    flow.run(context.window / 2);
    measurement found;
    found.subject = what.name();
    found.unit = "1/s";
    const cpu_meter cpu(what.pid(), context.postgres.postmaster_pid());
    for (int run = 0; run < context.runs; ++run)
        found.values.push_back(flow.run(context.window));
    found.cpu = cpu.read();
    const double rate = median(found.values);
    found.detail["server us CPU per message"] = 1e6 * found.cpu.at("server") / rate;
    found.detail["postgres us CPU per message"] = 1e6 * found.cpu.at("postgres") / rate;
    flow.finish();
    return found;
}

constexpr std::size_t rows_a_statement = 256; ///< about what the daemon's batches have under D

/// The parameters of one statement: ids that rise, as the daemon's do, and 256 bytes of data.
std::array<std::string, 3> rows_as_arrays(std::uint64_t first, std::size_t channel_count) {
    std::string ids = "{", names = "{", data = "{";
    for (std::uint64_t i = first; i < first + rows_a_statement; ++i) {
        char id[64];
        std::snprintf(id, sizeof id, "00000000-0000-7000-8000-%012llx",
                      static_cast<unsigned long long>(i));
        const char* const comma = i == first ? "" : ",";
        ids += std::string(comma) + id;
        names += std::string(comma) + "c" + std::to_string(i % channel_count);
        data += std::string(comma) + R"("{\"p\":0,\"n\":)" + std::to_string(i) + R"(,\"pad\":\")" +
                std::string(230, 'x') + R"(\"}")";
    }
    return {ids + "}", names + "}", data + "}"};
}

constexpr const char* table_with_a_key =
    "create schema queue;"
    "create table queue.message (id uuid primary key default gen_random_uuid(), channel text, "
    "data json, created_at timestamptz default now(), updated_at timestamptz default now())";

/// One connection of libpq that does nothing but store.
class libpq_alone {
public:
    explicit libpq_alone(const bench_context& context, std::size_t channel_count = publishers)
        : context_(context),
          database_(context.postgres, support::database::content::empty),
          connection_(database_.connect()),
          channels_(channel_count) {
        database_.exec(table_with_a_key);
    }

    void exec(const std::string& sql) { database_.exec(sql); }

    void warm_up() {
        run(context_.window / 2);
        rates.clear();
        postgres_us.clear();
    }

    /// Rows a second, and what each costs Postgres.
    void run(std::chrono::milliseconds time) {
        const cpu_meter cpu(0, context_.postgres.postmaster_pid());
        const auto begun = clock::now();
        const std::uint64_t before = stored_;
        for (; clock::now() - begun < time; stored_ += rows_a_statement) {
            const auto [ids, names, data] = rows_as_arrays(stored_, channels_);
            connection_.query("insert into queue.message (id, channel, data) select * from "
                              "unnest($1::uuid[], $2::text[], $3::json[])",
                              ids, names, data);
        }
        const double rate = static_cast<double>(stored_ - before) /
                            std::chrono::duration<double>(clock::now() - begun).count();
        rates.push_back(rate);
        postgres_us.push_back(1e6 * cpu.read().at("postgres") / rate);
    }

    void report(measurement found) {
        found.subject = "libpq";
        found.unit = "1/s";
        found.values = std::exchange(rates, {});
        found.detail["postgres us CPU per message"] = median(std::exchange(postgres_us, {}));
        context_.out.add(found);
    }

    std::vector<double> rates;
    std::vector<double> postgres_us;

private:
    const bench_context& context_;
    support::database database_;
    support::connection connection_;
    std::size_t channels_;
    std::uint64_t stored_ = 0;
};

/// The most that one Postgres gives to a server which writes through one connection, as it must
/// where commits that notify go one after the other.
void most_rows(const bench_context& context) {
    libpq_alone libpq(context);
    const auto measure = [&](const std::string& name) {
        libpq.warm_up();
        for (int i = 0; i < context.runs; ++i)
            libpq.run(context.window);
        libpq.report({"D", name, "", ""});
    };
    measure("rows stored, 256 an INSERT, a table with a key");
    libpq.exec(
        "create function queue.new_message_notify() returns trigger language plpgsql as "
        "$$ begin perform pg_notify(new.channel, row_to_json(new)::text); return new; end $$;"
        "create trigger new_insert_trigger before insert on queue.message "
        "for each row execute function queue.new_message_notify()");
    measure("the same with the article's trigger");
}

/// The medians of what `ours` is of `theirs` in the same turn.
double compare(const std::vector<double>& ours, const std::vector<double>& theirs) {
    std::vector<double> ratios;
    std::ranges::transform(ours, theirs, std::back_inserter(ratios), std::divides<>());
    return median(ratios);
}

/// Of the usual runs each is as many turns.
constexpr int pieces = 4;

/// What many channels cost Postgres, whoever writes them: an index by channel is written all over.
void rows_by_channel(const bench_context& context, std::size_t few, std::size_t many) {
    libpq_alone one(context, few);
    libpq_alone other(context, many);
    for (libpq_alone* const each : {&one, &other}) {
        each->exec("alter table queue.message add seq bigint generated always as identity;"
                   "create index on queue.message (channel, seq)");
        each->warm_up();
    }
    for (int turn = 0; turn < context.runs * pieces; ++turn)
        for (libpq_alone* const each : {&one, &other})
            each->run(context.window / pieces);
    const auto name = [](std::size_t count) {
        return "rows stored, 256 an INSERT, an index by channel, " + std::to_string(count) +
               " channels";
    };
    const double of_few = compare(other.postgres_us, one.postgres_us);
    one.report({"E", name(few), "", ""});
    measurement found{"E", name(many), "", ""};
    found.compared["that with " + std::to_string(few) + " (Postgres CPU per message)"] = of_few;
    other.report(found);
}

/// One of several that publish in turns, so that what the machine does to one it does to all.
class contender {
public:
    contender(const bench_context& context, std::string name, std::size_t receivers)
        : context_(context),
          what_(context.start()),
          on_(what_->port(), receivers, publishers),
          flow_(on_, publishers, window),
          found_{"E", std::move(name), "pgherald", "1/s"} {}

    load& on() { return on_; }
    measurement& found() { return found_; }

    /// As many frames as there are receipts leave a process that does nothing but send().
    void beside(bare_loop& bare, std::size_t sockets) {
        on_.swarm().open_bare(bare.port(), sockets);
        flow_.each_turn([this, &bare] {
            const std::uint64_t due = on_.acknowledgements() - sent_;
            sent_ += due;
            if (due > 0)
                bare.send_in_turn(due, std::string(message_bytes, 'x'));
        });
    }

    void run(bool counts) {
        const cpu_meter cpu(what_->pid(), context_.postgres.postmaster_pid());
        const double rate = flow_.run(context_.window / pieces);
        const auto used = cpu.read();
        flow_.finish();
        if (!counts)
            return;
        found_.values.push_back(rate);
        server_us_.push_back(1e6 * used.at("server") / rate);
        postgres_us_.push_back(1e6 * used.at("postgres") / rate);
        for (const auto& [whose, cores] : used)
            found_.cpu[whose] += cores / (context_.runs * pieces);
    }

    void compare_rate(const contender& with, const std::string& title) {
        found_.compared[title] = compare(found_.values, with.found_.values);
    }
    void compare_cost(const contender& with, const std::string& whom) {
        const auto both = [](const contender& of) {
            std::vector<double> sums;
            std::ranges::transform(of.server_us_, of.postgres_us_, std::back_inserter(sums),
                                   std::plus<>());
            return sums;
        };
        found_.compared[whom + " (CPU per message)"] = compare(both(*this), both(with));
        found_.compared[whom + " (server CPU per message)"] = compare(server_us_, with.server_us_);
        found_.compared[whom + " (Postgres CPU per message)"] =
            compare(postgres_us_, with.postgres_us_);
    }

    void report() {
        found_.detail["server us CPU per message"] = median(server_us_);
        found_.detail["postgres us CPU per message"] = median(postgres_us_);
        if (on_.receivers() > 0)
            on_.finish(found_, on_.published());
        context_.out.add(found_);
    }

private:
    const bench_context& context_;
    std::unique_ptr<subject> what_;
    load on_;
    publishing flow_;
    measurement found_;
    std::vector<double> server_us_;
    std::vector<double> postgres_us_;
    std::uint64_t sent_ = 0;
};

void take_turns(const bench_context& context, std::vector<contender*> all) {
    for (int turn = -1; turn < context.runs * pieces; ++turn) {
        for (contender* const each : all)
            each->run(turn >= 0);
        std::ranges::rotate(all, all.begin() + 1); // whoever follows whom may matter
    }
}

/// With one delivery for each publish, to another socket each time.
void many_sockets(const bench_context& context) {
    constexpr std::size_t sockets = 5'000;
    const std::string name = "acknowledged publishes, ";
    contender nobody(context, name + "nobody subscribed", 0);
    spread(nobody.on(), channels(publishers));

    // No server that delivers one by one does it with less.
    contender floor(context, name + "beside bare sends to 5,000 sockets", 0);
    floor.found().subject = "pgherald + bare loop";
    spread(floor.on(), channels(publishers));
    bare_loop bare(sockets);
    floor.beside(bare, sockets);

    contender all(context, name + "5,000 sockets on 5,000 channels", sockets);
    all.found().goal = "within 15 % of that with nobody subscribed";
    const auto names = channels(sockets);
    for (std::size_t who = 0; who < sockets; ++who)
        all.on().subscribe(who, names[who]);
    all.on().confirm();
    spread(all.on(), names);

    take_turns(context, {&nobody, &floor, &all});
    floor.compare_rate(nobody, "that with nobody subscribed");
    all.compare_rate(nobody, "that with nobody subscribed");
    all.compare_rate(floor, "that beside bare sends");
    for (contender* const each : {&nobody, &floor, &all})
        each->report();
}

/// The same sockets and deliveries, of few channels and of many: were there more sockets, each
/// would get less at a time, and that would be what costs. Nor are there messages to join in
/// either: those that follow each other are of different channels.
void few_and_many_channels(const bench_context& context) {
    constexpr std::size_t sockets = 10;
    const auto make = [&](std::size_t count) {
        auto made = std::make_unique<contender>(
            context, "acknowledged publishes, 10 sockets, " + std::to_string(count) + " channels",
            sockets);
        const auto names = channels(count);
        for (std::size_t i = 0; i < count; ++i)
            made->on().subscribe(i % sockets, names[i]);
        made->on().confirm();
        count < publishers * 2 ? share(made->on(), names) : spread(made->on(), names);
        return made;
    };
    const auto few = make(10);
    const auto many = make(50'000);
    many->found().goal = "cost within 10 % of that with 10";
    take_turns(context, {few.get(), many.get()});
    many->compare_cost(*few, "that with 10");
    few->report();
    many->report();
    rows_by_channel(context, 10, 50'000);
}

} // namespace

void durable_publishes(const bench_context& context) {
    most_rows(context);
    const auto add = [&](subject& what) {
        load on(what.port(), 0, publishers);
        spread(on, channels(publishers));
        auto found = measure(context, what, on);
        found.scenario = "D";
        found.name = "acknowledged publishes, 8 x 64 in flight";
        found.goal = ">= 40 k/s and >= 20 x node";
        check_table(what, on, found);
        context.out.add(found);
    };
    add(*context.start());
    {
        const auto what = context.start();
        what->database().exec("alter table queue.message disable trigger notify_channel");
        load on(what->port(), 0, publishers);
        spread(on, channels(publishers));
        auto found = measure(context, *what, on);
        found.scenario = "D";
        found.name = "the same without the trigger notify_channel";
        check_table(*what, on, found);
        context.out.add(found);
    }
    if (const auto node = context.start_node())
        add(*node);
}

void many_channels(const bench_context& context) {
    many_sockets(context);
    few_and_many_channels(context);
}

} // namespace bench
