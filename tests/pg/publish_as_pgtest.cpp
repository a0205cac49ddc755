// Publishing as another role, set up as docs/database.md says.

#include "tests/pg/roles.hpp"
#include "tests/pg/store_test.hpp"

namespace {

using namespace std::chrono_literals;
using fate = pg::stored::fate;

constexpr const char* ann = R"({"sub":"ann","role":"web"})";
constexpr const char* bob = R"({"sub":"bob","role":"web"})";

class publish_as_test : public store_test {
protected:
    publish_as_test() {
        db.exec("grant " + web.name() + " to " + daemon.name());
        db.exec("alter table queue.message enable row level security;"
                "create policy daemon on queue.message to " +
                daemon.name() +
                " using (true) with check (true);"
                "create policy web on queue.message for insert to " +
                web.name() +
                " with check (channel like 'chat.%' and sender is not distinct from "
                "current_setting('request.jwt.claims', true)::json ->> 'sub')");
    }

    void SetUp() override {
        const auto prepared = loop::run(context, as_daemon.prepare_to_publish());
        ASSERT_TRUE(prepared) << prepared.error().message;
    }

    pg::outcome<std::vector<pg::stored>> publish(const std::string& role, std::string_view claims,
                                                 const std::vector<pg::publish_item>& items) {
        return loop::run(context, as_daemon.publish_as(role, claims, items));
    }
    pg::outcome<std::vector<pg::stored>> publish(std::string_view claims,
                                                 const std::vector<pg::publish_item>& items) {
        return publish(web.name(), claims, items);
    }
    pg::outcome<std::vector<pg::stored>> publish_by_ann(const std::string& id) {
        return publish(ann, {{id, "chat.a", "1", "ann"}});
    }

    /// The SQLSTATE of a publish that must fail as a whole.
    std::string refused(const std::string& role, std::string_view claims,
                        const std::vector<pg::publish_item>& items) {
        const std::string before = count();
        const auto answer = publish(role, claims, items);
        EXPECT_EQ(count(), before);
        if (answer)
            return "stored";
        EXPECT_EQ(answer.error().what, pg::error::kind::refused) << answer.error().message;
        return answer.error().sqlstate;
    }

    /// What the daemon's session is after a statement.
    std::string identity() {
        const auto row =
            loop::run(context, own.query("select session_user = current_user, "
                                         "current_setting('role'), "
                                         "coalesce(current_setting('request.jwt.claims', true), "
                                         "''), current_setting('search_path')"))
                .value();
        std::string all;
        for (int column = 0; column < 4; ++column)
            all += std::string(row.text(0, column)) + "|";
        return all;
    }

    support::role daemon{db, grants::daemon};
    support::role web{db, grants::acted_as};
    pg::connection own = open(db.conninfo(daemon.name()));
    pg::message_store as_daemon{own};
};

TEST_F(publish_as_test, stores_what_the_policy_allows) {
    const std::string ids[] = {uuid(3), uuid(1), uuid(2)}; // so that no index gives their order
    const std::string odd = "it's \"a\" \\ {b,c} $1 🐘";
    const std::string claims = R"({"sub":"it's \"a\" \\ {b,c} $1 🐘"})";
    const auto stored = publish(claims, {{ids[0], "chat.a", "{ \"n\": 1.0 }", odd},
                                         {ids[1], "chat.b", "null", odd},
                                         {ids[2], "chat.a", "3", odd}});
    ASSERT_TRUE(stored) << stored.error().message;
    const auto page = read_after(0);
    ASSERT_EQ(page.messages.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ((*stored)[i].what, fate::inserted);
        EXPECT_EQ((*stored)[i].seq, page.messages[i].seq);
        EXPECT_EQ(page.messages[i].id, ids[i]);
        EXPECT_EQ(page.messages[i].sender, odd);
    }
    EXPECT_EQ(page.messages[0].data, "{ \"n\": 1.0 }");
    EXPECT_TRUE(publish(ann, {})->empty());
}

TEST_F(publish_as_test, one_row_the_policy_refuses_fails_all) {
    const std::string good = uuid(1);
    const std::string bad = uuid(2);
    const pg::publish_item fine{good, "chat.a", "1", "ann"};
    EXPECT_EQ(refused(web.name(), ann, {fine, {bad, "news", "1", "ann"}}), "42501");
    EXPECT_EQ(refused(web.name(), ann, {fine, {bad, "chat.a", "1", "bob"}}), "42501");
    EXPECT_EQ(refused(web.name(), ann, {fine, {bad, "chat.a", "1"}}), "42501");
    EXPECT_EQ(refused(web.name(), bob, {fine}), "42501");
    EXPECT_EQ(refused(web.name(), "{}", {fine}), "42501");
    EXPECT_EQ(publish(ann, {fine})->at(0).what, fate::inserted);
    EXPECT_EQ(publish("{}", {{bad, "chat.a", "1"}})->at(0).what, fate::inserted);
}

// What is stored under an id is not told to whom the policy refuses.
TEST_F(publish_as_test, the_policy_comes_before_duplicates) {
    const std::string id = uuid(1);
    ASSERT_TRUE(publish_by_ann(id));
    EXPECT_EQ(refused(web.name(), bob, {{id, "chat.a", "1", "ann"}}), "42501");
}

TEST_F(publish_as_test, a_bad_row_is_refused_as_without_a_role) {
    const std::string good = uuid(1);
    const std::string bad = uuid(2);
    const pg::publish_item fine{good, "chat.a", "1", "ann"};
    EXPECT_EQ(refused(web.name(), ann, {fine, {bad, "chat.a", "{", "ann"}}), "22P02");
    EXPECT_EQ(refused(web.name(), ann, {fine, {"x", "chat.a", "1", "ann"}}), "22P02");
    const std::string long_name(256, 's');
    EXPECT_EQ(
        refused(web.name(), R"({"sub":")" + long_name + "\"}", {{bad, "chat.a", "1", long_name}}),
        "23514");
    EXPECT_EQ(refused(web.name(), "no json", {fine}), "22P02");
}

TEST_F(publish_as_test, tells_duplicates_from_conflicts) {
    const std::string id = uuid(1);
    const std::string upper = "00000000-0000-4000-8000-00000000000A";
    const std::string lower = "00000000-0000-4000-8000-00000000000a";
    const base::seq first = publish_by_ann(id)->at(0).seq;
    const auto fates = publish(ann, {{id, "chat.a", "1", "ann"},      // stored before
                                     {upper, "chat.a", "1", "ann"},   // new
                                     {id, "chat.a", "1.0", "ann"},    // other bytes
                                     {id, "chat.b", "1", "ann"},      // other channel
                                     {lower, "chat.a", "1", "ann"},   // duplicate in the batch
                                     {lower, "chat.a", "2", "ann"}}); // conflict in the batch
    ASSERT_TRUE(fates) << fates.error().message;
    const fate expected[] = {fate::duplicate, fate::inserted,  fate::conflict,
                             fate::conflict,  fate::duplicate, fate::conflict};
    for (std::size_t i = 0; i < 6; ++i)
        EXPECT_EQ((*fates)[i].what, expected[i]) << i;
    EXPECT_EQ((*fates)[0].seq, first);
    EXPECT_GT((*fates)[1].seq, first);
    EXPECT_EQ((*fates)[4].seq, (*fates)[1].seq);
    EXPECT_EQ((*fates)[2].seq, 0);
    EXPECT_EQ(count(), "2");
}

TEST_F(publish_as_test, another_sender_is_a_conflict) {
    const std::string by_ann = uuid(1);
    const std::string by_nobody = uuid(2);
    ASSERT_TRUE(publish_by_ann(by_ann));
    ASSERT_TRUE(publish("{}", {{by_nobody, "chat.a", "1"}}));
    EXPECT_EQ(publish(bob, {{by_ann, "chat.a", "1", "bob"}})->at(0).what, fate::conflict);
    EXPECT_EQ(publish("{}", {{by_ann, "chat.a", "1"}})->at(0).what, fate::conflict);
    EXPECT_EQ(publish(ann, {{by_nobody, "chat.a", "1", "ann"}})->at(0).what, fate::conflict);
    EXPECT_EQ(publish("{}", {{by_nobody, "chat.a", "1"}})->at(0).what, fate::duplicate);
    // Which role it was does not matter.
    const pg::publish_item again[] = {{by_ann, "chat.a", "1", "ann"}};
    EXPECT_EQ(loop::run(context, as_daemon.publish(again))->at(0).what, fate::duplicate);
}

TEST_F(publish_as_test, a_role_that_can_not_publish_at_all_says_why) {
    const std::string id = uuid(1);
    const std::vector<pg::publish_item> item = {{id, "chat.a", "1", "ann"}};
    const auto reason = [&](const std::string& role) {
        const auto answer = publish(role, ann, item);
        if (answer)
            return std::string("stored");
        EXPECT_TRUE(answer.error().is_role()) << answer.error().sqlstate;
        return answer.error().message;
    };
    // "none" would be the daemon itself.
    for (const std::string name : {"nobody_of_that_name", "none", "", "public", "it's; \"x\""})
        EXPECT_EQ(reason(name), "role \"" + name + "\" does not exist");
    const support::role stranger(db, grants::acted_as);
    EXPECT_EQ(reason(stranger.name()),
              "\"" + daemon.name() + "\" is not a member of role \"" + stranger.name() + "\"");
    const std::string lacks = "role \"" + web.name() +
                              "\" lacks USAGE on schema queue, or INSERT on queue.message (id, "
                              "channel, data, sender)";
    for (const std::string right : {"insert (sender) on queue.message", "usage on schema queue"}) {
        db.exec("revoke " + right + " from " + web.name());
        EXPECT_EQ(reason(web.name()), lacks);
        db.exec("grant " + right + " to " + web.name());
        EXPECT_EQ(reason(web.name()), "stored");
    }
    EXPECT_EQ(count(), "1");
}

TEST_F(publish_as_test, a_role_of_any_name_will_do) {
    const std::string odd = "Odd 'role' \"of\" " + db.name();
    std::string quoted = *db.value("select quote_ident($1)", odd);
    db.exec("create role " + quoted + " nologin");
    db.exec("grant usage on schema queue to " + quoted +
            "; grant insert (id, channel, data, sender) on queue.message to " + quoted +
            "; create policy odd on queue.message for insert to " + quoted +
            " with check (channel = 'odd'); grant " + quoted + " to " + daemon.name());
    const std::string id = uuid(1);
    EXPECT_TRUE(publish(odd, ann, {{id, "odd", "1", "x"}}));
    const std::string other = uuid(2);
    EXPECT_EQ(refused(odd, ann, {{other, "chat.a", "1", "x"}}), "42501");
    db.exec("drop owned by " + quoted + "; drop role " + quoted);
}

TEST_F(publish_as_test, neither_role_nor_claims_stay_with_the_session) {
    const std::string before = identity();
    const std::string id = uuid(1);
    const std::string other = uuid(2);
    ASSERT_TRUE(publish_by_ann(id));
    EXPECT_EQ(identity(), before);
    EXPECT_EQ(refused(web.name(), ann, {{other, "news", "1", "ann"}}), "42501");
    EXPECT_EQ(identity(), before);
    EXPECT_EQ(refused("nobody_of_that_name", ann, {{other, "news", "1", "ann"}}), "0P000");
    EXPECT_EQ(identity(), before);
    // The daemon's own publishes go where that role's may not.
    const pg::publish_item item[] = {{other, "news", "1"}};
    EXPECT_EQ(loop::run(context, as_daemon.publish(item))->at(0).what, fate::inserted);
}

// A login role may be set up to act as another one from the start.
TEST_F(publish_as_test, the_session_gets_back_the_role_it_had) {
    const support::role worker(db, grants::daemon);
    db.exec("grant " + worker.name() + " to " + daemon.name() + "; alter role " + daemon.name() +
            " set role = " + worker.name());
    db.exec("create policy worker on queue.message to " + worker.name() +
            " using (true) with check (true)");
    auto again = open(db.conninfo(daemon.name()));
    const std::string id = uuid(1);
    const pg::publish_item item[] = {{id, "chat.a", "1", "ann"}};
    const auto stored =
        loop::run(context, pg::message_store(again).publish_as(web.name(), ann, item));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(loop::run(context, again.query("select current_user"))->text(0, 0), worker.name());
}

TEST_F(publish_as_test, keeps_the_order_among_other_publishers) {
    const support::role app(db, grants::publisher);
    db.exec("create policy app on queue.message for insert to " + app.name() +
            " with check (true)");
    auto late = db.connect(app.name());
    late.exec("begin; insert into queue.message (channel) values ('late'), ('late')");
    const std::string ids[] = {uuid(1), uuid(2)};
    const auto stored =
        publish(ann, {{ids[0], "chat.a", "1", "ann"}, {ids[1], "chat.a", "2", "ann"}});
    ASSERT_TRUE(stored) << stored.error().message;
    const base::seq seen = read_after(0).messages.back().seq;
    EXPECT_EQ(seen, (*stored)[1].seq);
    late.exec("commit");
    EXPECT_EQ(read_after(seen).messages.size(), 2U) << "a late commit is not skipped";

    // It waits for one that settles, and comes after it.
    late.exec("begin; insert into queue.message (channel) values ('late');"
              "set constraints all immediate");
    const std::string id = uuid(3);
    const pg::publish_item item[] = {{id, "chat.a", "3", "ann"}};
    auto publishing = loop::start(context, as_daemon.publish_as(web.name(), ann, item));
    EXPECT_TRUE(waits_for_lock(own));
    late.exec("commit");
    const auto third = loop::finish(context, publishing);
    ASSERT_TRUE(third) << third.error().message;
    const auto all = read_after(0);
    EXPECT_EQ(all.messages.back().seq, third->at(0).seq);
    EXPECT_EQ(all.messages.size(), 6U);
    EXPECT_EQ(db.value("select queue.head()"), std::to_string(third->at(0).seq));
}

// Behind a transaction pooler the session may lose what it has set.
TEST_F(publish_as_test, its_numbers_are_final_without_the_opt_in_too) {
    ASSERT_TRUE(loop::run(context, own.script("reset pgherald.settle_first")));
    auto late = db.connect();
    late.exec("begin; insert into queue.message (channel) values ('late')");
    const std::string id = uuid(1);
    const auto stored = publish_by_ann(id);
    late.exec("commit");
    EXPECT_EQ(db.value("select seq from queue.message where id = $1", id),
              std::to_string(stored->at(0).seq));
    EXPECT_LT(stored->at(0).seq, read_after(0).messages.at(1).seq);
}

TEST_F(publish_as_test, a_role_that_may_not_be_taken_is_no_refusal_of_a_row) {
    if (own.server_version() < 160000)
        GTEST_SKIP() << "members may always set the role before Postgres 16";
    db.exec("grant " + web.name() + " to " + daemon.name() + " with inherit true, set false");
    const std::string id = uuid(1);
    EXPECT_EQ(refused(web.name(), ann, {{id, "chat.a", "1", "ann"}}), "0P000");
    db.exec("grant " + web.name() + " to " + daemon.name() + " with inherit false, set true");
    EXPECT_TRUE(publish_by_ann(id));
}

TEST_F(publish_as_test, is_for_who_may_settle_first_only) {
    const std::string id = uuid(1);
    db.exec("revoke execute on function queue.settle_first() from " + daemon.name());
    EXPECT_EQ(refused(web.name(), ann, {{id, "chat.a", "1", "ann"}}), "0P000");
    const support::role app(db, grants::publisher);
    auto stranger = open(db.conninfo(app.name()));
    const pg::publish_item item[] = {{id, "chat.a", "1", "ann"}};
    const auto answer =
        loop::run(context, pg::message_store(stranger).publish_as(web.name(), ann, item));
    EXPECT_EQ(answer.error().sqlstate, "0P000"); // not what a policy's refusal is
    EXPECT_NE(answer.error().message.find("lacks EXECUTE on queue.publish_as"), std::string::npos);
}

TEST_F(publish_as_test, rings_and_notifies_like_any_insert) {
    auto listener = db.connect();
    listener.exec("listen queue_message; listen \"chat.a\"");
    const std::string id = uuid(1);
    ASSERT_TRUE(publish_by_ann(id));
    std::vector<support::notification> heard;
    ASSERT_TRUE(support::eventually(10s, [&] {
        for (auto& each : listener.notifications())
            heard.push_back(each);
        return heard.size() == 2;
    }));
    const bool ring_first = heard[0].channel == "queue_message";
    EXPECT_EQ(heard[ring_first ? 0 : 1].payload, "");
    const std::string& payload = heard[ring_first ? 1 : 0].payload;
    EXPECT_NE(payload.find(id), std::string::npos);
    EXPECT_EQ(payload.find("sender"), std::string::npos) << "the article's payload stays as it was";
}

TEST_F(publish_as_test, a_row_that_a_trigger_drops_is_refused_alone) {
    db.exec("create function drop_row() returns trigger language plpgsql as "
            "$$ begin return null; end $$; create trigger zz before insert on queue.message "
            "for each row when (new.channel = 'chat.none') execute function drop_row()");
    const std::string kept = uuid(1);
    const std::string dropped = uuid(2);
    const auto answer =
        publish(ann, {{kept, "chat.a", "1", "ann"}, {dropped, "chat.none", "1", "ann"}});
    EXPECT_EQ(answer.error().sqlstate, "23000");
    EXPECT_EQ(publish_by_ann(kept)->at(0).what, fate::duplicate);
}

// The rest of the daemon's work under row level security, with the recipe of docs/database.md.
// They were settled above those they were added for, so that these were refused, for ever.
TEST_F(publish_as_test, rows_that_a_trigger_adds_come_once_and_in_order) {
    db.exec("create function add_copy() returns trigger language plpgsql security definer as $$ "
            "begin insert into queue.message (channel) values ('copies'); return null; end $$;"
            "create trigger add_copy after insert on queue.message for each row "
            "when (new.channel <> 'copies') execute function add_copy()");
    const std::string ids[] = {uuid(1), uuid(2), uuid(3)};
    const auto stored =
        publish(ann, {{ids[0], "chat.a", "1", "ann"}, {ids[1], "chat.a", "2", "ann"}});
    ASSERT_TRUE(stored) << stored.error().message;
    const auto next = publish_by_ann(ids[2]);
    ASSERT_TRUE(next) << next.error().message;
    const auto page = read_after(0);
    std::string channels;
    std::vector<base::seq> of_own;
    for (const auto& message : page.messages) {
        channels += message.channel.substr(0, 2);
        if (message.channel != "copies")
            of_own.push_back(message.seq);
    }
    EXPECT_EQ(channels, "chchcocochco");
    EXPECT_EQ(of_own,
              (std::vector<base::seq>{stored->at(0).seq, stored->at(1).seq, next->at(0).seq}));
}

TEST_F(publish_as_test, the_daemon_sees_and_removes_everything) {
    db.exec("grant execute on function queue.remove_old(interval, interval, bigint, int) to " +
            daemon.name());
    db.exec(
        "insert into queue.message (channel, created_at) values ('old', now() - interval '1 d')");
    const std::string id = uuid(1);
    ASSERT_TRUE(publish_by_ann(id));
    const auto state = loop::run(context, as_daemon.log_state());
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->head, 2);
    EXPECT_EQ(loop::run(context, as_daemon.read_after(0, 10, any_size))->messages.size(), 2U);
    EXPECT_EQ(loop::run(context, as_daemon.remove_old(1h, 1h, 0, 10))->rows, 1);
    const auto page = loop::run(context, as_daemon.read_after(0, 10, any_size)).value();
    EXPECT_EQ(page.messages.size(), 1U);
    EXPECT_EQ(page.removals.size(), 1U);
    EXPECT_EQ(loop::run(context, own.query("select queue.head()"))->text(0, 0), "2");
}

// A role that code of another one runs as can become the session's role again: docs/database.md
// says whom that trusts. A function with its owner's rights can't.
TEST_F(publish_as_test, code_that_a_policy_runs_has_the_daemons_rights_within_reach) {
    db.exec("create function reach() returns boolean language plpgsql as $$ begin "
            "perform set_config('role', 'none', true); "
            "return exists (select from queue.log) and current_user = session_user; end $$;"
            "create function confined() returns boolean language plpgsql security definer "
            "as 'begin return reach(); end';"
            "create policy reaching on queue.message for insert to " +
            web.name() +
            " with check (channel = 'reach' and reach());"
            "create policy confined on queue.message for insert to " +
            web.name() + " with check (channel = 'confined' and confined())");
    db.exec("alter function reach() set search_path = public; "
            "alter function confined() set search_path = public");
    const std::string id = uuid(1);
    EXPECT_TRUE(publish(ann, {{id, "reach", "1", "ann"}}));
    const std::string other = uuid(2);
    EXPECT_EQ(refused(web.name(), ann, {{other, "confined", "1", "ann"}}), "42501");
}

TEST_F(publish_as_test, names_in_policy_functions_are_not_looked_for_in_public) {
    db.exec("create table allowed (channel text); insert into allowed values ('list'); "
            "grant select on allowed to " +
            web.name() +
            ";"
            "create function listed(text) returns boolean language sql stable as "
            "'select exists (select from allowed where channel = $1)';"
            "create policy listed on queue.message for insert to " +
            web.name() + " with check (listed(channel))");
    const std::string id = uuid(1);
    const std::vector<pg::publish_item> item = {{id, "list", "1", "ann"}};
    EXPECT_EQ(refused(web.name(), ann, item), "42P01");
    db.exec("alter function listed(text) set search_path = public");
    EXPECT_TRUE(publish(ann, item));
}

class hidden_rows_test : public store_test {
protected:
    bool hides() {
        const auto state = loop::run(context, as_daemon.log_state());
        if (state)
            return false;
        EXPECT_EQ(state.error().sqlstate, "42501") << state.error().message;
        EXPECT_EQ(state.error().what, pg::error::kind::refused);
        return true;
    }
    void policy(const std::string& text) {
        db.exec("drop policy if exists p on queue.message; create policy p on queue.message " +
                text);
    }

    support::role daemon{db, grants::daemon};
    support::role group{db};
    pg::connection own = open(db.conninfo(daemon.name()));
    pg::message_store as_daemon{own};
};

TEST_F(hidden_rows_test, are_found_before_messages_are_missed) {
    EXPECT_FALSE(hides());
    db.exec("alter table queue.message enable row level security");
    EXPECT_TRUE(hides());
    policy("using (channel <> 'secret')");
    EXPECT_TRUE(hides());
    policy("for insert with check (true)");
    EXPECT_TRUE(hides());
    policy("to " + group.name() + " using (true)");
    EXPECT_TRUE(hides());
    db.exec("grant " + group.name() + " to " + daemon.name());
    EXPECT_FALSE(hides());
    policy("using (true)");
    EXPECT_FALSE(hides());
    policy("for select using (true)");
    EXPECT_FALSE(hides());
    policy("to " + daemon.name() + " using (true) with check (channel <> 'secret')");
    EXPECT_FALSE(hides());
    db.exec("create policy r on queue.message as restrictive for all to public with check (true)");
    EXPECT_FALSE(hides());
    db.exec("drop policy r on queue.message;"
            "create policy r on queue.message as restrictive using (seq > 5)");
    EXPECT_TRUE(hides());
    db.exec("alter role " + daemon.name() + " bypassrls");
    EXPECT_FALSE(hides());
}

// What a policy says now it may not say of the next row, or in the next minute.
TEST_F(hidden_rows_test, only_a_policy_that_is_plainly_true_shows_them_all) {
    db.exec("alter table queue.message enable row level security;"
            "create function shows(queue.message) returns boolean language sql "
            "as 'select $1.channel is distinct from ''secret'''");
    for (const auto* text :
         {"for all with check (true)", "using (false)", "using (null)", "using (shows(message))",
          "using (message is not null)", "using (current_setting('a.b', true) is null)",
          "using (extract(hour from now()) < 25)"}) {
        policy(text);
        EXPECT_TRUE(hides()) << text;
    }
}

// The functions of the schema read as its owner. They fail rather than be wrong.
TEST(SqlForcedRowSecurity, MakesWhatWouldBreakTheOrderFail) {
    support::database db(support::database::content::empty);
    const support::role owner(db, "grant create on database " + db.name() + " to $role");
    {
        auto conn = db.connect(owner.name());
        support::apply_sql(conn);
        support::apply_sql(conn);
    }
    const support::role app(db, grants::publisher);
    const support::role daemon(db, grants::daemon);
    db.exec("alter table queue.message enable row level security, force row level security;"
            "create policy p on queue.message to " +
            app.name() + ", " + daemon.name() + " using (true)");
    auto early = db.connect(app.name());
    auto fast = db.connect(app.name());
    early.exec("begin; insert into queue.message (channel) values ('early')");
    fast.exec("insert into queue.message (channel) values ('fast')");
    EXPECT_THROW(early.exec("commit"), support::postgres_error);
    auto own = db.connect(daemon.name());
    EXPECT_THROW(own.exec("select queue.head()"), support::postgres_error);
    boost::asio::io_context context;
    pg::connect_options options;
    options.conninfo = db.conninfo(daemon.name());
    auto connection = loop::run(context, pg::connection::open(context, options)).value();
    EXPECT_EQ(loop::run(context, pg::message_store(connection).log_state()).error().sqlstate,
              "42501");

    db.exec("alter table queue.message no force row level security");
    EXPECT_TRUE(loop::run(context, pg::message_store(connection).log_state()));
    early.exec("rollback; begin; insert into queue.message (channel) values ('early')");
    fast.exec("insert into queue.message (channel) values ('fast')");
    early.exec("commit");
    EXPECT_EQ(db.value("select channel from queue.message order by seq desc limit 1"), "early");
}

} // namespace
