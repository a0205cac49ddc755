// Consumers: progress kept in Postgres, at most a window unacknowledged, the rest comes again.
#include "tests/support/messages.hpp"

#include <csignal>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace support;

bool progress_is(database& db, const std::string& channel, const std::string& name,
                 std::int64_t seq) {
    return eventually(20s, [&] { return acked(db, channel, name) == seq; });
}

/// Notes what must never happen.
void watch_for_steps_back(database& db) {
    db.exec("create table steps_back (n int);"
            "create function note_step_back() returns trigger language plpgsql as "
            "$$ begin insert into steps_back values (1); return new; end $$;"
            "create trigger note_step_back before update on queue.consumer for each row "
            "when (new.acked_seq < old.acked_seq) execute function note_step_back()");
}

class Consumer : public testing::Test {
protected:
    database db;
    support::daemon daemon{{.dsn = db.conninfo()}};
};

TEST_F(Consumer, ANewOneBeginsNowAndIsRememberedAtOnce) {
    add(db, "jobs", 3);
    {
        herald_client client(daemon.port());
        const auto ok = client.subscribe("jobs", as("invoices"));
        EXPECT_EQ(ok.at("channel"), "jobs");
        EXPECT_EQ(ok.number("head"), head_of(db));
        EXPECT_EQ(acked(db, "jobs", "invoices"), head_of(db)) << "before the ok";
        client.socket.abort();
    }
    const auto missed = add(db, "jobs", 2);
    herald_client again(daemon.port());
    again.subscribe("jobs", as("invoices"));
    EXPECT_EQ(again.next_seqs(2), missed) << "now was then";
    EXPECT_TRUE(quiet(again));
}

TEST_F(Consumer, ANewOneBeginsAtTheStart) {
    const auto all = add(db, "jobs", 5);
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices") + from_start);
    EXPECT_LT(acked(db, "jobs", "invoices").value(), all[0]);
    EXPECT_EQ(client.next_seqs(5), all);
    EXPECT_EQ(client.next("live").number("seq"), all.back());
}

TEST_F(Consumer, ANewOneBeginsAfterASeqAndAfterwardsItsAckDecides) {
    const auto all = add(db, "jobs", 6);
    {
        herald_client client(daemon.port());
        client.subscribe("jobs", as("invoices") + after(all[1], client.welcome.at("epoch")));
        EXPECT_EQ(acked(db, "jobs", "invoices"), all[1]);
        EXPECT_EQ(client.next_seqs(4), from(all, 2));
        client.call(ack("jobs", all[3], "1"), "ok");
        ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[3]));
    }
    for (const std::string& ignored : {std::string(from_start), after(all[5]), after(1'000'000),
                                       after(0, "another"), std::string()}) {
        herald_client again(daemon.port());
        again.subscribe("jobs", as("invoices") + ignored);
        EXPECT_EQ(again.next_seqs(2), from(all, 4)) << ignored;
    }
}

TEST_F(Consumer, WhatIsNotAcknowledgedComesAgainAfterTheClientIsGone) {
    const auto all = add(db, "jobs", 10);
    for (std::size_t done = 0; done < all.size(); done += 2) {
        herald_client client(daemon.port());
        client.subscribe("jobs", as("invoices") + from_start);
        EXPECT_EQ(client.next_seqs(all.size() - done), from(all, done));
        client.call(ack("jobs", all[done + 1], "1"), "ok");
        client.socket.abort();
    }
    herald_client last(daemon.port());
    last.subscribe("jobs", as("invoices"));
    EXPECT_TRUE(quiet(last)) << "all is done";
}

TEST_F(Consumer, WhatIsNotAcknowledgedComesAgainAfterTheDaemonWasKilled) {
    const auto all = add(db, "jobs", 10);
    herald_client client = consumer_given(daemon, "jobs", "invoices", 10);
    client.socket.send(ack("jobs", all[3]));
    ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[3]));
    client.socket.send(ack("jobs", all[6]));
    daemon.signal(SIGKILL);
    EXPECT_EQ(daemon.wait(), 128 + SIGKILL);

    support::daemon next({.dsn = db.conninfo()});
    herald_client again(next.port());
    again.subscribe("jobs", as("invoices"));
    const auto stored = acked(db, "jobs", "invoices").value();
    EXPECT_TRUE(stored == all[3] || stored == all[6]) << stored;
    const auto rest = seqs_of(db, "jobs", stored);
    EXPECT_EQ(again.next_seqs(rest.size()), rest);
}

TEST_F(Consumer, AtMostAWindowIsUnderWay) {
    const auto old = add(db, "jobs", 12);
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices", 5) + from_start);
    EXPECT_EQ(client.next_seqs(5), upto(old, 5));
    EXPECT_TRUE(quiet(client));
    client.socket.send(ack("jobs", old[2]));
    EXPECT_EQ(client.next_seqs(3), from(upto(old, 8), 5)) << "as many as were acknowledged";
    EXPECT_TRUE(quiet(client));
    client.socket.send(ack("jobs", old[2]));
    EXPECT_TRUE(quiet(client)) << "acknowledged before";
    client.socket.send(ack("jobs", old[7]));
    EXPECT_EQ(client.next_seqs(4), from(old, 8));
    // Four are under way: of what happens now one is given.
    const auto fresh = add(db, "jobs", 8);
    EXPECT_EQ(client.next_seqs(1), upto(fresh, 1));
    EXPECT_TRUE(quiet(client));
    client.socket.send(ack("jobs", fresh[0]));
    EXPECT_EQ(client.next_seqs(5), from(upto(fresh, 6), 1));
    EXPECT_TRUE(quiet(client));
    client.socket.send(ack("jobs", fresh[5]));
    EXPECT_EQ(client.next_seqs(2), from(fresh, 6));
    client.next("live");
}

TEST_F(Consumer, AFullWindowHoldsNothingElse) {
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices", 1) + from_start);
    client.subscribe("other");
    add(db, "jobs", 3);
    client.next_seqs(1);
    const auto others = add(db, "other", 200);
    EXPECT_EQ(client.next_seqs(200), others);
    EXPECT_TRUE(quiet(client));
}

TEST_F(Consumer, AWindowOfOneIsOneAtATime) {
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices", 1));
    const auto all = add(db, "jobs", 30);
    for (const auto seq : all) {
        EXPECT_EQ(client.next_seqs(1).front(), seq);
        if (seq == all[3] || seq == all.back()) {
            EXPECT_TRUE(quiet(client));
        }
        client.socket.send(ack("jobs", seq));
    }
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all.back()));
}

TEST_F(Consumer, TheWindowIsAHundredWhereNoneIsNamed) {
    const auto all = add(db, "jobs", 150);
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices") + from_start);
    EXPECT_EQ(client.next_seqs(100), upto(all, 100));
    EXPECT_TRUE(quiet(client));
    client.socket.send(ack("jobs", all[99]));
    EXPECT_EQ(client.next_seqs(50), from(all, 100));
}

TEST_F(Consumer, WithoutAConsumerTheWindowHasNoMeaning) {
    const auto all = add(db, "jobs", 20);
    herald_client client(daemon.port());
    client.subscribe("jobs", std::string(from_start) + ",\"window\":1");
    EXPECT_EQ(client.next_seqs(20), all);
    EXPECT_EQ(db.value("select count(*) from queue.consumer"), "0");
}

/// The tail in memory, then pages of the table.
TEST(ConsumerReplay, AThousandMessagesThroughAWindowOfAHundred) {
    for (const char* tail : {"64MiB", "0"}) {
        database db;
        support::daemon daemon({.dsn = db.conninfo(), .settings = {{"MESSAGES_TAIL", tail}}});
        const auto all = add(db, "jobs", 1'000);
        herald_client client(daemon.port());
        client.subscribe("jobs", as("invoices", 100) + from_start);
        std::mt19937 random(7);
        std::size_t received = 0;
        std::size_t done = 0;
        while (done < all.size()) {
            const std::size_t can = std::min(all.size(), done + 100) - received;
            const std::size_t take = can == 0 ? 0 : 1 + random() % can;
            EXPECT_EQ(client.next_seqs(take), from(upto(all, received + take), received));
            received += take;
            if (received == done + 100 && received < all.size() && random() % 4 == 0) {
                ASSERT_TRUE(quiet(client)) << received << " were given, " << done << " done";
            }
            const std::size_t finish = 1 + random() % (received - done);
            done += finish;
            client.socket.send(ack("jobs", all[done - 1]));
        }
        EXPECT_EQ(client.next("live").number("seq"), all.back());
        EXPECT_TRUE(progress_is(db, "jobs", "invoices", all.back()));
    }
}

/// A full outbox and a window at once.
TEST_F(Consumer, ASlowOneGetsItsWindowOnceInOrder) {
    herald_client client(daemon.port(), {.receive_buffer = 4'096});
    client.subscribe("jobs", as("invoices", 1'500));
    const auto all = add(db, "jobs", 2'000, 8'000);
    EXPECT_EQ(client.next_seqs(1'500), upto(all, 1'500));
    EXPECT_TRUE(quiet(client));
    client.socket.send(ack("jobs", all[1'499]));
    EXPECT_EQ(client.next_seqs(500), from(all, 1'500));
}

TEST_F(Consumer, AcksThatAreWrongAreAnsweredAndChangeNothing) {
    const auto all = add(db, "jobs", 6);
    herald_client client(daemon.port());
    EXPECT_EQ(client.call(ack("jobs", 0, "1"), "error").at("code"), "not_subscribed");
    client.subscribe("plain", from_start);
    EXPECT_EQ(client.call(ack("plain", 0, "2"), "error").at("code"), "malformed");
    client.subscribe("jobs", as("invoices", 3) + from_start);
    client.next_seqs(3);
    const auto above = client.call(ack("jobs", all[3], "\"x\""), "error");
    EXPECT_EQ(above.at("code"), "malformed");
    EXPECT_EQ(above.at("ref"), "x");
    EXPECT_EQ(above.at("retry"), "false");
    const auto without_ref = client.call(ack("jobs", 1'000'000), "error");
    EXPECT_EQ(without_ref.at("code"), "malformed");
    EXPECT_EQ(without_ref.object.find("ref"), nullptr);
    EXPECT_TRUE(quiet(client)) << "the window is as full as before";

    client.call(unsubscribe("jobs"), "ok");
    EXPECT_EQ(client.call(ack("jobs", all[1]), "error").at("code"), "not_subscribed");
    client.subscribe("jobs", as("invoices", 3));
    EXPECT_EQ(client.next_seqs(3), upto(all, 3));
    EXPECT_LT(acked(db, "jobs", "invoices").value(), all[0]);
    EXPECT_EQ(count(daemon, "pgherald_acks_total"), 0);
}

TEST_F(Consumer, AnAckIsAnsweredOnlyWhereItHasARef) {
    const auto all = add(db, "jobs", 3);
    herald_client client = consumer_given(daemon, "jobs", "invoices", 3);
    client.socket.send(ack("jobs", all[0]));
    client.socket.send(ack("jobs", all[1], "\"two\""));
    EXPECT_EQ(*client.next("ok").text, R"({"type":"ok","ref":"two"})");
    EXPECT_EQ(client.call(ack("jobs", all[1] - 1, "3"), "ok").at("ref"), "3")
        << "an older one is no mistake";
    EXPECT_TRUE(quiet(client));
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all[1]));
}

/// What `live` says has been given: a client takes it as its cursor.
TEST_F(Consumer, TheSeqOfLiveCanBeAcknowledged) {
    add(db, "other", 5);
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices") + from_start);
    const auto live = client.next("live").number("seq");
    EXPECT_EQ(live, head_of(db));
    client.call(ack("jobs", live, "1"), "ok");
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", live));
    EXPECT_EQ(client.call(ack("jobs", live + 1, "1"), "error").at("code"), "malformed");
}

TEST_F(Consumer, ProgressIsStoredInBatchesWithinASecond) {
    const auto all = add(db, "jobs", 500);
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices", 500) + from_start);
    client.next_seqs(500);
    db.exec("create table writes (n int); create function note_write() returns trigger "
            "language plpgsql as $$ begin insert into writes values (1); return null; end $$;"
            "create trigger note_write after insert or update on queue.consumer "
            "for each statement execute function note_write()");
    for (const auto seq : all) {
        client.socket.send(ack("jobs", seq));
    }
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all.back()));
    EXPECT_LT(std::stoi(*db.value("select count(*) from writes")), 50) << "for 500 acks";
    EXPECT_TRUE(
        eventually(20s, [&] { return count(daemon, "pgherald_progress_stored_total") >= 1; }));
    EXPECT_EQ(count(daemon, "pgherald_acks_total"), 500);
    EXPECT_EQ(db.value("select updated_at > now() - interval '1 minute' from queue.consumer"), "t");
}

TEST_F(Consumer, FiftyAtOnceAreAllStored) {
    std::vector<herald_client> clients;
    for (std::size_t i = 0; i < 50; ++i) {
        clients.emplace_back(daemon.port()).subscribe("jobs", as(numbered("c", i)));
    }
    const auto all = add(db, "jobs", 50);
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].next_seqs(all.size());
        clients[i].socket.send(ack("jobs", all[i]));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        EXPECT_TRUE(progress_is(db, "jobs", numbered("c", i), all[i])) << i;
    }
}

TEST_F(Consumer, ProgressNeverGoesBackwards) {
    watch_for_steps_back(db);
    support::daemon other({.dsn = db.conninfo()});
    const auto all = add(db, "jobs", 20);
    herald_client late(daemon.port());
    herald_client early(other.port());
    late.subscribe("jobs", as("invoices") + from_start);
    early.subscribe("jobs", as("invoices") + from_start);
    EXPECT_EQ(late.next_seqs(20), all);
    EXPECT_EQ(early.next_seqs(20), all) << "both are this consumer";
    late.socket.send(ack("jobs", all[10]));
    ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[10]));
    early.call(ack("jobs", all[4], "1"), "ok");
    // Whoever writes everything that is known writes this one too.
    const auto fence = add(db, "fence", 1);
    early.subscribe("fence", as("fence") + from_start);
    EXPECT_EQ(early.next_seqs(1), fence);
    early.socket.send(ack("fence", fence[0]));
    ASSERT_TRUE(progress_is(db, "fence", "fence", fence[0]));
    EXPECT_EQ(acked(db, "jobs", "invoices"), all[10]);
    early.socket.send(ack("jobs", all[12]));
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all[12])) << "forward it goes";
    EXPECT_EQ(db.value("select count(*) from steps_back"), "0");
}

TEST_F(Consumer, TwoSessionsOfOneConsumerShareItsProgress) {
    watch_for_steps_back(db);
    const auto all = add(db, "jobs", 10);
    herald_client one(daemon.port());
    herald_client two(daemon.port());
    one.subscribe("jobs", as("invoices", 6) + from_start);
    two.subscribe("jobs", as("invoices", 6) + from_start);
    EXPECT_EQ(one.next_seqs(6), upto(all, 6));
    EXPECT_EQ(two.next_seqs(6), upto(all, 6));
    one.socket.send(ack("jobs", all[5]));
    EXPECT_EQ(one.next_seqs(4), from(all, 6));
    ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[5]));
    two.call(ack("jobs", all[1], "1"), "ok");
    one.socket.send(ack("jobs", all[7]));
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all[7]));
    herald_client three(daemon.port());
    three.subscribe("jobs", as("invoices"));
    EXPECT_EQ(three.next_seqs(2), from(all, 8));
    EXPECT_EQ(db.value("select count(*) from steps_back"), "0");
}

TEST_F(Consumer, ProgressIsWrittenWhenTheDaemonDrains) {
    const auto all = add(db, "jobs", 100);
    std::map<std::string, std::int64_t> expected;
    std::vector<herald_client> clients;
    for (std::size_t i = 0; i < 20; ++i) {
        const std::string name = numbered("c", i);
        auto& client = clients.emplace_back(daemon.port());
        client.subscribe("jobs", as(name) + from_start);
        client.next_seqs(100);
        expected[name] = all[3 * i];
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        const auto seq = expected[numbered("c", i)];
        clients[i].call(ack("jobs", seq, "1"), "ok");
    }
    daemon.signal(SIGTERM);
    for (auto& client : clients) {
        EXPECT_TRUE(client.socket.wait_closed());
        EXPECT_EQ(client.socket.close_code(), 1012);
    }
    EXPECT_EQ(daemon.wait(), 0);
    for (const auto& [name, seq] : expected) {
        EXPECT_EQ(acked(db, "jobs", name), seq) << name;
    }
}

/// The statement is under way when nothing else keeps the daemon alive.
TEST_F(Consumer, TheDrainWaitsForAWriteThatIsUnderWay) {
    const auto all = add(db, "jobs", 3);
    herald_client client = consumer_given(daemon, "jobs", "invoices", 3);
    auto holder = db.connect();
    holder.exec("begin; lock table queue.consumer in share row exclusive mode");
    client.call(ack("jobs", all[1], "1"), "ok");
    daemon.signal(SIGTERM);
    EXPECT_TRUE(client.socket.wait_closed());
    EXPECT_TRUE(eventually(20s, [&] {
        return db.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and "
                        "application_name = 'pgherald/consumer'") == "1";
    }));
    EXPECT_FALSE(eventually(500ms, [&] { return !daemon.running(); })) << daemon.log();
    holder.exec("commit");
    EXPECT_EQ(daemon.wait(), 0);
    EXPECT_EQ(acked(db, "jobs", "invoices"), all[1]);
}

TEST_F(Consumer, TheLagOfEachIsInAView) {
    const auto all = add(db, "jobs", 10);
    add(db, "other", 5);
    herald_client one(daemon.port());
    herald_client two(daemon.port());
    one.subscribe("jobs", as("invoices") + from_start);
    two.subscribe("jobs", as("mails") + from_start);
    one.next_seqs(10);
    two.next_seqs(10);
    one.socket.send(ack("jobs", all[2]));
    two.socket.send(ack("jobs", all[9]));
    ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[2]));
    ASSERT_TRUE(progress_is(db, "jobs", "mails", all[9]));
    const auto lag = db.query("select name, acked_seq, head, lag from queue.consumer_lag "
                              "where channel = 'jobs' order by name");
    const std::string head = std::to_string(all.back());
    EXPECT_EQ(lag,
              (rows{{"invoices", std::to_string(all[2]), head, "7"}, {"mails", head, head, "0"}}));
}

TEST_F(Consumer, TwoOfOneChannelAreIndependent) {
    herald_client one(daemon.port());
    herald_client two(daemon.port());
    one.subscribe("jobs", as("invoices", 2));
    two.subscribe("jobs", as("mails", 3));
    const auto all = add(db, "jobs", 8);
    EXPECT_EQ(one.next_seqs(2), upto(all, 2));
    EXPECT_EQ(two.next_seqs(3), upto(all, 3));
    two.socket.send(ack("jobs", all[2]));
    EXPECT_EQ(two.next_seqs(3), from(upto(all, 6), 3));
    EXPECT_TRUE(quiet(one)) << "the other's ack is not its own";
    one.call(ack("jobs", all[0], "1"), "ok");
    ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[0]));
    ASSERT_TRUE(progress_is(db, "jobs", "mails", all[2]));
}

TEST(ConsumerFaults, ProgressSurvivesARestartOfPostgresBetweenAckAndWrite) {
    postgres_server server({.fsync = true});
    database db(server);
    support::daemon daemon({.dsn = db.conninfo()});
    const auto all = add(db, "jobs", 10);
    herald_client client = consumer_given(daemon, "jobs", "invoices", 10);

    client.socket.send(ack("jobs", all[2]));
    server.restart("immediate");
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all[2])) << "acknowledged just before";

    server.stop("immediate");
    client.call(ack("jobs", all[5], "1"), "ok");
    herald_client second(daemon.port());
    const auto refused =
        second.call(R"({"type":"subscribe","ref":1,"channel":"jobs","consumer":"mails"})", "error");
    EXPECT_EQ(refused.at("code"), "unavailable");
    EXPECT_EQ(refused.at("retry"), "true");
    server.start();
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all[5])) << "acknowledged meanwhile";
    ASSERT_TRUE(ready(daemon));
    EXPECT_EQ(acked(db, "jobs", "mails"), std::nullopt);
    const auto more = add(db, "jobs", 2);
    EXPECT_EQ(client.next_seqs(2), more) << "the session stayed";
}

TEST(ConsumerFaults, ARefusedWriteIsTriedAgain) {
    database db;
    support::daemon daemon({.dsn = db.conninfo()});
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices"));
    client.subscribe("more", as("mails"));
    const auto jobs = add(db, "jobs", 1);
    const auto more = add(db, "more", 1);
    client.next_seqs(2);
    db.exec("create function not_now() returns trigger language plpgsql as "
            "$$ begin raise exception 'not now'; end $$;"
            "create trigger not_now before insert or update on queue.consumer for each row "
            "when (new.channel = 'jobs') execute function not_now()");
    client.socket.send(ack("jobs", jobs[0]));
    client.socket.send(ack("more", more[0]));
    ASSERT_TRUE(eventually(10s, [&] { return daemon.log().find("not now") != std::string::npos; }))
        << "somebody must be told\n"
        << daemon.log();
    db.exec("drop trigger not_now on queue.consumer");
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", jobs[0]));
    EXPECT_TRUE(progress_is(db, "more", "mails", more[0]));
}

TEST_F(Consumer, OneThatIsDeletedByHandGoesOnAndComesBackWithItsNextAck) {
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices"));
    const auto all = add(db, "jobs", 3);
    client.next_seqs(3);
    client.socket.send(ack("jobs", all[0]));
    ASSERT_TRUE(progress_is(db, "jobs", "invoices", all[0]));
    db.exec("delete from queue.consumer");
    client.call(ack("jobs", all[1], "1"), "ok");
    EXPECT_TRUE(progress_is(db, "jobs", "invoices", all[1]));
    const auto more = add(db, "jobs", 1);
    EXPECT_EQ(client.next_seqs(1), more);
    herald_client again(daemon.port());
    again.subscribe("jobs", as("invoices"));
    EXPECT_EQ(again.next_seqs(2), from(seqs_of(db, "jobs"), 2));
}

TEST_F(Consumer, AnyNameThatIsAllowedIsKeptAsItIs) {
    const std::string long_name = [] {
        std::string text;
        for (int i = 0; i < 63; ++i) {
            text += "\xF0\x9F\x90\x98"; // an elephant: four bytes, two UTF-16 units
        }
        return text + "end";
    }();
    ASSERT_EQ(long_name.size(), 255U);
    for (const std::string& name :
         {std::string("a b"), std::string("it's"), std::string(R"(quo"te)"),
          std::string(R"(back\slash)"), std::string("$1"), std::string("{a,b}"),
          std::string("'; drop table queue.consumer; --"), std::string("NULL"),
          std::string("\xC3\x84\xC3\x96"), long_name}) {
        SCOPED_TRACE(name);
        const std::string channel = "c " + name.substr(0, 248);
        std::int64_t done = 0;
        {
            herald_client client(daemon.port());
            client.subscribe(channel, as(name));
            const auto all = add(db, channel, 2);
            EXPECT_EQ(client.next_seqs(2), all);
            client.socket.send(ack(channel, done = all[0]));
            EXPECT_TRUE(progress_is(db, channel, name, done));
        }
        herald_client again(daemon.port());
        again.subscribe(channel, as(name));
        EXPECT_EQ(again.next_seqs(1), seqs_of(db, channel, done));
    }
    herald_client client(daemon.port());
    for (const std::string& name : {std::string(), std::string(256, 'x'), std::string("a\nb")}) {
        const auto refused = client.call(
            R"({"type":"subscribe","ref":1,"channel":"jobs")" + as(name) + "}", "error");
        EXPECT_EQ(refused.at("retry"), "false") << *refused.text;
    }
    EXPECT_EQ(db.value("select count(*) from queue.consumer"), "10");
}

TEST_F(Consumer, SubscribedAgainAtOnceItContinuesAtItsAck) {
    const auto all = add(db, "jobs", 40);
    herald_client client(daemon.port());
    client.subscribe("jobs", as("invoices") + from_start);
    EXPECT_EQ(client.next_seqs(40), all);
    for (std::size_t done = 1; done < 10; ++done) {
        // One breath: nothing has reached the table when it subscribes again.
        client.socket.send(ack("jobs", all[done - 1]));
        client.socket.send(unsubscribe("jobs"));
        client.socket.send(R"({"type":"subscribe","ref":1,"channel":"jobs")" + as("invoices") +
                           "}");
        EXPECT_EQ(client.next("ok").at("ref"), "9");
        EXPECT_EQ(client.next("ok").at("ref"), "1");
        EXPECT_EQ(client.next_seqs(40 - done), from(all, done));
    }
    client.call(ack("jobs", all[19], "1"), "ok");
    herald_client other(daemon.port());
    other.subscribe("jobs", as("invoices"));
    EXPECT_EQ(other.next_seqs(20), from(all, 20)) << "another session of the same instance";
}

/// Sessions of two consumers that drop and come back, on two instances, while rows are committed.
TEST(ConsumerChurn, NothingIsSkippedAndProgressOnlyRises) {
    database db;
    watch_for_steps_back(db);
    std::vector<std::unique_ptr<support::daemon>> daemons;
    for (int i = 0; i < 2; ++i) {
        daemons.push_back(
            std::make_unique<support::daemon>(support::daemon::options{.dsn = db.conninfo()}));
    }
    std::mt19937 random(11);
    seqs all = add(db, "jobs", 40);
    {
        herald_client first(daemons[0]->port());
        first.subscribe("jobs", as("invoices") + from_start);
    }
    std::int64_t done = 0; // acknowledged by somebody
    std::set<std::int64_t> handled;
    for (int visit = 0; visit < 60; ++visit) {
        for (const auto seq : add(db, "jobs", 1 + static_cast<int>(random() % 5))) {
            all.push_back(seq);
        }
        const auto stored = acked(db, "jobs", "invoices").value();
        EXPECT_LE(stored, done);
        herald_client client(daemons[random() % 2]->port());
        client.subscribe("jobs", as("invoices", 20));
        const auto got = client.next_seqs(1 + random() % 3);
        EXPECT_GT(got.front(), stored) << "what is known to be done doesn't come again";
        const auto at = std::ranges::find(all, got.front());
        ASSERT_NE(at, all.end());
        EXPECT_TRUE(std::equal(got.begin(), got.end(), at)) << "without a gap";
        EXPECT_TRUE(at == all.begin() || handled.contains(*(at - 1))) << "nothing is skipped";
        handled.insert(got.begin(), got.end());
        client.socket.send(ack("jobs", got.back()));
        done = std::max(done, got.back());
        if (random() % 2 == 0) {
            client.call(R"({"type":"ping","ref":1})");
        }
        client.socket.abort();
    }
    EXPECT_EQ(db.value("select count(*) from steps_back"), "0");
}

} // namespace
