#include "tests/pg/roles.hpp"
#include "tests/pg/store_test.hpp"

namespace {

using namespace std::chrono_literals;
using fate = pg::stored::fate;

class message_store_test : public store_test {
protected:
    void SetUp() override { opt_in(); }

    void opt_in() {
        const auto prepared = loop::run(context, store.prepare_to_publish());
        ASSERT_TRUE(prepared) << prepared.error().message;
    }

    pg::outcome<std::vector<pg::stored>> publish(std::span<const pg::publish_item> items) {
        return loop::run(context, store.publish(items));
    }
    pg::outcome<std::vector<pg::stored>> publish(std::vector<pg::publish_item> items) {
        return publish(std::span<const pg::publish_item>(items));
    }
    pg::stored publish_one(std::string_view id, std::string_view data) {
        return publish({{id, "sports", data}}).value().at(0);
    }
};

TEST_F(message_store_test, checks_the_server) {
    const auto check = loop::run(context, store.check_server());
    ASSERT_TRUE(check);
    EXPECT_EQ(check->encoding, "UTF8");
    EXPECT_FALSE(check->read_only);
    db.exec("alter database " + db.name() + " set default_transaction_read_only = on");
    auto reading = open(db.conninfo() + " target_session_attrs=any");
    EXPECT_TRUE(loop::run(context, pg::message_store(reading).check_server())->read_only);
    EXPECT_EQ(check->isolation, "read committed");
    const auto refused = loop::run(context, pg::message_store(reading).publish({}));
    EXPECT_TRUE(refused);
    const std::string id = uuid(1);
    const pg::publish_item item[] = {{id, "sports", "1"}};
    EXPECT_TRUE(
        loop::run(context, pg::message_store(reading).publish(item)).error().is_read_only());
}

TEST_F(message_store_test, knows_epoch_and_head) {
    const auto empty = loop::run(context, store.log_state());
    ASSERT_TRUE(empty) << empty.error().message;
    EXPECT_EQ(empty->schema_version, loop::run(context, store.schema_version()).value());
    EXPECT_GE(empty->schema_version, 1);
    EXPECT_EQ(empty->head, 0);
    const base::seq seq = publish_one(uuid(1), "1").seq;
    const auto later = loop::run(context, store.log_state());
    EXPECT_EQ(later->head, seq);
    EXPECT_EQ(later->epoch, empty->epoch);
    db.exec("truncate queue.message");
    EXPECT_NE(loop::run(context, store.log_state())->epoch, empty->epoch);
}

// log_state() itself records it, and gives what is recorded then.
TEST_F(message_store_test, the_present_timeline_is_among_those_of_the_log) {
    publish_one(uuid(1), "1");
    db.exec("delete from queue.timeline; select setval('queue.timeline_seq', 0)");
    publish_one(uuid(2), "1");
    db.exec("delete from queue.timeline; select setval('queue.timeline_seq', 0)");
    const auto state = done(store.log_state());
    ASSERT_EQ(state.timelines.size(), 1U);
    EXPECT_EQ(state.timelines[0].timeline, 1);
    EXPECT_EQ(state.timelines[0].began_at, 2);
    EXPECT_EQ(state.head, 2);

    db.exec("insert into queue.timeline (timeline, began_at) values (12, 9), (3, 7), (0, 1)");
    std::vector<std::int64_t> timelines;
    for (const auto& each : done(store.log_state()).timelines)
        timelines.push_back(each.timeline * 100 + each.began_at);
    EXPECT_EQ(timelines, (std::vector<std::int64_t>{1, 102, 307, 1209}));
}

TEST_F(message_store_test, the_log_tells_when_it_was_emptied) {
    publish_one(uuid(1), "1");
    EXPECT_EQ(done(store.log_state()).emptied_at, 0);
    db.exec("truncate queue.message");
    const auto emptied = done(store.log_state());
    EXPECT_EQ(emptied.emptied_at, 1);
    EXPECT_EQ(emptied.head, 1);
    publish_one(uuid(1), "1");
    const auto later = done(store.log_state());
    EXPECT_EQ(later.emptied_at, 1);
    EXPECT_EQ(later.head, 2);
}

TEST_F(message_store_test, the_state_of_a_channel) {
    const auto of = [&](std::string_view channel) {
        auto state = done(store.channel_state(channel));
        EXPECT_EQ(state.epoch, *db.value("select queue.current_epoch()"));
        return std::pair(state.head, state.oldest);
    };
    EXPECT_EQ(of("c1"), std::pair(base::seq{0}, base::seq{0}));
    db.exec("insert into queue.message (channel) select 'c' || i % 3 from generate_series(1, 9) i");
    EXPECT_EQ(of("c1"), std::pair(base::seq{9}, base::seq{1}));
    EXPECT_EQ(of("c0"), std::pair(base::seq{9}, base::seq{3}));
    EXPECT_EQ(of("c"), std::pair(base::seq{9}, base::seq{0}));
    db.exec("delete from queue.message where seq in (1, 9)");
    EXPECT_EQ(of("c1"), std::pair(base::seq{9}, base::seq{4}));
    db.exec("truncate queue.message");
    EXPECT_EQ(of("c1"), std::pair(base::seq{9}, base::seq{0}));
    db.exec("delete from queue.log");
    EXPECT_TRUE(loop::run(context, store.channel_state("c1")).error().is_schema());
    EXPECT_TRUE(loop::run(context, store.read_after(0, 10, any_size)).error().is_schema());
}

TEST_F(message_store_test, says_what_is_missing) {
    db.exec("drop schema queue cascade");
    EXPECT_EQ(loop::run(context, store.schema_version()).value(), 0);
    EXPECT_TRUE(loop::run(context, store.log_state()).error().is_schema());
    EXPECT_TRUE(loop::run(context, store.read_after(0, 10, any_size)).error().is_schema());
    EXPECT_TRUE(publish({{uuid(1), "sports", "1"}}).error().is_schema());
}

TEST_F(message_store_test, says_when_a_right_is_missing) {
    const support::role role(db);
    auto stranger = open(db.conninfo(role.name()));
    pg::message_store denied(stranger);
    EXPECT_TRUE(loop::run(context, denied.schema_version()).error().is_permission());
    EXPECT_TRUE(loop::run(context, denied.read_after(0, 1, 1)).error().is_permission());
    EXPECT_TRUE(loop::run(context, denied.prepare_to_publish()).error().is_permission());
}

TEST_F(message_store_test, names_the_grants_that_are_missing) {
    const support::role role(db, grants::daemon);
    auto own = open(db.conninfo(role.name()));
    pg::message_store as_daemon(own);
    EXPECT_EQ(done(as_daemon.missing_grants()), "");
    EXPECT_EQ(done(store.missing_grants()), "") << "a superuser's";
    const std::string rights[] = {"select on queue.message",
                                  "insert on queue.message",
                                  "usage on sequence queue.message_seq",
                                  "select on queue.log",
                                  "select on queue.timeline",
                                  "select on queue.trimmed",
                                  "select on queue.consumer",
                                  "insert on queue.consumer",
                                  "update on queue.consumer",
                                  "execute on function queue.settle_first()",
                                  "execute on function queue.current_epoch()"};
    std::string all;
    for (const std::string& right : rights) {
        db.exec("revoke " + right + " from " + role.name());
        const std::string grant = "grant " + right + " to " + role.name();
        EXPECT_EQ(done(as_daemon.missing_grants()), grant);
        db.exec(grant);
        all += (all.empty() ? "" : "; ") + grant;
    }
    for (const std::string& right : rights)
        db.exec("revoke " + right + " from " + role.name());
    EXPECT_EQ(done(as_daemon.missing_grants()), all);
    db.exec(all);
    EXPECT_EQ(done(as_daemon.missing_grants()), "");
    // A system column, which open_consumer() reads, comes with the whole table only.
    db.exec("revoke select on queue.consumer from " + role.name() +
            "; grant select (channel, name, acked_seq, updated_at) on queue.consumer to " +
            role.name());
    EXPECT_EQ(done(as_daemon.missing_grants()), "grant select on queue.consumer to " + role.name());
    db.exec("grant select on queue.consumer to " + role.name());
    // What it needs of a table is enough.
    db.exec("revoke insert on queue.message from " + role.name() +
            "; grant insert (id, channel, data, sender, seq) on queue.message to " + role.name());
    EXPECT_EQ(done(as_daemon.missing_grants()), "");
    ASSERT_TRUE(loop::run(context, as_daemon.prepare_to_publish()));
    const std::string id = uuid(1);
    const pg::publish_item item[] = {{id, "sports", "1"}};
    EXPECT_TRUE(loop::run(context, as_daemon.publish(item)));
}

TEST_F(message_store_test, publishes_in_order) {
    std::vector<std::string> ids;
    std::vector<std::string> data;
    for (int i = 0; i < 1000; ++i) {
        ids.push_back(uuid(1000 - i)); // falling, so that no index gives the right order by chance
        data.push_back("{\"n\": " + std::to_string(i) + "}");
    }
    std::vector<pg::publish_item> items;
    for (std::size_t i = 0; i < ids.size(); ++i)
        items.push_back({ids[i], "sports", data[i]});
    const auto stored = publish(items);
    ASSERT_TRUE(stored) << stored.error().message;
    ASSERT_EQ(stored->size(), items.size());

    const auto page = read_after(0);
    ASSERT_EQ(page.messages.size(), items.size());
    EXPECT_TRUE(page.more);
    for (std::size_t i = 0; i < items.size(); ++i) {
        ASSERT_EQ((*stored)[i].what, fate::inserted);
        ASSERT_GT((*stored)[i].seq, i > 0 ? (*stored)[i - 1].seq : 0);
        ASSERT_EQ(page.messages[i].seq, (*stored)[i].seq);
        ASSERT_EQ(page.messages[i].id, ids[i]);
        ASSERT_EQ(page.messages[i].data, data[i]);
    }
}

TEST_F(message_store_test, nothing_to_publish_is_no_error) {
    EXPECT_TRUE(publish(std::vector<pg::publish_item>())->empty());
}

TEST_F(message_store_test, keeps_every_byte) {
    const std::string texts[] = {
        "{\"n\":123456789012345678901234567890.10e+400,\"z\":-0,\"a\":1,\"a\":2}",
        "{ \"text\" : \"\\u00e9 \\\" \\\\ \\u0000 🐘\" }",
        "\"{},\\\"'$1\"",
        "null",
        "[ ]",
    };
    const std::string channel = "it's \"quoted\" {a,b} \\ $1 🐘";
    std::vector<pg::publish_item> items;
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i)
        ids.push_back(uuid(i));
    for (std::size_t i = 0; i < 5; ++i)
        items.push_back({ids[i], channel, texts[i]});
    ASSERT_TRUE(publish(items));
    const auto page = read_after(0);
    ASSERT_EQ(page.messages.size(), 5U);
    EXPECT_FALSE(page.more);
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(page.messages[i].channel, channel);
        EXPECT_EQ(page.messages[i].data, texts[i]);
        EXPECT_EQ(publish_one(ids[i], texts[i]).what, fate::conflict); // another channel
    }
    for (const auto& again : publish(items).value())
        EXPECT_EQ(again.what, fate::duplicate);
    EXPECT_EQ(db.value("select count(*) from queue.message where data is null"), "0");
}

TEST_F(message_store_test, tells_duplicates_from_conflicts) {
    const auto first = publish_one(uuid(1), "{\"a\":1}");
    const std::string upper = "00000000-0000-4000-8000-00000000000A";
    const std::string lower = "00000000-0000-4000-8000-00000000000a";
    const std::string new_id = uuid(2);
    const std::string old_id = uuid(1);
    const auto fates = publish({{old_id, "sports", "{\"a\":1}"},  // stored before
                                {upper, "sports", "1"},           // new
                                {old_id, "sports", "{\"a\": 1}"}, // other bytes
                                {old_id, "weather", "{\"a\":1}"}, // other channel
                                {lower, "sports", "1"},           // duplicate in the batch
                                {lower, "sports", "2"},           // conflict in the batch
                                {new_id, "sports", "3"}});        // new
    ASSERT_TRUE(fates) << fates.error().message;
    const fate expected[] = {fate::duplicate, fate::inserted, fate::conflict, fate::conflict,
                             fate::duplicate, fate::conflict, fate::inserted};
    for (std::size_t i = 0; i < 7; ++i)
        EXPECT_EQ((*fates)[i].what, expected[i]) << i;
    EXPECT_EQ((*fates)[0].seq, first.seq);
    EXPECT_EQ((*fates)[4].seq, (*fates)[1].seq);
    EXPECT_EQ((*fates)[2].seq, 0);
    EXPECT_EQ(count(), "3");
}

TEST_F(message_store_test, keeps_who_sent_a_message) {
    const std::string odd = "it's \"a\" \\ {b,c} NULL 🐘";
    const std::string ids[] = {uuid(1), uuid(2), uuid(3), uuid(4)};
    const auto stored = publish({{ids[0], "sports", "1", odd},
                                 {ids[1], "sports", "2"},
                                 {ids[2], "sports", "3", "NULL"},
                                 {ids[3], "sports", "4", "ann"}});
    ASSERT_TRUE(stored) << stored.error().message;
    db.exec(
        "insert into queue.message (channel, data, sender) values ('sports', "
        "(select to_json(string_agg(md5(i::text), '')) from generate_series(1, 1000) i), 'sql')");
    for (const auto& page :
         {read_after(0), done(store.read_channel("sports", 0, 100, 100, any_size))}) {
        ASSERT_EQ(page.messages.size(), 5U);
        EXPECT_EQ(page.messages[0].sender, odd);
        EXPECT_EQ(page.messages[1].sender, std::nullopt);
        EXPECT_EQ(page.messages[2].sender, "NULL");
        EXPECT_EQ(page.messages[3].sender, "ann");
        EXPECT_EQ(page.messages[4].sender, "sql");
        EXPECT_GT(page.messages[4].data.size(), 30'000U) << "of those read by a second query";
    }
    const std::string long_name(256, 's');
    const std::string id = uuid(6);
    EXPECT_TRUE(publish({{id, "sports", "1", long_name}}).error().is_data());
    EXPECT_TRUE(publish({{id, "sports", "1", std::string_view("a\0b", 3)}}).error().is_data());
}

TEST_F(message_store_test, another_sender_is_a_conflict) {
    const std::string by_ann = uuid(1);
    const std::string by_nobody = uuid(2);
    ASSERT_TRUE(publish({{by_ann, "sports", "1", "ann"}, {by_nobody, "sports", "1"}}));
    const auto fates = publish({{by_ann, "sports", "1", "ann"},
                                {by_nobody, "sports", "1"},
                                {by_ann, "sports", "1", "bob"},
                                {by_ann, "sports", "1"},
                                {by_nobody, "sports", "1", "ann"}});
    ASSERT_TRUE(fates) << fates.error().message;
    const fate expected[] = {fate::duplicate, fate::duplicate, fate::conflict, fate::conflict,
                             fate::conflict};
    for (std::size_t i = 0; i < 5; ++i)
        EXPECT_EQ((*fates)[i].what, expected[i]) << i;
}

// One id that is there already sends the whole batch through the other statement.
TEST_F(message_store_test, a_batch_with_an_id_met_before_keeps_its_order) {
    const auto first = publish_one(uuid(500), "1");
    std::vector<std::string> ids;
    for (int i = 0; i < 1000; ++i)
        ids.push_back(uuid(1000 - i));
    std::vector<pg::publish_item> items;
    for (const std::string& id : ids)
        items.push_back({id, "sports", "1"});
    const auto stored = publish(items);
    ASSERT_TRUE(stored) << stored.error().message;
    base::seq last = first.seq;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const pg::stored& each = (*stored)[i];
        if (ids[i] == uuid(500)) {
            EXPECT_EQ(each.what, fate::duplicate);
            EXPECT_EQ(each.seq, first.seq);
            continue;
        }
        ASSERT_EQ(each.what, fate::inserted);
        ASSERT_GT(each.seq, last);
        ASSERT_EQ(db.value("select seq from queue.message where id = $1", ids[i]),
                  std::to_string(each.seq));
        last = each.seq;
    }
    EXPECT_EQ(count(), "1000");
}

TEST_F(message_store_test, a_row_with_null_data_equals_null) {
    db.exec("insert into queue.message (id, channel) values ('" + uuid(1) + "', 'sports')");
    EXPECT_EQ(read_after(0).messages.at(0).data, "null");
    EXPECT_EQ(publish_one(uuid(1), "null").what, fate::duplicate);
    EXPECT_EQ(publish_one(uuid(1), "0").what, fate::conflict);
}

TEST_F(message_store_test, a_bad_row_fails_its_whole_batch) {
    const std::string bad[][3] = {
        {uuid(2), "sports", "{\"a\":}"},
        {uuid(2), "sports", ""},
        {uuid(2), "", "1"},
        {uuid(2), "line\nbreak", "1"},
        {uuid(2), std::string(300, 'c'), "1"},
        {uuid(2), "sports", "\"\xff\""},
        {uuid(2), "sports", std::string("\"a\0b\"", 5)},
        {uuid(2), "sports", "\"a\nb\""},
        {uuid(2), "sports", "\"\\q\""},
        {uuid(2), "sports", "{\"a\":1,}"},
        {"not-a-uuid", "sports", "1"},
        {"{0000000000004000800000000000000a}00", "sports", "1"},
    };
    const std::string good = uuid(1);
    for (const auto& [id, channel, data] : bad) {
        const auto refused = publish({{good, "sports", "1"}, {id, channel, data}});
        ASSERT_FALSE(refused) << data.substr(0, 20);
        EXPECT_EQ(refused.error().what, pg::error::kind::refused);
        EXPECT_TRUE(refused.error().is_data()) << refused.error().sqlstate;
        EXPECT_EQ(count(), "0");
    }
    EXPECT_EQ(publish_one(good, "1").what, fate::inserted);
}

TEST_F(message_store_test, a_row_that_a_trigger_drops_is_refused_alone) {
    db.exec("create function drop_row() returns trigger language plpgsql as "
            "$$ begin return null; end $$; create trigger zz before insert on queue.message "
            "for each row when (new.channel = 'none') execute function drop_row()");
    const std::string kept = uuid(1);
    const std::string dropped = uuid(2);
    EXPECT_TRUE(publish({{kept, "sports", "1"}, {dropped, "none", "1"}}).error().is_data());
    EXPECT_EQ(publish({{kept, "sports", "1"}})->at(0).what, fate::duplicate);
    EXPECT_TRUE(publish({{dropped, "none", "1"}}).error().is_data());
}

// Rows that the owner's triggers add were settled above those they were added for, so that these
// were refused, for ever.
TEST_F(message_store_test, rows_that_triggers_add_come_once_and_in_order) {
    db.exec("create table orders ();"
            "create function add_copy() returns trigger language plpgsql as $$ begin "
            "if pg_trigger_depth() = 1 or tg_table_name = 'orders' then "
            "insert into queue.message (channel) values ('copies'); end if; return new; end $$;"
            "create function order_one() returns trigger language plpgsql as $$ begin "
            "if new.channel <> 'copies' then insert into orders default values; end if; "
            "return new; end $$;"
            "create trigger copy after insert on orders for each row execute function add_copy()");
    // What a publish has added comes behind all of it, and before the next one.
    const struct {
        const char* trigger;
        const char* channels;
    } cases[] = {
        {"before insert on queue.message for each row execute function add_copy()",
         "sc ssccc sc"}, // also for the row that is there already
        {"after insert on queue.message for each row execute function add_copy()", "sc sscc sc"},
        {"before insert on queue.message for each statement execute function add_copy()",
         "sc ssc sc"},
        {"after insert on queue.message for each statement execute function add_copy()",
         "sc ssc sc"},
        {"after insert on queue.message for each row execute function order_one()", "sc sscc sc"}};
    int n = 0;
    for (const auto& each : cases) {
        // Before the queue's own triggers, and behind them.
        for (const std::string name : {"a", "z"}) {
            SCOPED_TRACE(name + ' ' + each.trigger);
            db.exec("create trigger " + name + ' ' + each.trigger);
            const base::seq before = std::stoll(*db.value("select queue.head()"));
            const std::string ids[] = {uuid(++n), uuid(++n), uuid(++n), uuid(++n)};
            std::vector<base::seq> given;
            const auto take = [&](const std::vector<pg::publish_item>& items) {
                const auto stored = publish(items);
                ASSERT_TRUE(stored) << stored.error().message;
                for (const auto& one : *stored) {
                    if (one.what == fate::inserted)
                        given.push_back(one.seq);
                }
            };
            take({{ids[0], "sports", "1"}});
            take({{ids[0], "sports", "1"}, {ids[1], "sports", "2"}, {ids[2], "sports", "3"}});
            take({{ids[3], "sports", "4"}});
            const auto page = read_after(before);
            std::string channels;
            std::vector<base::seq> found;
            for (const auto& message : page.messages) {
                channels += message.channel.front();
                if (message.channel == "sports")
                    found.push_back(message.seq);
            }
            std::string expected = each.channels;
            std::erase(expected, ' ');
            EXPECT_EQ(channels, expected);
            EXPECT_EQ(found, given);
            db.exec("drop trigger " + name + " on queue.message");
        }
    }
}

TEST_F(message_store_test, a_lock_held_too_long_is_transient) {
    auto other = db.connect();
    other.exec("begin; lock table queue.message in access exclusive mode");
    const auto begin = std::chrono::steady_clock::now();
    const auto refused = publish({{uuid(1), "sports", "1"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, pg::error::kind::refused);
    EXPECT_TRUE(refused.error().is_transient()) << refused.error().message;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
    other.exec("rollback");
    EXPECT_EQ(publish_one(uuid(1), "1").what, fate::inserted);
}

// The opt-in is a setting of the session, which a transaction pooler may lose. Then the numbers of
// RETURNING are provisional, and are changed at COMMIT when others were faster.
TEST_F(message_store_test, a_receipt_carries_the_final_seq_without_the_opt_in_too) {
    ASSERT_TRUE(loop::run(context, connection.script("reset pgherald.settle_first")));
    auto blocker = db.connect();
    blocker.exec("begin; insert into queue.message (id, channel) values ('" + uuid(2) +
                 "', 'sports')");
    const std::string first = uuid(1);
    const std::string second = uuid(2);
    const pg::publish_item items[] = {{first, "sports", "1"}, {second, "sports", "2"}};
    auto publishing = loop::start(context, store.publish(items));
    ASSERT_TRUE(support::eventually(10s, [&] {
        context.poll();
        return db.value("select wait_event from pg_stat_activity where pid = $1",
                        connection.backend_pid()) == "transactionid";
    }));
    db.exec("insert into queue.message (channel) values ('faster')");
    blocker.exec("rollback");
    const auto stored = loop::finish(context, publishing);
    ASSERT_TRUE(stored) << stored.error().message;
    const auto page = read_after(0);
    ASSERT_EQ(page.messages.size(), 3U);
    EXPECT_EQ(page.messages[0].channel, "faster");
    EXPECT_EQ(page.messages[1].seq, (*stored)[0].seq);
    EXPECT_EQ(page.messages[2].seq, (*stored)[1].seq);
    EXPECT_EQ((*stored)[0].what, fate::inserted);
}

TEST_F(message_store_test, created_at_is_as_in_json) {
    db.exec("set timezone = 'UTC'; insert into queue.message (channel, created_at) values "
            "('a', '2026-01-02 03:04:05.123456+00'), ('a', '2026-01-02 03:04:05.5+02'), "
            "('a', '2026-07-02 03:04:05+05:30'), ('a', 'infinity'), ('a', '0044-03-15 BC')");
    const auto rows = db.query("select row_to_json(m) ->> 'created_at' from queue.message m "
                               "order by seq");
    const auto page = read_after(0);
    ASSERT_EQ(page.messages.size(), rows.size());
    EXPECT_EQ(page.messages[0].created_at, "2026-01-02T03:04:05.123456+00:00");
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(page.messages[i].created_at, *rows[i][0]);
    }
}

TEST_F(message_store_test, pages_are_bound_by_rows) {
    db.exec("insert into queue.message (channel, data) "
            "select 'c' || i % 3, to_json(i) from generate_series(1, 25) i");
    base::seq after = 0;
    std::vector<std::size_t> sizes;
    for (bool more = true; more;) {
        const auto page = read_after(after, 10);
        sizes.push_back(page.messages.size());
        for (const auto& message : page.messages) {
            EXPECT_GT(message.seq, after);
            after = message.seq;
        }
        more = page.more;
    }
    EXPECT_EQ(sizes, (std::vector<std::size_t>{10, 10, 5}));
}

TEST_F(message_store_test, reads_one_channel_between_two_numbers) {
    db.exec("insert into queue.message (channel, data) "
            "select 'c' || i % 3, to_json(i) from generate_series(1, 30) i");
    const auto all = read_after(0);
    std::vector<base::seq> expected;
    for (const auto& message : all.messages) {
        if (message.channel == "c1")
            expected.push_back(message.seq);
    }
    const auto read = [&](base::seq after, base::seq upto, int limit) {
        std::vector<base::seq> seqs;
        const auto page =
            loop::run(context, store.read_channel("c1", after, upto, limit, any_size)).value();
        for (const auto& message : page.messages) {
            EXPECT_EQ(message.channel, "c1");
            seqs.push_back(message.seq);
        }
        EXPECT_EQ(page.more, static_cast<int>(seqs.size()) == limit);
        return seqs;
    };
    EXPECT_EQ(read(0, all.messages.back().seq, 1000), expected);
    EXPECT_EQ(read(expected[2], expected[5], 1000),
              std::vector(expected.begin() + 3, expected.begin() + 6));
    EXPECT_EQ(read(expected[2], expected[5], 2),
              std::vector(expected.begin() + 3, expected.begin() + 5));
    EXPECT_TRUE(read(expected[2], expected[2], 5).empty());
    EXPECT_TRUE(loop::run(context, store.read_channel("c1' or true", 0, 1000, 5, any_size))
                    ->messages.empty());
}

/// Reads all pages and checks that each row is there once, in order, with its data.
void expect_whole_log(pg::message_store store, boost::asio::io_context& context,
                      support::database& db, std::size_t at_least_pages) {
    const auto rows = db.query("select seq, md5(data::text) from queue.message order by seq");
    std::size_t row = 0;
    std::size_t pages = 0;
    base::seq after = 0;
    for (bool more = true; more; ++pages) {
        const auto page = loop::run(context, store.read_after(after, 1000, 64 << 20)).value();
        std::size_t bytes = 0;
        for (const auto& message : page.messages) {
            ASSERT_LT(row, rows.size());
            EXPECT_EQ(std::to_string(message.seq), *rows[row][0]);
            ASSERT_FALSE(message.too_large);
            EXPECT_EQ(db.value("select md5($1)", message.data), rows[row][1]) << row;
            bytes += message.data.size();
            after = message.seq;
            ++row;
        }
        EXPECT_TRUE(bytes <= 8 << 20 || page.messages.size() == 1) << bytes;
        ASSERT_TRUE(!page.messages.empty() || !page.more);
        more = page.more;
    }
    EXPECT_EQ(row, rows.size());
    EXPECT_GE(pages, at_least_pages);
}

TEST_F(message_store_test, pages_are_bound_by_bytes) {
    // Incompressible 1 MB rows among small ones, and one larger than a page may be.
    db.exec("insert into queue.message (channel, data) select 'c', to_json(case when i % 3 = 0 "
            "then (select string_agg(md5(j::text), '') from generate_series(1, 32768) j) "
            "else repeat('s', i) end) from generate_series(1, 60) i");
    db.exec(
        "insert into queue.message (channel, data) values ('c', to_json(repeat('L', 9000000))), "
        "('c', '\"last\"')");
    expect_whole_log(store, context, db, 4);
}

TEST_F(message_store_test, rows_that_are_stored_compressed_are_bound_by_what_they_unpack_to) {
    db.exec("insert into queue.message (channel, data) "
            "select 'c', to_json(repeat('x', 4000 * i)) from generate_series(1, 120) i");
    expect_whole_log(store, context, db, 4);
}

TEST_F(message_store_test, sixteen_megabytes_go_in_and_come_out) {
    const std::string megabyte = "\"" + std::string(1 << 20, 'm') + "\"";
    const std::string sixteen = "\"" + std::string(16 << 20, 's') + "\"";
    EXPECT_EQ(publish_one(uuid(1), megabyte).what, fate::inserted);
    const auto large = publish_one(uuid(2), sixteen);
    EXPECT_EQ(large.what, fate::inserted);
    EXPECT_EQ(publish_one(uuid(2), sixteen).what, fate::duplicate);
    EXPECT_EQ(read_after(0).messages.at(0).data, megabyte);
    EXPECT_EQ(read_after(large.seq - 1).messages.at(0).data, sixteen);
}

TEST_F(message_store_test, data_above_the_limit_is_not_read) {
    // Small, compressed and large rows; the limit cuts through each kind.
    db.exec("insert into queue.message (channel, data) values "
            "('c', to_json(repeat('a', 98))), ('c', to_json(repeat('a', 99))), "
            "('c', to_json(repeat('a', 50000))), ('c', null), "
            "('c', to_json((select string_agg(md5(i::text), '') from generate_series(1, 9999) i))),"
            "('c', '1')");
    const auto page = read_after(0, 1000, 100);
    ASSERT_EQ(page.messages.size(), 6U);
    const bool too_large[] = {false, true, true, false, true, false};
    for (std::size_t i = 0; i < 6; ++i) {
        EXPECT_EQ(page.messages[i].too_large, too_large[i]) << i;
        EXPECT_EQ(page.messages[i].data.empty(), too_large[i]) << i;
    }
    const auto larger = read_after(0, 1000, 50'002);
    EXPECT_EQ(larger.messages[2].data.size(), 50'002U);
    EXPECT_TRUE(larger.messages[4].too_large);
    EXPECT_TRUE(read_after(0, 1000, 50'001).messages[2].too_large);
}

TEST_F(message_store_test, a_page_outlives_its_connection_and_may_be_moved) {
    db.exec("insert into queue.message (channel, data) values ('c', '\"short\"'), "
            "('c', to_json(repeat('l', 50000)))");
    auto page = read_after(0);
    const pg::page moved = std::move(page);
    connection.close();
    EXPECT_EQ(moved.messages[0].data, "\"short\"");
    EXPECT_EQ(moved.messages[1].data.size(), 50'002U);
}

TEST_F(message_store_test, listening_hears_the_bell_and_the_canary) {
    auto listening = open(db.conninfo());
    pg::message_store listener(listening);
    const std::string canary = "canary \"of\" 🐘";
    ASSERT_TRUE(loop::run(context, listener.listen(canary)));
    ASSERT_TRUE(loop::run(context, store.ring_canary(canary, "token")));
    auto rings = loop::run(context, listening.wait_rings(20s)).value();
    ASSERT_EQ(rings.size(), 1U);
    EXPECT_EQ(rings[0].channel, canary);
    EXPECT_EQ(rings[0].payload, "token");
    publish_one(uuid(1), "1");
    rings = loop::run(context, listening.wait_rings(20s)).value();
    ASSERT_EQ(rings.size(), 1U);
    EXPECT_EQ(rings[0].channel, "queue_message");
    EXPECT_FALSE(loop::run(context, listener.listen(std::string(64, 'n'))));
}

// Anybody who may connect can notify. It costs an empty read.
TEST_F(message_store_test, a_forged_notification_is_only_a_ring) {
    const support::role stranger(db);
    auto forger = db.connect(stranger.name());
    auto listening = open(db.conninfo());
    ASSERT_TRUE(loop::run(context, pg::message_store(listening).listen("pgherald_canary_1")));
    const std::string brackets(7999, '[');
    forger.query("select pg_notify('queue_message', $1)", brackets);
    forger.query("select pg_notify('pgherald_canary_1', $1)", brackets);
    forger.exec("notify \"QUEUE_MESSAGE\"; notify \"queue_message \", 'x'; notify sports, '{';"
                "select pg_notify('queue_message', i || '{\"seq\":9223372036854775808}') "
                "from generate_series(1, 5000) i");
    std::size_t heard = 0;
    std::size_t whole = 0;
    ASSERT_TRUE(support::eventually(20s, [&] {
        const auto rings = loop::run(context, listening.wait_rings(1s)).value();
        for (const auto& ring : rings) {
            EXPECT_TRUE(ring.channel == "queue_message" || ring.channel == "pgherald_canary_1");
            whole += ring.payload == brackets ? 1 : 0;
        }
        heard += rings.size();
        return heard == 5002;
    }));
    EXPECT_EQ(whole, 2U);
    EXPECT_TRUE(read_after(0).messages.empty());
    publish_one(uuid(1), "1");
    EXPECT_EQ(loop::run(context, listening.wait_rings(20s))->size(), 1U);
    EXPECT_EQ(read_after(0).messages.size(), 1U);
}

TEST_F(message_store_test, knows_how_full_the_notification_queue_is) {
    const auto usage = loop::run(context, store.queue_usage());
    ASSERT_TRUE(usage);
    EXPECT_GE(*usage, 0);
    EXPECT_LT(*usage, 0.5);
}

TEST_F(message_store_test, a_lost_connection_during_publish_says_that_nobody_knows) {
    auto other = db.connect();
    other.exec("begin; lock table queue.message in access exclusive mode");
    const std::string id = uuid(1);
    const pg::publish_item items[] = {{id, "sports", "1"}};
    auto publishing = loop::start(context, store.publish(items));
    ASSERT_TRUE(support::eventually(10s, [&] {
        context.poll();
        return db.value("select wait_event_type from pg_stat_activity where pid = $1",
                        connection.backend_pid()) == "Lock";
    }));
    db.exec("select pg_terminate_backend(" + std::to_string(connection.backend_pid()) + ")");
    const auto lost = loop::finish(context, publishing);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().what, pg::error::kind::lost);
    EXPECT_FALSE(connection.alive());
}

} // namespace
