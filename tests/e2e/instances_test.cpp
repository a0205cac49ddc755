// Several daemons on one database: it makes no difference which one a client comes to.
#include "tests/support/messages.hpp"
#include "tests/support/worker.hpp"

#include <csignal>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <sys/syscall.h>
#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace support;

class Instances : public testing::Test {
protected:
    database db;
    support::daemon one{{.dsn = db.conninfo()}};
    support::daemon two{{.dsn = db.conninfo()}};

    const support::daemon& any(unsigned number) const { return number % 2 == 0 ? one : two; }
};

std::string publish(const std::string& channel, int ref, const std::string& id = "") {
    return R"({"type":"publish","ref":)" + std::to_string(ref) + R"(,"channel":")" + channel +
           R"(","data":)" + std::to_string(ref) + (id.empty() ? "" : R"(,"id":")" + id + '"') + "}";
}

/// SQL and frames to both daemons, until told to stop.
class writers {
public:
    writers(database& db, std::vector<int> ports, const std::string& channel) {
        threads_.push_back(worker([&db, channel](const std::stop_token& told) {
            auto connection = db.connect();
            std::mt19937 random(3);
            while (!told.stop_requested()) {
                connection.exec("begin");
                connection.query("insert into queue.message (channel, data) "
                                 "select $1, to_json(i) from generate_series(1, $2::int) i",
                                 channel, 1 + random() % 4);
                connection.query("select pg_sleep($1)", static_cast<double>(random() % 5) / 1e3);
                connection.exec(random() % 5 == 0 ? "rollback" : "commit");
            }
        }));
        for (const int port : ports) {
            threads_.push_back(worker([port, channel](const std::stop_token& told) {
                herald_client client(port);
                for (int ref = 0; !told.stop_requested(); ++ref) {
                    client.call(publish(channel, ref), "ok");
                }
            }));
        }
    }
    void stop() {
        for (std::jthread& thread : threads_) {
            thread.request_stop();
        }
        threads_.clear();
    }

private:
    std::vector<std::jthread> threads_;
};

TEST_F(Instances, WhatOnePublishesAllDeliver) {
    std::vector<herald_client> clients;
    for (unsigned i = 0; i < 6; ++i) {
        clients.emplace_back(any(i).port()).subscribe("c");
    }
    herald_client publisher(one.port());
    herald_client other(two.port());
    for (int ref = 0; ref < 100; ++ref) {
        publisher.socket.send(publish("c", ref));
        other.socket.send(publish("c", ref));
        if (ref % 10 == 0) {
            add(db, "c", 2);
        }
    }
    for (int i = 0; i < 100; ++i) {
        publisher.next("ok");
        other.next("ok");
    }
    const auto all = seqs_of(db, "c");
    EXPECT_EQ(all.size(), 220U);
    for (herald_client& client : clients) {
        EXPECT_EQ(client.next_seqs(all.size()), all);
    }
}

TEST_F(Instances, AClientMovesTwentyTimesAndMissesNothing) {
    std::int64_t cursor = head_of(db);
    writers load(db, {one.port(), two.port()}, "c");
    std::mt19937 random(5);
    std::string epoch;
    seqs got;
    const auto take = [&](const frame& message) {
        got.push_back(message.number("seq"));
        cursor = got.back();
    };
    for (unsigned move = 0; move < 20; ++move) {
        herald_client client(any(move).port());
        if (epoch.empty()) {
            epoch = client.welcome.at("epoch");
        }
        client.subscribe("c", after(cursor, epoch));
        for (auto count = 20 + random() % 80; count > 0; --count) {
            take(client.next("message"));
        }
        if (move % 3 == 0) {
            client.socket.close();
        } else {
            client.socket.abort();
        }
    }
    load.stop();
    db.exec("insert into queue.message (channel, data) values ('c', '\"end\"')");
    herald_client last(one.port());
    last.subscribe("c", after(cursor, epoch));
    for (bool end = false; !end;) {
        const auto message = last.next("message");
        take(message);
        end = message.at("data") == "end";
    }
    EXPECT_EQ(got, seqs_of(db, "c"));
    EXPECT_GT(got.size(), 400U);
    EXPECT_EQ(resets(one, "ahead") + resets(two, "ahead"), 0);
}

/// It is told more than this instance has seen yet.
TEST_F(Instances, TheOneItMovesToMayLag) {
    herald_client first(one.port());
    first.subscribe("c");
    for (int round = 0; round < 5; ++round) {
        two.signal(SIGSTOP);
        const auto all = add(db, "c", 10);
        EXPECT_EQ(first.next_seqs(10), all);
        two.signal(SIGCONT);
        herald_client moved(two.port());
        moved.subscribe("c", after(all[6], first.welcome.at("epoch")));
        EXPECT_EQ(moved.next_seqs(3), from(all, 7));
        herald_client at_the_end(two.port());
        at_the_end.subscribe("c", after(all[9], first.welcome.at("epoch")));
        const auto more = add(db, "c", 1);
        EXPECT_EQ(at_the_end.next_seqs(1), more);
        EXPECT_EQ(moved.next_seqs(1), more);
        EXPECT_EQ(first.next_seqs(1), more);
    }
    EXPECT_EQ(resets(two, "ahead"), 0);
}

/// A backend that stands still, with all it has been asked.
class stopped_backend {
public:
    explicit stopped_backend(pid_t pid) : pid_(pid) {
        EXPECT_TRUE(eventually(20s, [&] {
            kill(pid_, SIGSTOP);
            const bool stopped =
                eventually(5s, [&] { return in_proc("stat").find(") T ") != std::string::npos; });
            if (stopped && waits())
                return true;
            kill(pid_, SIGCONT);
            return false;
        }));
    }
    ~stopped_backend() { kill(pid_, SIGCONT); }
    stopped_backend(const stopped_backend&) = delete;
    stopped_backend& operator=(const stopped_backend&) = delete;

private:
    std::string in_proc(const std::string& name) const {
        std::string line;
        std::ifstream file("/proc/" + std::to_string(pid_) + "/" + name);
        std::getline(file, line);
        return line;
    }

    // For its client, in epoll, as far as we may know. At work it may hold a latch on a page, for
    // which everybody else would then wait.
    bool waits() const {
        const std::string call = in_proc("syscall");
        if (call.empty())
            return true;
        const auto is = [&](long number) { return call.starts_with(std::to_string(number) + ' '); };
#ifdef SYS_epoll_wait
        if (is(SYS_epoll_wait))
            return true;
#endif
        return is(SYS_epoll_pwait);
    }

    pid_t pid_;
};

/// It refused a good cursor: an epoch that it hasn't met looked to it like one of another log.
TEST(InstancesEpoch, TheOneItMovesToMayNotHaveMetIt) {
    database db;
    support::daemon two{{.dsn = db.conninfo(), .settings = {{"POSTGRES_CANARY_INTERVAL", "1m"}}}};
    const pid_t tail = std::stoi(*db.value("select pid from pg_stat_activity where datname = $1 "
                                           "and application_name = 'pgherald/tail'",
                                           db.name()));
    support::daemon one{{.dsn = db.conninfo()}};
    herald_client first(one.port());
    first.subscribe("c");
    first.socket.send(R"({"type":"publish","channel":"c","data":0})");
    first.next();
    first.next();
    herald_client moved(two.port());
    const auto try_to = [&](const std::string& channel, const std::string& more) {
        moved.socket.send(R"({"type":"subscribe","ref":1,"channel":")" + channel + '"' + more +
                          "}");
        return moved.next();
    };
    seqs all;
    std::string epoch;
    {
        const stopped_backend lagging(tail);
        db.value("select queue.new_epoch()");
        epoch = first.next("epoch").at("epoch");
        first.next("reset");
        all = add(db, "c", 10);
        EXPECT_EQ(first.next_seqs(10), all);
        ASSERT_NE(herald_client(two.port()).welcome.at("epoch"), epoch);

        for (const std::string& more : {std::string(), as("w")}) {
            const auto refused = try_to("c", after(all[4], epoch) + more);
            EXPECT_EQ(refused.at("code"), "unavailable") << *refused.text;
            EXPECT_EQ(refused.at("retry"), "true");
        }
    }
    ASSERT_TRUE(eventually(20s, [&] { return try_to("c", after(all[4], epoch)).type() == "ok"; }));
    EXPECT_EQ(moved.next_seqs(5), from(all, 5));
    EXPECT_TRUE(quiet(moved));
    EXPECT_EQ(resets(two, "epoch"), 0);
}

TEST_F(Instances, AConsumerMovesUnderLoad) {
    {
        herald_client first(one.port());
        first.subscribe("c", as("w"));
    }
    writers load(db, {one.port()}, "c");
    std::set<std::int64_t> handled;
    std::mt19937 random(5);
    for (unsigned move = 0; move < 20; ++move) {
        const auto stored = acked(db, "c", "w").value();
        herald_client client(any(move).port());
        client.subscribe("c", as("w", 10));
        seqs got;
        for (auto count = 5 + random() % 30; count > 0; --count) {
            got.push_back(client.next("message").number("seq"));
            client.socket.send(ack("c", got.back()));
        }
        EXPECT_GT(got.front(), stored) << "what is done doesn't come again";
        handled.insert(got.begin(), got.end());
        if (move % 2 == 0) {
            // More, where the other instance had not stored everything when it was left.
            ASSERT_TRUE(eventually(20s, [&] { return acked(db, "c", "w") >= got.back(); }));
        }
        client.socket.abort();
    }
    load.stop();
    const auto all = seqs_of(db, "c");
    const auto end = std::ranges::upper_bound(all, *handled.rbegin());
    EXPECT_EQ(seqs(handled.begin(), handled.end()), seqs(all.begin(), end)) << "none is skipped";
    EXPECT_GT(handled.size(), 100U);
}

TEST_F(Instances, AnIdPublishedOnBothIsStoredOnce) {
    herald_client publisher(one.port());
    herald_client other(two.port());
    constexpr int count = 50;
    for (int i = 0; i < count; ++i) {
        const std::string id = "11111111-1111-4111-8111-0000000000" + std::to_string(10 + i);
        publisher.socket.send(publish("c", i, id));
        other.socket.send(publish("c", i, id));
    }
    int duplicates = 0;
    for (int i = 0; i < count; ++i) {
        const auto here = publisher.next("ok");
        const auto there = other.next("ok");
        EXPECT_EQ(here.at("ref"), there.at("ref"));
        EXPECT_EQ(here.at("seq"), there.at("seq"));
        duplicates += here.at("duplicate") == "true" ? 1 : 0;
        duplicates += there.at("duplicate") == "true" ? 1 : 0;
    }
    EXPECT_EQ(duplicates, count);
    EXPECT_EQ(db.value("select count(*) from queue.message"), std::to_string(count));
}

/// kill -9 of one: its clients go on at the other, from their last seq.
TEST_F(Instances, TheClientsOfAKilledOneGoOnAtTheOther) {
    std::vector<herald_client> clients;
    for (int i = 0; i < 5; ++i) {
        clients.emplace_back(one.port()).subscribe("c");
    }
    const std::string epoch = clients[0].welcome.at("epoch");
    std::vector<seqs> got(clients.size());
    writers load(db, {two.port()}, "c");
    for (std::size_t i = 0; i < clients.size(); ++i) {
        got[i] = clients[i].next_seqs(20 + 10 * i);
    }
    one.signal(SIGKILL);
    EXPECT_EQ(one.wait(), 128 + SIGKILL);
    load.stop();
    const auto all = seqs_of(db, "c");
    for (std::size_t i = 0; i < clients.size(); ++i) {
        herald_client again(two.port());
        again.subscribe("c", after(got[i].back(), epoch));
        for (const auto seq : again.next_seqs(all.size() - got[i].size())) {
            got[i].push_back(seq);
        }
        EXPECT_EQ(got[i], all);
    }
}

} // namespace
