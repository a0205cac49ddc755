// The promise of sql/: seq rises in commit order, so "everything after seq N" skips nobody,
// whatever the writers do.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/pg/publish_sql.hpp"
#include "tests/pg/roles.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"

using namespace support;
using namespace std::chrono_literals;

namespace {

std::string make_id(unsigned writer, unsigned number) {
    char text[40];
    std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%04x%08x", writer, number);
    return text;
}

std::string insert_sql(const std::string& id) {
    return "insert into queue.message (id, channel, data) values ('" + id + "', 'sports', '{}')";
}

// Reads as the daemon does: everything after its position, in pages, never looking back.
class tail_reader {
public:
    explicit tail_reader(connection conn) : conn_(std::move(conn)) {}

    // Returns how many rows came.
    std::size_t poll() {
        const rows page = conn_.query(
            "select seq, id from queue.message where seq > $1 order by seq limit 100", position_);
        for (const row& each : page) {
            position_ = std::stol(*each[0]);
            seen_.push_back(*each[1]);
        }
        return page.size();
    }
    void drain() {
        while (poll() > 0) {
        }
    }
    long position() const { return position_; }
    const std::vector<std::string>& seen() const { return seen_; }

private:
    connection conn_;
    long position_ = 0;
    std::vector<std::string> seen_;
};

struct verdict {
    std::size_t lost = 0;
    std::size_t repeated = 0;
    std::size_t invented = 0;
};

verdict compare(const std::set<std::string>& committed, const std::vector<std::string>& seen) {
    verdict found;
    std::map<std::string, int> times;
    for (const std::string& id : seen) {
        const int before = times[id]++;
        if (before > 0)
            ++found.repeated;
        if (!committed.contains(id))
            ++found.invented;
    }
    for (const std::string& id : committed) {
        if (!times.contains(id))
            ++found.lost;
    }
    return found;
}

// One client that does to the table what applications do, and keeps the ids it was told are
// committed.
class writer {
public:
    // `role` may INSERT, nothing else.
    writer(const database& db, unsigned number, const std::string& role)
        : plain_(db.connect()),
          trusted_(db.connect()),
          number_(number),
          role_(role),
          random_(number * 7919 + 1) {
        trusted_.exec("select queue.settle_first()");
    }

    void act() {
        switch (random_() % 13) {
        case 0:
            one_row();
            break;
        case 1:
            slow_transaction(true);
            break;
        case 2:
            slow_transaction(false);
            break;
        case 3:
            savepoints();
            break;
        case 4:
            copy();
            break;
        case 5:
        case 6:
            trusted_batch();
            break;
        case 7:
            settled_early(true);
            break;
        case 8:
            settled_early(false);
            break;
        case 9:
            conflicts();
            break;
        case 10:
        case 11:
            as_another_role();
            break;
        default:
            inserted_and_deleted();
            break;
        }
    }

    const std::set<std::string>& committed() const { return committed_; }

private:
    std::string next() { return make_id(number_, ++count_); }
    unsigned some() { return static_cast<unsigned>(1 + random_() % 5); }
    void pause() { std::this_thread::sleep_for(std::chrono::microseconds(random_() % 6000)); }
    void keep(const std::vector<std::string>& ids) { committed_.insert(ids.begin(), ids.end()); }

    void one_row() {
        const std::string id = next();
        plain_.exec(insert_sql(id));
        keep({id});
    }

    void slow_transaction(bool commits) {
        std::vector<std::string> ids;
        plain_.exec("begin");
        for (unsigned left = some(); left > 0; --left) {
            ids.push_back(next());
            plain_.exec(insert_sql(ids.back()));
            pause();
        }
        plain_.exec(commits ? "commit" : "rollback");
        if (commits)
            keep(ids);
    }

    void savepoints() {
        const std::string first = next(), undone = next(), settled_undone = next(), last = next();
        plain_.exec("begin; " + insert_sql(first) + "; savepoint s; " + insert_sql(undone));
        pause();
        plain_.exec("rollback to s; " + insert_sql(settled_undone) +
                    "; set constraints all immediate; rollback to s");
        pause();
        plain_.exec(insert_sql(last) + "; commit");
        keep({first, last});
    }

    void copy() {
        std::vector<std::string> ids;
        std::string lines;
        for (unsigned left = some() * 4; left > 0; --left) {
            ids.push_back(next());
            lines += ids.back() + "\tsports\t{}\n";
        }
        plain_.copy_in("copy queue.message (id, channel, data) from stdin", lines);
        keep(ids);
    }

    void trusted_batch() {
        std::vector<std::string> ids;
        std::string id_array, channels, data;
        for (unsigned left = some() * 4; left > 0; --left) {
            ids.push_back(next());
            const char* comma = id_array.empty() ? "" : ",";
            id_array += comma + ids.back();
            channels += comma + std::string("sports");
            data += comma + std::string("{}");
        }
        // Braces of JSON need quoting inside an array.
        for (std::size_t at = 0; (at = data.find("{}", at)) != std::string::npos; at += 4) {
            data.replace(at, 2, "\"{}\"");
        }
        const rows given = trusted_.query(publish_sql, "{" + id_array + "}", "{" + channels + "}",
                                          "{" + data + "}");
        ASSERT_EQ(given.size(), ids.size());
        keep(ids);
    }

    void as_another_role() {
        std::vector<std::string> ids;
        for (unsigned left = some() * 4; left > 0; --left)
            ids.push_back(next());
        std::string id_array;
        for (const std::string& id : ids)
            id_array += (id_array.empty() ? "" : ",") + id;
        const rows given =
            trusted_.query("select p.seq, p.is_new from queue.publish_as($1, '{}', $2::uuid[], "
                           "array_fill('sports'::text, array[cardinality($2::uuid[])]), "
                           "array_fill('{}'::json, array[cardinality($2::uuid[])]), "
                           "array_fill('ann'::text, array[cardinality($2::uuid[])])) p",
                           role_, "{" + id_array + "}");
        ASSERT_EQ(given.size(), ids.size());
        keep(ids);
        for (std::size_t n = 0; n < ids.size(); ++n) {
            ASSERT_EQ(given[n][1], "t");
            ASSERT_EQ(plain_.value("select seq from queue.message where id = $1", ids[n]),
                      given[n][0]);
        }
    }

    void settled_early(bool commits) {
        const std::string id = next(), second = next();
        plain_.exec("begin; " + insert_sql(id) + "; set constraints all immediate");
        pause();
        plain_.exec(insert_sql(second) + "; " + (commits ? "commit" : "rollback"));
        if (commits)
            keep({id, second});
    }

    void conflicts() {
        const std::string id = next();
        plain_.exec("begin; " + insert_sql(id) + "; " + insert_sql(id) + " on conflict do nothing");
        pause();
        plain_.exec(insert_sql(id) + " on conflict (id) do update set data = '[]'; commit");
        keep({id});
    }

    void inserted_and_deleted() {
        const std::string gone = next(), stays = next();
        plain_.exec("begin; " + insert_sql(gone) + "; " + insert_sql(stays));
        pause();
        plain_.exec("delete from queue.message where id = '" + gone + "'");
        pause();
        plain_.exec("commit");
        keep({stays});
    }

    connection plain_;
    connection trusted_;
    unsigned number_;
    std::string role_;
    unsigned count_ = 0;
    std::mt19937 random_;
    std::set<std::string> committed_;
};

long seq_of(database& db, const std::string& id) {
    return std::stol(*db.value("select seq from queue.message where id = $1", id));
}

} // namespace

TEST(SqlOrder, RandomWritersAreReadWholeAndInOrder) {
    database db;
    const auto duration = std::getenv("PGHERALD_LONG") ? 10s : 3s;
    connection listener = db.connect();
    listener.exec("listen sports; listen queue_message");
    tail_reader tail(db.connect());

    const role acted_as(db, grants::acted_as);
    std::vector<std::unique_ptr<writer>> writers;
    for (unsigned n = 1; n <= 8; ++n)
        writers.push_back(std::make_unique<writer>(db, n, acted_as.name()));
    std::atomic<bool> stop{false};
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (auto& each : writers) {
        threads.emplace_back([&stop, &failures, w = each.get()] {
            try {
                while (!stop)
                    w->act();
            } catch (const std::exception& error) {
                ADD_FAILURE() << error.what();
                ++failures;
            }
        });
    }

    std::vector<std::string> notified;
    std::size_t rings = 0;
    const auto take_notifications = [&] {
        for (const notification& each : listener.notifications()) {
            if (each.channel == "queue_message") {
                ++rings;
                EXPECT_EQ(each.payload, "");
            } else {
                notified.push_back(each.payload.substr(7, 36)); // {"id":"<uuid>"
            }
        }
    };
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end && failures == 0) {
        tail.poll();
        take_notifications();
    }
    stop = true;
    for (std::thread& each : threads)
        each.join();
    tail.drain();

    std::set<std::string> committed;
    for (const auto& each : writers)
        committed.merge(std::set<std::string>(each->committed()));
    ASSERT_GT(committed.size(), 200u);
    const verdict by_tail = compare(committed, tail.seen());
    EXPECT_EQ(by_tail.lost, 0u) << "of " << committed.size();
    EXPECT_EQ(by_tail.repeated, 0u);
    EXPECT_EQ(by_tail.invented, 0u);

    // A row deleted in its own transaction was announced all the same: NOTIFY can't be taken back.
    std::map<std::string, long> seqs;
    for (const row& each : db.query("select id, seq from queue.message")) {
        seqs[*each[0]] = std::stol(*each[1]);
    }
    std::vector<std::string> kept;
    const bool all_came = eventually(5s, [&] {
        take_notifications();
        kept.clear();
        std::copy_if(notified.begin(), notified.end(), std::back_inserter(kept),
                     [&](const std::string& id) { return seqs.contains(id); });
        return kept.size() >= committed.size();
    });
    EXPECT_TRUE(all_came);
    EXPECT_EQ(compare(committed, kept).repeated, 0u);
    EXPECT_GT(rings, 0u);
    const auto out_of_order = std::adjacent_find(
        kept.begin(), kept.end(),
        [&](const std::string& a, const std::string& b) { return seqs[a] >= seqs[b]; });
    EXPECT_TRUE(out_of_order == kept.end());
    RecordProperty("rows", static_cast<int>(committed.size()));
}

// The check above must be able to fail: without settling, the numbers are a plain sequence.
TEST(SqlOrder, APlainSequenceLosesTheLateCommit) {
    database db;
    db.exec("drop trigger settle_row on queue.message");
    tail_reader tail(db.connect());
    connection late = db.connect();

    late.exec("begin; " + insert_sql(make_id(1, 1)));
    db.exec(insert_sql(make_id(2, 1)));
    tail.drain();
    late.exec("commit");
    tail.drain();

    EXPECT_EQ(compare({make_id(1, 1), make_id(2, 1)}, tail.seen()).lost, 1u);
}

TEST(SqlOrder, TheLateCommitGetsTheHigherSeq) {
    database db;
    tail_reader tail(db.connect());
    connection late = db.connect();

    late.exec("begin; " + insert_sql(make_id(1, 1)) + "; " + insert_sql(make_id(1, 2)));
    db.exec(insert_sql(make_id(2, 1)));
    tail.drain();
    late.exec("commit");
    tail.drain();

    EXPECT_EQ(tail.seen(), (std::vector<std::string>{make_id(2, 1), make_id(1, 1), make_id(1, 2)}));
}

TEST(SqlOrder, ALongTransactionBlocksNobody) {
    database db;
    connection slow = db.connect();
    slow.exec("begin; " + insert_sql(make_id(1, 1)));
    connection other = db.connect();
    other.exec("set lock_timeout = '2s'");
    EXPECT_NO_THROW(other.exec(insert_sql(make_id(2, 1))));
    other.exec("select queue.settle_first()");
    EXPECT_NO_THROW(other.query(publish_sql, "{" + make_id(2, 2) + "}", "{sports}", "{1}"));
    slow.exec("commit");
    EXPECT_GT(seq_of(db, make_id(1, 1)), seq_of(db, make_id(2, 2)));
}

TEST(SqlOrder, TheTrustedStatementReturnsFinalNumbers) {
    database db;
    connection late = db.connect();
    late.exec("begin; " + insert_sql(make_id(1, 1)));
    connection trusted = db.connect();
    trusted.exec("select queue.settle_first()");
    const rows given = trusted.query(publish_sql, "{" + make_id(2, 1) + "," + make_id(2, 2) + "}",
                                     "{a,b}", "{1,2}");
    late.exec("commit");
    ASSERT_EQ(given.size(), 2u);
    for (const row& each : given)
        EXPECT_EQ(std::stol(*each[1]), seq_of(db, *each[0]));
    EXPECT_LT(*given[0][1], *given[1][1]);
    EXPECT_GT(seq_of(db, make_id(1, 1)), seq_of(db, make_id(2, 2)));
}

TEST(SqlOrder, OnlyConflictsRingNobodyAndReturnNothing) {
    database db;
    connection trusted = db.connect();
    trusted.exec("select queue.settle_first()");
    trusted.query(publish_sql, "{" + make_id(1, 1) + "}", "{a}", "{1}");
    connection listener = db.connect();
    listener.exec("listen queue_message; listen done");
    EXPECT_TRUE(trusted.query(publish_sql, "{" + make_id(1, 1) + "}", "{a}", "{1}").empty());
    trusted.exec("notify done");
    std::vector<notification> heard;
    ASSERT_TRUE(eventually(5s, [&] {
        for (auto& each : listener.notifications())
            heard.push_back(each);
        return !heard.empty();
    }));
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].channel, "done");
}

TEST(SqlOrder, ATrustedSessionCanNotBringOldOrFutureNumbers) {
    database db;
    connection trusted = db.connect();
    trusted.exec("select queue.settle_first()");
    trusted.query(publish_sql, "{" + make_id(1, 1) + "}", "{a}", "{1}");
    EXPECT_THROW(trusted.exec("insert into queue.message (channel, seq) values ('a', 0)"),
                 postgres_error);
    EXPECT_THROW(trusted.exec("insert into queue.message (channel, seq) values ('a', 1000000)"),
                 postgres_error);
    EXPECT_NO_THROW(trusted.exec("insert into queue.message (channel) values ('a')"));
}

TEST(SqlOrder, ASavepointRolledBackAfterSettlingSettlesAgain) {
    database db;
    tail_reader tail(db.connect());
    connection a = db.connect();
    a.exec("begin; " + insert_sql(make_id(1, 1)) +
           "; savepoint s; set constraints all immediate; rollback to s");
    // The rollback gave the lock back, so another one passes and the first must be renumbered.
    connection b = db.connect();
    b.exec("set lock_timeout = '2s'; " + insert_sql(make_id(2, 1)));
    tail.drain();
    a.exec("commit");
    tail.drain();
    EXPECT_EQ(tail.seen(), (std::vector<std::string>{make_id(2, 1), make_id(1, 1)}));
}

TEST(SqlOrder, ATransactionAbortedAfterSettlingLeavesOnlyAHole) {
    database db;
    connection a = db.connect();
    a.exec("begin; " + insert_sql(make_id(1, 1)) + "; set constraints all immediate; rollback");
    db.exec(insert_sql(make_id(1, 2)));
    EXPECT_EQ(seq_of(db, make_id(1, 2)), 2);
}

TEST(SqlOrder, ARowChangedBeforeCommitIsStillRenumbered) {
    database db;
    connection late = db.connect();
    late.exec("begin; " + insert_sql(make_id(1, 1)) + "; update queue.message set id = '" +
              make_id(1, 9) + "', channel = 'news' where id = '" + make_id(1, 1) + "'");
    db.exec(insert_sql(make_id(2, 1)));
    late.exec("commit");
    EXPECT_GT(seq_of(db, make_id(1, 9)), seq_of(db, make_id(2, 1)));
}

TEST(SqlOrder, SeqCanNotBeUpdatedNorMovedByAnUpsert) {
    database db;
    db.exec(insert_sql(make_id(1, 1)));
    EXPECT_THROW(db.exec("update queue.message set seq = seq + 100"), postgres_error);
    EXPECT_THROW(
        db.exec(insert_sql(make_id(1, 1)) + " on conflict (id) do update set seq = excluded.seq"),
        postgres_error);
    EXPECT_NO_THROW(db.exec("update queue.message set seq = seq, data = '1'"));
}

TEST(SqlOrder, ABulkInsertOvertakenByAnotherIsRenumberedWhole) {
    database db;
    tail_reader tail(db.connect());
    connection bulk = db.connect();
    bulk.exec(
        "begin; insert into queue.message (channel) select 'bulk' from generate_series(1, 5000)");
    db.exec(insert_sql(make_id(1, 1)));
    tail.drain();
    ASSERT_EQ(tail.seen().size(), 1u);
    bulk.exec("commit");
    tail.drain();
    EXPECT_EQ(tail.seen().size(), 5001u);
}

TEST(SqlOrder, HeadDoesNotCountWhatItsOwnTransactionInserted) {
    database db;
    db.exec(insert_sql(make_id(1, 1)));
    connection early = db.connect();
    early.exec("begin; " + insert_sql(make_id(2, 1)));
    connection own = db.connect();
    own.exec("begin isolation level repeatable read; " + insert_sql(make_id(3, 1)) +
             "; savepoint s; " + insert_sql(make_id(3, 2)) + "; release s");
    early.exec("commit");
    db.exec(insert_sql(make_id(1, 2)));

    // seq 2 committed after the snapshot; a head of 3 or 4 would make a subscriber skip it.
    EXPECT_EQ(own.value("select queue.head()"), "1");
    own.exec("commit");
    EXPECT_EQ(own.value("select queue.head() = max(seq) from queue.message"), "t");
}

TEST(SqlOrder, DeletingAnUnsettledRowDoesNotRaiseTheHead) {
    database db;
    db.exec(insert_sql(make_id(1, 1)));
    connection early = db.connect();
    early.exec("begin; " + insert_sql(make_id(2, 1)));
    db.exec("begin; " + insert_sql(make_id(3, 1)) + "; delete from queue.message where id = '" +
            make_id(3, 1) + "'; commit");
    const long head = std::stol(*db.value("select queue.head()"));
    early.exec("commit");
    EXPECT_GT(seq_of(db, make_id(2, 1)), head);
}

TEST(SqlOrder, SequencesRestoredFromDifferentMomentsAreRepaired) {
    database db;
    db.exec("select setval('queue.settled_seq', 50), setval('queue.message_seq', 10)");
    db.exec(insert_sql(make_id(1, 1)));
    EXPECT_GT(seq_of(db, make_id(1, 1)), 50);
    db.exec("select setval('queue.settled_seq', 90)");
    connection trusted = db.connect();
    trusted.exec("select queue.settle_first()");
    EXPECT_EQ(trusted.query(publish_sql, "{" + make_id(1, 2) + "}", "{a}", "{1}")[0][1], "91");
}

TEST(SqlOrder, GoesOnThroughCrashes) {
    // A server of its own that does flush: a crash must find what was committed.
    postgres_server server({.fsync = true});
    database db(server);
    std::set<std::string> committed;
    std::vector<std::string> seen;
    long position = 0;
    for (unsigned round = 1; round <= 3; ++round) {
        connection open = db.connect();
        open.exec("begin; " + insert_sql(make_id(9, round)));
        for (unsigned n = 1; n <= 20; ++n) {
            const std::string id = make_id(round, n);
            db.exec(insert_sql(id));
            committed.insert(id);
        }
        server.restart("immediate");
        for (const row& each :
             db.query("select seq, id from queue.message where seq > $1 order by seq", position)) {
            position = std::stol(*each[0]);
            seen.push_back(*each[1]);
        }
        EXPECT_EQ(db.value("select queue.head()"), std::to_string(position));
    }
    const verdict found = compare(committed, seen);
    EXPECT_EQ(found.lost + found.repeated + found.invented, 0u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(SqlOrder, APromotedStandbyRecordsWhereItsTimelineBegan) {
    postgres_server primary;
    database db(primary);
    const std::string epoch = *db.value("select queue.current_epoch()");
    for (unsigned n = 1; n <= 3; ++n)
        db.exec(insert_sql(make_id(1, n)));

    auto standby = primary.make_standby();
    connection there(standby->conninfo(db.name()));
    ASSERT_TRUE(
        eventually(20s, [&] { return there.value("select count(*) from queue.message") == "3"; }));
    // One that has settled, which reaches the standby with the next commit, and is not committed
    // itself: a number nobody has.
    connection unfinished(primary.conninfo(db.name()));
    unfinished.exec("begin; " + insert_sql(make_id(3, 1)) + "; set constraints all immediate");
    db.exec("create table other ()");
    ASSERT_TRUE(eventually(
        20s, [&] { return there.value("select to_regclass('other') is not null") == "t"; }));
    ASSERT_EQ(there.value("select last_value from queue.settled_seq"), "4");
    primary.stop("immediate");
    standby->promote();

    // An application is here before the daemon, and its first transaction fails after settling.
    there.exec("begin; " + insert_sql(make_id(2, 1)) + "; set constraints all immediate; rollback");
    EXPECT_EQ(there.value("select count(*) from queue.timeline where timeline = 2"), "0");
    there.exec(insert_sql(make_id(2, 2)));
    there.exec(insert_sql(make_id(2, 3)));

    const rows began = there.query("select began_at from queue.timeline where timeline = 2");
    ASSERT_EQ(began.size(), 1u);
    EXPECT_EQ(began[0][0], "3");
    EXPECT_EQ(there.value("select min(seq) > $1 from queue.message where id >= $2", *began[0][0],
                          make_id(2, 0)),
              "t");
    EXPECT_EQ(there.value("select last_value from queue.timeline_seq"), "2");
    EXPECT_EQ(there.value("select queue.current_epoch()"), epoch.substr(0, epoch.find('.')) + ".2");
}
