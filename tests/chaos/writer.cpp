#include "tests/chaos/writer.hpp"

#include "tests/support/postgres.hpp"

namespace chaos {

namespace {

class writer {
public:
    writer(world& world, unsigned number, std::uint64_t seed)
        : world_(world),
          number_(number),
          dice_(seed) {}

    void transaction(support::connection& db);
    milliseconds rest() { return dice_.time(0ms, 200ms); }

private:
    void insert(support::connection& db);

    world& world_;
    unsigned number_;
    dice dice_;
    std::int64_t rows_ = 0;
};

/// Rows of one statement go to one channel, or to several in turn. Every seventeenth has no data.
void writer::insert(support::connection& db) {
    const bool large = dice_.percent(1);
    const std::int64_t rows = large              ? 1
                              : dice_.percent(1) ? dice_.between(100, 400)
                                                 : dice_.between(1, 5);
    const std::int64_t pad = large ? 60'000 : dice_.between(0, 120);
    world_.count.large_rows += large ? 1U : 0U;
    db.query("insert into queue.message (channel, data) "
             "select c.name, case when ($1::bigint + g.i) % 17 <> 0 then json_build_object("
             "'writer', $2::int, 'n', $1::bigint + g.i, 'channel', c.i, "
             "'pad', repeat('x', $3::int)) end "
             "from generate_series(1, $4::int) g (i) join chaos_channel c "
             "on c.i = ($5::int + g.i * $6::int) % $7::int",
             rows_, number_, pad, rows, dice_.below(world_.channels.size()), dice_.between(0, 2),
             world_.channels.size());
    rows_ += rows;
}

void writer::transaction(support::connection& db) {
    db.exec("begin");
    for (auto statements = dice_.between(1, 3); statements > 0; --statements) {
        insert(db);
        world_.pause(dice_.time(0ms, 20ms));
        if (dice_.percent(4)) {
            db.exec("savepoint inside");
            insert(db);
            db.exec("rollback to inside");
        }
    }
    const bool late = dice_.percent(6);
    if (dice_.percent(2)) {
        // Takes its place in the order now, and makes the others wait until it commits.
        db.exec("set constraints all immediate");
        world_.pause(dice_.time(0ms, 50ms));
    } else if (late) {
        world_.pause(dice_.time(200ms, 2'000ms));
    }
    if (dice_.percent(16)) {
        db.exec("rollback");
        ++world_.count.rollbacks;
        return;
    }
    db.exec("commit");
    ++world_.count.transactions;
    world_.count.late_commits += late ? 1U : 0U;
}

} // namespace

void prepare_writers(support::connection& db, const std::vector<std::string>& channels) {
    db.exec("create table chaos_channel (i int primary key, name text not null)");
    for (std::size_t i = 0; i < channels.size(); ++i) {
        db.query("insert into chaos_channel values ($1, $2)", i, channels[i]);
    }
}

void write_rows(world& world, unsigned number, std::uint64_t seed) {
    writer writer(world, number, seed);
    while (world.loading()) {
        bool connected = false;
        try {
            support::connection db(world.conninfo +
                                   " connect_timeout=5 application_name=chaos/writer");
            connected = true;
            while (world.loading()) {
                writer.transaction(db);
                world.pause(writer.rest());
            }
        } catch (const support::postgres_error& error) {
            // Class 57P is a server that stops, starts or has crashed.
            if (!error.sqlstate().empty() && !error.sqlstate().starts_with("57P")) {
                world.found.add(offence::misanswered,
                                "an INSERT failed with " + error.sqlstate() + ": " + error.what());
            }
            world.count.lost_transactions += connected ? 1U : 0U;
            world.pause(writer.rest());
        }
    }
}

} // namespace chaos
