// A standby is promoted: clients go on where the timelines agree, and are told where they part.
#include "tests/support/messages.hpp"

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;

server_options replicated() {
    // A commit is on its way to the standby at once.
    return {.settings = {{"synchronous_commit", "on"}, {"max_wal_senders", "4"}}};
}

/// A primary, its standby, and a daemon that knows both.
class Failover : public testing::Test {
protected:
    postgres_server primary{replicated()};
    database db{primary};
    std::unique_ptr<postgres_server> standby = primary.make_standby(replicated());
    // The standby first: the daemon has to look for the one that can be written to.
    const std::string both = "host=" + standby->socket_folder() + "," + primary.socket_folder() +
                             " port=" + std::to_string(standby->port()) + "," +
                             std::to_string(primary.port()) + " user=postgres dbname=" + db.name();
    support::daemon daemon{{.dsn = both}};

    void wait_for_standby() {
        const auto sent = db.value("select pg_current_wal_flush_lsn()");
        connection there(standby->conninfo(db.name()));
        ASSERT_TRUE(eventually(10s, [&] {
            return there.value("select pg_last_wal_replay_lsn() >= $1::pg_lsn", sent) == "t";
        }));
    }

    /// What is committed from here on is lost with the primary.
    void cut_replication() {
        wait_for_standby();
        connection there(standby->conninfo(db.name()));
        there.exec("alter system set primary_conninfo = ''");
        there.exec("select pg_reload_conf()");
        ASSERT_TRUE(eventually(10s, [&] {
            return there.value("select count(*) from pg_stat_wal_receiver") == "0" &&
                   db.value("select count(*) from pg_stat_replication") == "0";
        }));
    }

    /// The primary is gone; before anybody else comes, `first` runs on the new one.
    void fail_over(const std::function<void(connection&)>& first = {}) {
        if (first) {
            daemon.signal(SIGSTOP);
        }
        primary.stop("immediate");
        standby->promote();
        promoted = std::make_unique<connection>(standby->conninfo(db.name()));
        ASSERT_TRUE(
            eventually(10s, [&] { return promoted->value("select pg_is_in_recovery()") == "f"; }));
        if (first) {
            first(*promoted);
            daemon.signal(SIGCONT);
        }
        // Not ready before it has noticed, which a stopped one has not.
        ASSERT_TRUE(eventually(20s, [&] {
            return herald_client(daemon.port()).welcome.at("epoch") == epoch_now();
        })) << daemon.log();
        ASSERT_TRUE(ready(daemon)) << daemon.log();
    }

    std::string epoch_now() { return promoted->value("select queue.current_epoch()").value(); }

    /// Above this number the two timelines tell different stories.
    std::int64_t boundary() {
        return std::stoll(
            promoted->value("select began_at from queue.timeline order by timeline desc limit 1")
                .value());
    }

    std::unique_ptr<connection> promoted;
};

TEST_F(Failover, WhenNothingIsLostNobodyIsReset) {
    std::vector<herald_client> clients;
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back(daemon.port()).subscribe("a");
        clients.back().subscribe("b");
    }
    const std::string old = clients[0].welcome.at("epoch");
    const auto a = add(db, "a", 20);
    const auto b = add(db, "b", 20);
    for (herald_client& client : clients) {
        client.next_seqs(40);
    }
    wait_for_standby();
    primary.stop("fast"); // sends everything before it ends
    fail_over();
    EXPECT_EQ(boundary(), b.back());
    EXPECT_NE(epoch_now(), old);

    const auto more = add(*promoted, "a", 5);
    for (herald_client& client : clients) {
        EXPECT_EQ(client.next("epoch").at("epoch"), epoch_now());
        EXPECT_EQ(client.next_seqs(5), more) << "no reset, no repeat";
        EXPECT_TRUE(quiet(client));
    }
    const auto receipt = clients[0].call(R"({"type":"publish","channel":"x","data":1})", "ok");
    EXPECT_EQ(promoted->value("select seq from queue.message where id = $1", receipt.at("id")),
              receipt.at("seq"));

    for (const auto& [from_seq, rest] :
         std::map<std::int64_t, seqs>{{a[5], from(seqs_of(*promoted, "a"), 6)},
                                      {b.back(), more},
                                      {0, seqs_of(*promoted, "a")}}) {
        herald_client again(daemon.port());
        again.subscribe("a", after(from_seq, old));
        EXPECT_EQ(again.next_seqs(rest.size()), rest) << from_seq;
    }
    EXPECT_EQ(resets(daemon, "epoch") + resets(daemon, "ahead") + resets(daemon, "trimmed"), 0);
    EXPECT_GE(count(daemon, "pgherald_epoch_changes_total"), 1);
}

/// Clients that were given what is lost, and clients that weren't.
class FailoverLosing : public Failover {
protected:
    std::unique_ptr<herald_client> beyond; ///< was given lost messages
    std::unique_ptr<herald_client> below;  ///< wasn't
    std::string old;
    seqs kept; ///< of channel "below"
    seqs lost; ///< of channel "beyond"

    void lose(int count) {
        beyond = std::make_unique<herald_client>(daemon.port());
        below = std::make_unique<herald_client>(daemon.port());
        old = beyond->welcome.at("epoch");
        beyond->subscribe("beyond");
        below->subscribe("below");
        kept = add(db, "below", 5);
        EXPECT_EQ(below->next_seqs(5), kept);
        const auto replicated = add(db, "beyond");
        EXPECT_EQ(beyond->next_seqs(1), replicated);
        cut_replication();
        lost = add(db, "beyond", count);
        EXPECT_EQ(beyond->next_seqs(lost.size()), lost);
    }

    /// Messages with numbers that were given to others before.
    seqs add_the_same_numbers(connection& there, const std::string& channel) {
        const auto fresh = add(there, channel, 100);
        EXPECT_LE(fresh.front(), lost.back()) << "else the test shows nothing";
        EXPECT_GE(fresh.back(), lost.back());
        return fresh;
    }
};

TEST_F(FailoverLosing, ThoseBeyondAreResetAndGetWhatBearsTheSameNumbers) {
    lose(100);
    fail_over();
    EXPECT_LT(boundary(), lost.front());
    EXPECT_EQ(beyond->next("epoch").at("epoch"), epoch_now());
    const auto reset = beyond->next("reset");
    EXPECT_EQ(reset.at("channel"), "beyond");
    EXPECT_EQ(reset.at("reason"), "epoch");
    EXPECT_EQ(reset.number("head"), boundary());
    EXPECT_EQ(reset.number("oldest"), boundary()) << "the one message that was replicated";
    EXPECT_EQ(below->next("epoch").at("epoch"), epoch_now());

    const auto beyond_new = add_the_same_numbers(*promoted, "beyond");
    EXPECT_EQ(beyond->next_seqs(100), beyond_new);
    const auto below_new = add(*promoted, "below", 3);
    EXPECT_EQ(below->next_seqs(3), below_new) << "no reset, no gap";
    EXPECT_TRUE(quiet(*beyond));
    EXPECT_TRUE(quiet(*below));
    EXPECT_EQ(resets(daemon, "epoch"), 1);
    EXPECT_EQ(resets(daemon, "ahead"), 0);

    // Cursors of before, on sessions of now.
    struct {
        std::string channel;
        std::int64_t cursor;
        bool good;
    } const cursors[] = {
        {"below", kept[1], true},     {"below", boundary(), true},
        {"beyond", boundary(), true}, {"beyond", boundary() + 1, false},
        {"beyond", lost[10], false},  {"beyond", lost.back(), false},
        {"below", lost[10], false},   {"below", boundary() + 1, false},
    };
    for (const auto& [channel, cursor, good] : cursors) {
        SCOPED_TRACE(channel + " " + std::to_string(cursor));
        herald_client client(daemon.port());
        client.subscribe(channel, after(cursor, old));
        if (good) {
            const auto rest = seqs_of(*promoted, channel, cursor);
            EXPECT_EQ(client.next_seqs(rest.size()), rest);
        } else {
            const auto frame = client.next("reset");
            EXPECT_EQ(frame.at("reason"), "epoch");
            EXPECT_EQ(frame.number("head"), head_of(*promoted));
            EXPECT_TRUE(quiet(client));
        }
    }
    // In the present epoch the same numbers are good.
    herald_client present(daemon.port());
    present.subscribe("beyond", after(beyond_new[2], epoch_now()));
    EXPECT_EQ(present.next_seqs(97), from(beyond_new, 3));
}

TEST_F(FailoverLosing, AlsoWhenApplicationsInsertBeforeTheDaemonIsThere) {
    lose(100);
    seqs taken;
    seqs below_new;
    fail_over([&](connection& there) {
        taken = add_the_same_numbers(there, "beyond");
        below_new = add(there, "below", 3);
    });
    EXPECT_LT(boundary(), lost.front()) << "recorded by the first INSERT";
    const auto reset = beyond->next("reset");
    EXPECT_EQ(reset.at("reason"), "epoch");
    EXPECT_EQ(reset.number("head"), below_new.back());
    EXPECT_TRUE(quiet(*beyond)) << "up to the head it fetches the state";
    EXPECT_EQ(below->next_seqs(3), below_new) << "nothing of it was lost";
    EXPECT_TRUE(quiet(*below));

    herald_client saved(daemon.port());
    saved.subscribe("beyond", after(lost[70], old));
    EXPECT_EQ(saved.next("reset").at("reason"), "epoch");
    herald_client good(daemon.port());
    good.subscribe("beyond", after(boundary(), old));
    EXPECT_EQ(good.next_seqs(100), taken);

    const auto more = add(*promoted, "beyond", 2);
    EXPECT_EQ(beyond->next_seqs(2), more);
    EXPECT_EQ(saved.next_seqs(2), more);
    EXPECT_EQ(good.next_seqs(2), more);
}

/// A client that reads slowly, on both sides of the boundary.
TEST_F(FailoverLosing, ASlowClientIsResetWhereItStands) {
    herald_client slow(daemon.port(), {.receive_buffer = 4'096});
    slow.subscribe("slow");
    const auto before = add(db, "slow", 3);
    lose(50);
    const auto gone = add(db, "slow", 1'500, 8'000);
    ASSERT_TRUE(eventually(10s, [&] { return count(daemon, "pgherald_fell_behind_total") >= 1; }));
    fail_over();
    EXPECT_EQ(slow.next_seqs(3), before);
    std::size_t given = 0;
    for (auto frame = slow.next(); frame.type() != "reset"; frame = slow.next()) {
        ASSERT_LT(given, gone.size());
        EXPECT_EQ(frame.number("seq"), gone[given++]);
    }
    const auto fresh = add(*promoted, "slow", 20);
    EXPECT_EQ(slow.next_seqs(20), fresh);
}

/// Two consumers with messages unacknowledged on both sides of the boundary.
class FailoverOfConsumers : public FailoverLosing {
protected:
    std::unique_ptr<herald_client> worker; ///< has a window that takes everything
    std::unique_ptr<herald_client> full;   ///< has one of eight
    seqs jobs;                             ///< that the standby has
    seqs gone;                             ///< that are lost

    void lose_jobs() {
        worker = std::make_unique<herald_client>(daemon.port());
        full = std::make_unique<herald_client>(daemon.port());
        worker->subscribe("jobs", as("w", 200));
        full->subscribe("jobs", as("f", 8));
        jobs = add(db, "jobs", 6);
        EXPECT_EQ(worker->next_seqs(6), jobs);
        EXPECT_EQ(full->next_seqs(6), jobs);
        worker->call(ack("jobs", jobs[1], "1"), "ok");
        ASSERT_TRUE(eventually(20s, [&] { return acked(db, "jobs", "w") == jobs[1]; }));
        lose(50);
        gone = add(db, "jobs", 30);
        EXPECT_EQ(worker->next_seqs(30), gone);
        EXPECT_EQ(full->next_seqs(2), upto(gone, 2));
    }
};

TEST_F(FailoverOfConsumers, TheyGoOnBehindTheBoundaryWithoutAReset) {
    lose_jobs();
    fail_over();
    for (herald_client* const client : {worker.get(), full.get()}) {
        EXPECT_EQ(client->next("epoch").at("epoch"), epoch_now());
        EXPECT_EQ(client->next("live").number("seq"), boundary()) << "its cursor now";
    }
    // It was under way when the messages were lost.
    worker->call(ack("jobs", gone.back(), "2"), "ok");
    EXPECT_EQ(worker->call(ack("jobs", lost.back() + 1'000, "3"), "error").at("code"), "malformed");
    EXPECT_TRUE(eventually(20s, [&] { return acked(*promoted, "jobs", "w") == boundary(); }))
        << "all that is left of what it acknowledged";

    const auto fresh = add_the_same_numbers(*promoted, "jobs");
    EXPECT_EQ(worker->next_seqs(100), fresh) << "other messages with the same numbers";
    EXPECT_EQ(full->next_seqs(2), upto(fresh, 2)) << "beside the six it still has";
    EXPECT_TRUE(quiet(*full));
    full->call(ack("jobs", fresh[1], "4"), "ok");
    EXPECT_EQ(full->next_seqs(8), from(upto(fresh, 10), 2));
    worker->call(ack("jobs", fresh[9], "5"), "ok");
    EXPECT_TRUE(eventually(20s, [&] { return acked(*promoted, "jobs", "w") == fresh[9]; }));
    EXPECT_EQ(resets(daemon, "epoch"), 1) << "only that of `beyond`";
    EXPECT_EQ(resets(daemon, "ahead") + resets(daemon, "trimmed"), 0);
}

/// A reset would have passed over what is committed before the daemon has found the new primary.
TEST_F(FailoverOfConsumers, TheyGetWhatWasCommittedBeforeTheDaemonCame) {
    lose_jobs();
    seqs fresh;
    fail_over([&](connection& there) { fresh = add_the_same_numbers(there, "jobs"); });
    EXPECT_EQ(worker->next("epoch").at("epoch"), epoch_now());
    EXPECT_EQ(worker->next_seqs(100), fresh);
    EXPECT_EQ(full->next_seqs(2), upto(fresh, 2));
    EXPECT_TRUE(quiet(*full));
    worker->call(ack("jobs", fresh[9], "1"), "ok");
    EXPECT_TRUE(eventually(20s, [&] { return acked(*promoted, "jobs", "w") == fresh[9]; }));
    full->socket.abort();
    herald_client again(daemon.port());
    again.subscribe("jobs", as("f", 8));
    EXPECT_EQ(again.next_seqs(8), upto(seqs_of(*promoted, "jobs"), 8)) << "it acknowledged nothing";
    EXPECT_EQ(resets(daemon, "epoch"), 1) << "only that of `beyond`";
}

TEST_F(FailoverLosing, AConsumerThatAcknowledgedWhatIsLostIsReset) {
    herald_client worker(daemon.port());
    worker.subscribe("beyond", as("w", 200));
    herald_client patient(daemon.port());
    patient.subscribe("below", as("p", 2));
    lose(100);
    EXPECT_EQ(patient.next_seqs(2), upto(kept, 2));
    // Stored on the primary, which dies with it; then one that isn't stored yet.
    worker.next_seqs(101);
    worker.call(ack("beyond", lost[50], "1"), "ok");
    ASSERT_TRUE(eventually(20s, [&] { return acked(db, "beyond", "w") == lost[50]; }));
    daemon.signal(SIGSTOP);
    worker.socket.send(ack("beyond", lost.back()));
    fail_over([&](connection& there) { add(there, "elsewhere", 3); });
    const auto reset = worker.next("reset");
    EXPECT_EQ(reset.at("reason"), "epoch");
    const auto moved = [&] { return acked(*promoted, "beyond", "w") == reset.number("head"); };
    EXPECT_TRUE(eventually(20s, moved)) << acked(*promoted, "beyond", "w").value_or(-1);
    const auto fresh = add_the_same_numbers(*promoted, "beyond");
    EXPECT_EQ(worker.next_seqs(100), fresh);
    EXPECT_TRUE(moved()) << "an ack of the lost log was written";
    worker.call(ack("beyond", fresh[9], "1"), "ok");
    EXPECT_TRUE(eventually(20s, [&] { return acked(*promoted, "beyond", "w") == fresh[9]; }));
    worker.socket.abort();
    herald_client again(daemon.port());
    again.subscribe("beyond", as("w", 200));
    EXPECT_EQ(again.next_seqs(90), from(fresh, 10));

    patient.socket.send(ack("below", kept[0]));
    EXPECT_EQ(patient.next_seqs(1), from(upto(kept, 3), 2)) << "not reset";
    EXPECT_TRUE(eventually(20s, [&] { return acked(*promoted, "below", "p") == kept[0]; }));
}

// The connection that stores them finds the new primary; the one that listens has nowhere to go, so
// nobody has told yet that it is another log.
TEST_F(Failover, AcknowledgementsOfLostMessagesAreNotStoredInTheNewLog) {
    support::daemon deaf({.dsn = both,
                          .settings = {{"POSTGRES_LISTEN_DSN", primary.conninfo(db.name())},
                                       {"SERVER_DRAIN_TIMEOUT", "1s"}}});
    herald_client worker(deaf.port());
    worker.subscribe("jobs", as("w", 200));
    const auto kept = add(db, "jobs");
    EXPECT_EQ(worker.next_seqs(1), kept);
    worker.call(ack("jobs", kept[0], "1"), "ok");
    ASSERT_TRUE(eventually(20s, [&] { return acked(db, "jobs", "w") == kept[0]; }));
    cut_replication();
    const auto lost = add(db, "jobs", 100);
    EXPECT_EQ(worker.next_seqs(100), lost);
    primary.stop("immediate");
    worker.call(ack("jobs", lost.back(), "2"), "ok");
    standby->promote();
    promoted = std::make_unique<connection>(standby->conninfo(db.name()));
    ASSERT_TRUE(eventually(30s, [&] {
        return promoted->value("select count(*) from pg_stat_activity where state = 'idle' and "
                               "application_name = 'pgherald/consumer' and "
                               "query like 'insert into queue.consumer%'") == "1";
    })) << deaf.log();
    EXPECT_EQ(acked(*promoted, "jobs", "w"), kept[0]);
}

TEST_F(Failover, PublishesInFlightAreStoredOnceByTheirId) {
    herald_client client(daemon.port());
    constexpr int total = 400;
    const auto id_of = [](int n) {
        return "22222222-2222-4222-8222-00000000" + std::to_string(1'000 + n);
    };
    const auto publish = [&](int n) {
        client.socket.send(R"({"type":"publish","ref":)" + std::to_string(n) +
                           R"(,"channel":"p","id":")" + id_of(n) + R"(","data":)" +
                           std::to_string(n) + "}");
    };
    int sent = 0;
    for (; sent < total / 2; ++sent) {
        publish(sent);
    }
    client.next("ok");
    primary.stop("fast");
    for (; sent < total; ++sent) {
        publish(sent);
    }
    fail_over();
    std::map<int, std::string> receipts;
    int open = total - 1;
    while (open > 0) {
        const auto answer = client.next("", 20s);
        if (answer.type() == "ok") {
            EXPECT_TRUE(
                receipts.emplace(static_cast<int>(answer.number("ref")), answer.at("seq")).second);
            --open;
        } else {
            ASSERT_EQ(answer.at("code"), "unavailable") << *answer.text;
            publish(static_cast<int>(answer.number("ref")));
        }
    }
    EXPECT_EQ(receipts.size(), static_cast<std::size_t>(total - 1));
    for (const auto& [n, seq] : receipts) {
        ASSERT_EQ(promoted->value("select seq from queue.message where id = $1", id_of(n)), seq);
    }
    EXPECT_EQ(promoted->value("select count(*) from queue.message"), std::to_string(total));
    EXPECT_EQ(promoted->value("select count(*) from queue.message where id = $1", id_of(0)), "1");
}

} // namespace
