// The command line, and what keeps the daemon from starting: each with its exit code and a message
// that says what to do.
#include "tests/pg/roles.hpp"
#include "tests/support/certificate.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <pwd.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using support::daemon;

bool says(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

/// A file in a folder of its own, removed at the end.
class temporary_file {
public:
    temporary_file(const std::string& name, const std::string& text) {
        std::string folder = "/tmp/pgherald-test-XXXXXX";
        folder_ = mkdtemp(folder.data());
        std::ofstream(path_ = folder_ / name) << text;
    }
    ~temporary_file() { std::filesystem::remove_all(folder_); }
    std::string path() const { return path_; }

private:
    std::filesystem::path folder_;
    std::filesystem::path path_;
};

TEST(CommandLine, VersionAndHelp) {
    const auto version = daemon::run({"--version"});
    EXPECT_EQ(version.exit_code, 0);
    EXPECT_TRUE(says(version.out, "pgherald 0.")) << version.out;
    const auto help = daemon::run({"--help"});
    EXPECT_EQ(help.exit_code, 0);
    for (const char* word : {"serve", "migrate", "check", "--config", "PGHERALD_"}) {
        EXPECT_TRUE(says(help.out, word)) << word;
    }
    EXPECT_EQ(daemon::run({"dance"}).exit_code, 64);
    EXPECT_EQ(daemon::run({"serve", "--loud"}).exit_code, 64);
}

TEST(CommandLine, CheckNamesEveryProblemWithKeyAndLine) {
    const temporary_file bad("bad.toml", "[server]\nlisten = 5\nthread = 1\n[websocket]\n"
                                         "ping_interval = \"soon\"\n");
    const auto outcome = daemon::run({"check", "--config", bad.path()});
    EXPECT_EQ(outcome.exit_code, 78);
    EXPECT_TRUE(says(outcome.err, "bad.toml:2")) << outcome.err;
    EXPECT_TRUE(says(outcome.err, "bad.toml:3"));
    EXPECT_TRUE(says(outcome.err, "threads")) << "the nearest known key";
    EXPECT_TRUE(says(outcome.err, "bad.toml:5"));
    EXPECT_EQ(daemon::run({"serve", "--config", bad.path()}).exit_code, 78);
    const temporary_file good("good.toml", "[server]\nlisten = \"127.0.0.1:0\"\n");
    EXPECT_EQ(daemon::run({"check", "--config", good.path()}).exit_code, 0);
    EXPECT_EQ(daemon::run({"check", "--config", "/nonexistent.toml"}).exit_code, 78);
    EXPECT_EQ(daemon::run({"check"}, {{"PGHERALD_SERVER_LISTTEN", "x"}}).exit_code, 78);
    const auto retention = daemon::run({"check"}, {{"PGHERALD_MESSAGES_RETENTION", "7 weeks"}});
    EXPECT_EQ(retention.exit_code, 78);
    EXPECT_TRUE(says(retention.err, "messages.retention")) << retention.err;
}

TEST(CommandLine, CheckLooksIntoTheFilesThatSettingsName) {
    const auto first = support::make_certificate("first");
    const auto second = support::make_certificate("second");
    const support::certificate_files pair(first);
    const support::certificate_files mixed({first.pem, second.key});
    const auto checked = [](const std::map<std::string, std::string>& environment) {
        return daemon::run({"check"}, environment);
    };
    const auto tls = [](const support::certificate_files& files) {
        return std::map<std::string, std::string>{{"PGHERALD_TLS_CERTIFICATE", files.pem()},
                                                  {"PGHERALD_TLS_KEY", files.key()}};
    };
    EXPECT_EQ(checked(tls(pair)).exit_code, 0) << checked(tls(pair)).err;
    EXPECT_EQ(checked(tls(mixed)).exit_code, 78);
    EXPECT_TRUE(says(checked(tls(mixed)).err, "tls.key: ")) << checked(tls(mixed)).err;
    const auto keys =
        checked({{"PGHERALD_AUTH_MODE", "token"}, {"PGHERALD_AUTH_PUBLIC_KEY_FILE", pair.key()}});
    EXPECT_EQ(keys.exit_code, 78);
    EXPECT_TRUE(says(keys.err, "auth.public_key_file: ")) << keys.err;
}

TEST(CommandLine, MigrateBringsASchemaAndCanBeRunAgain) {
    support::database db(support::database::content::empty);
    const std::map<std::string, std::string> environment = {
        {"PGHERALD_POSTGRES_DSN", db.conninfo()}};
    EXPECT_EQ(daemon::run({"migrate"}, environment).exit_code, 0);
    db.exec("insert into queue.message (channel) values ('x')");
    const auto again = daemon::run({"migrate"}, environment);
    EXPECT_EQ(again.exit_code, 0);
    EXPECT_TRUE(says(again.out, "up to date")) << again.out;
    EXPECT_EQ(db.value("select count(*) from queue.message"), "1");

    support::database other(support::database::content::empty);
    const auto printed = daemon::run({"migrate", "--print"});
    EXPECT_EQ(printed.exit_code, 0);
    other.exec(printed.out);
    other.exec("insert into queue.message (channel) values ('x')");

    EXPECT_EQ(daemon::run({"migrate"}, {{"PGHERALD_POSTGRES_DSN", "host=/nonexistent"}}).exit_code,
              69);
    db.exec("update queue.log set schema_version = 1000");
    const auto newer = daemon::run({"migrate"}, environment);
    EXPECT_EQ(newer.exit_code, 78);
    EXPECT_TRUE(says(newer.err, "newer")) << newer.err;

    support::database odd(support::database::content::empty);
    odd.exec("create schema queue; create table queue.message (id int, text text)");
    const auto refused = daemon::run({"migrate"}, {{"PGHERALD_POSTGRES_DSN", odd.conninfo()}});
    EXPECT_EQ(refused.exit_code, 78);
    EXPECT_TRUE(says(refused.err, "Nothing has been changed")) << "the server's hint\n"
                                                               << refused.err;
}

/// Starts a daemon that must not start, and gives what it logged.
std::string refused_start(const std::string& dsn,
                          std::map<std::string, std::string> settings = {}) {
    daemon one({.dsn = dsn, .settings = std::move(settings), .wait_ready = false});
    EXPECT_EQ(one.wait(std::chrono::seconds(30)), 78);
    return one.log();
}

TEST(Start, WithoutTheSchemaItSaysHowToGetIt) {
    support::database db(support::database::content::empty);
    EXPECT_TRUE(says(refused_start(db.conninfo()), "pgherald migrate"));
}

TEST(Start, ANewerSchemaIsRefused) {
    support::database db;
    db.exec("update queue.log set schema_version = 1000");
    EXPECT_TRUE(says(refused_start(db.conninfo()), "newer"));
}

TEST(Start, AnEncodingOtherThanUtf8IsRefused) {
    support::postgres_server& server = support::shared_server();
    support::connection admin(server.conninfo());
    admin.exec("create database latin template template0 encoding 'LATIN1' lc_collate 'C' "
               "lc_ctype 'C'");
    const std::string log = refused_start(server.conninfo("latin"));
    EXPECT_TRUE(says(log, "UTF8")) << log;
    admin.exec("drop database latin with (force)");
}

TEST(Start, AnAddressThatIsTakenIsTold) {
    support::database db;
    daemon one({.dsn = db.conninfo()});
    // Taken, or not this machine's: what restarts it may have luck later.
    for (const std::string& address :
         {"127.0.0.1:" + std::to_string(one.port()), std::string("192.0.2.1:8080")}) {
        daemon two({.dsn = db.conninfo(),
                    .settings = {{"SERVER_LISTEN", address}, {"AUTH_INSECURE", "true"}},
                    .wait_ready = false});
        EXPECT_EQ(two.wait(), 69) << address;
        EXPECT_TRUE(says(two.log(), "server.listen")) << two.log();
        EXPECT_FALSE(says(two.log(), "internal error")) << two.log();
    }
}

TEST(Start, AnotherIsolationThanReadCommittedIsRefused) {
    support::database db;
    db.exec("alter database " + db.name() + " set default_transaction_isolation = 'serializable'");
    const std::string log = refused_start(db.conninfo());
    EXPECT_TRUE(says(log, "default_transaction_isolation")) << log;
}

TEST(Start, MissingPermissionsAreNamed) {
    support::database db;
    support::role nobody(db);
    const std::string log = refused_start(db.conninfo(nobody.name()));
    EXPECT_TRUE(says(log, "docs/database.md")) << log;
}

TEST(Start, ARefusalThatMayPassIsWaitedFor) {
    support::database db;
    db.exec("alter database " + db.name() + " set lock_timeout = '100ms'");
    support::connection blocker(db.conninfo());
    blocker.exec("begin; lock table queue.log in access exclusive mode");
    daemon one({.dsn = db.conninfo(), .wait_ready = false});
    EXPECT_TRUE(one.says("lock timeout"));
    blocker.exec("rollback");
    EXPECT_TRUE(support::eventually(std::chrono::seconds(30),
                                    [&] { return one.status_of("/readyz") == 200; }));
}

constexpr auto older_table =
    "create schema queue; create table queue.message (id uuid primary key default "
    "gen_random_uuid(), channel text, data json, created_at timestamptz default now(), "
    "updated_at timestamptz default now())";

TEST(Start, AMigrationMayTakeLongerThanAQuery) {
    support::database db(support::database::content::empty);
    db.exec(older_table);
    support::connection blocker(db.conninfo());
    blocker.exec("begin; lock table queue.message in access share mode");
    daemon one({.dsn = db.conninfo(),
                .settings = {{"POSTGRES_MIGRATE", "true"}},
                .arguments = {"serve"},
                .wait_ready = false});
    EXPECT_FALSE(support::eventually(std::chrono::seconds(11), [&] {
        return one.log().find("no answer within") != std::string::npos || !one.running();
    })) << one.log();
    blocker.exec("rollback");
    EXPECT_TRUE(support::eventually(std::chrono::seconds(30),
                                    [&] { return one.status_of("/readyz") == 200; }));
}

TEST(Start, IsBrokenOffWhileAMigrationWaits) {
    support::database db(support::database::content::empty);
    db.exec(older_table);
    support::connection blocker(db.conninfo());
    blocker.exec("begin; lock table queue.message in access share mode");
    daemon one({.dsn = db.conninfo(),
                .settings = {{"POSTGRES_MIGRATE", "true"}},
                .arguments = {"serve"},
                .wait_ready = false});
    EXPECT_TRUE(one.says("purpose=migrate"));
    one.signal(SIGTERM);
    EXPECT_EQ(one.wait(std::chrono::seconds(30)), 0);
}

// It started, and then couldn't publish.
TEST(Start, MissingRightsAreNamedAsGrants) {
    for (const std::string right :
         {"insert on queue.message", "execute on function queue.settle_first()",
          "update on queue.consumer"}) {
        support::database db;
        support::role herald(db, grants::daemon);
        db.exec("revoke " + right + " from " + herald.name());
        const std::string log = refused_start(db.conninfo(herald.name()));
        EXPECT_TRUE(says(log, "grant " + right + " to " + herald.name())) << log;
    }
}

TEST(Start, MigrateOnStart) {
    support::database db(support::database::content::empty);
    daemon one({.dsn = db.conninfo(), .settings = {{"POSTGRES_MIGRATE", "true"}}});
    support::herald_client client(one.port());
    client.subscribe("x");
    db.exec("insert into queue.message (channel) values ('x')");
    client.next("message");
}

TEST(Start, TwoInstancesMayMigrateAtOnce) {
    support::database db(support::database::content::empty);
    daemon::options options{.dsn = db.conninfo(),
                            .settings = {{"POSTGRES_MIGRATE", "true"}},
                            .arguments = {"serve"},
                            .wait_ready = false};
    daemon one(options);
    daemon two(options);
    for (daemon* each : {&one, &two}) {
        EXPECT_TRUE(support::eventually(std::chrono::seconds(20), [&] {
            return each->status_of("/readyz") == 200;
        })) << each->log();
    }
}

TEST(Start, AnUpToDateSchemaIsNotWaitedFor) {
    support::database db;
    auto writer = db.connect();
    writer.exec("begin; insert into queue.message (channel) values ('x')");
    daemon one({.dsn = db.conninfo(), .settings = {{"POSTGRES_MIGRATE", "true"}}});
    EXPECT_EQ(one.status_of("/readyz"), 200) << "ready while a writer's transaction is open";
    writer.exec("commit");
}

TEST(Start, WaitsForAPostgresThatIsNotThereYet) {
    support::postgres_server server;
    support::database db(server);
    server.stop();
    daemon one({.dsn = db.conninfo(), .wait_ready = false});
    EXPECT_EQ(one.status_of("/healthz"), 200);
    EXPECT_EQ(one.status_of("/readyz"), 503);
    try {
        support::ws_client early("127.0.0.1", static_cast<std::uint16_t>(one.port()));
        FAIL() << "nobody can say which epoch it is yet";
    } catch (const support::handshake_refused& refused) {
        EXPECT_EQ(refused.status, 503U);
    }
    server.start();
    EXPECT_TRUE(support::eventually(std::chrono::seconds(20),
                                    [&] { return one.status_of("/readyz") == 200; }));
    support::herald_client client(one.port());
}

TEST(Start, GivesUpAfterStartTimeoutWhereOneIsSet) {
    daemon one({.dsn = "host=/nonexistent",
                .settings = {{"POSTGRES_START_TIMEOUT", "1s"}},
                .wait_ready = false});
    EXPECT_EQ(one.wait(), 69);
    support::database db;
    daemon deaf({.dsn = db.conninfo(),
                 .settings = {{"POSTGRES_START_TIMEOUT", "1s"},
                              {"POSTGRES_LISTEN_DSN", "host=/nonexistent"}},
                 .wait_ready = false});
    EXPECT_EQ(deaf.wait(), 69);
}

// Killed without a word of farewell: what is left is a connection that broke.
TEST(Start, AMigrationWhoseConnectionBreaksIsTriedAgain) {
    support::postgres_server server;
    support::database db(server, support::database::content::empty);
    db.exec(older_table);
    support::connection blocker(db.conninfo());
    blocker.exec("begin; lock table queue.message in access share mode");
    daemon one(
        {.dsn = db.conninfo(), .settings = {{"POSTGRES_MIGRATE", "true"}}, .wait_ready = false});
    std::string waiting;
    ASSERT_TRUE(support::eventually(std::chrono::seconds(20), [&] {
        const auto pid = db.value("select max(pid) from pg_stat_activity where "
                                  "application_name = 'pgherald/migrate' and "
                                  "wait_event_type = 'Lock'");
        waiting = pid.value_or("");
        return !waiting.empty();
    }));
    ASSERT_EQ(::kill(std::stoi(waiting), SIGKILL), 0); // the server restarts all of them
    EXPECT_TRUE(support::eventually(std::chrono::seconds(30), [&] {
        return one.status_of("/readyz") == 200;
    })) << one.log();
}

TEST(Start, ARoleWithTheDocumentedGrantsIsEnough) {
    support::database db;
    support::role herald(db, grants::daemon);
    daemon one({.dsn = db.conninfo(herald.name())});
    support::herald_client client(one.port());
    client.subscribe("x");
    client.socket.send(R"({"type":"publish","channel":"x","data":1})");
    client.next();
    client.next();
}

// It made a new connection twice a second, and said so each time.
TEST(Start, ARightToPublishThatIsTakenAwayLaterIsToldOnce) {
    support::database db;
    support::role herald(db, grants::daemon);
    daemon one({.dsn = db.conninfo(herald.name())});
    support::herald_client client(one.port());
    client.subscribe("x");
    const std::string right = "execute on function queue.settle_first()";
    db.exec("revoke " + right + " from " + herald.name());
    db.exec("select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name = 'pgherald/publish'");
    // Whoever publishes next finds that the connection is gone.
    const std::string publish = R"({"type":"publish","channel":"x","data":1})";
    client.socket.send(publish);
    EXPECT_EQ(client.next("error", std::chrono::seconds(20)).at("code"), "unavailable");
    EXPECT_TRUE(one.says("permission denied for function settle_first")) << one.log();
    std::size_t told = 0;
    const std::string log = one.log();
    for (std::size_t at = 0; (at = log.find("settle_first", at)) != std::string::npos; ++at)
        ++told;
    EXPECT_EQ(told, 1U) << log;
    // Who only listens goes on, and so does publishing when it is mended.
    db.exec("insert into queue.message (channel) values ('x')");
    client.next("message");
    db.exec("grant " + right + " to " + herald.name());
    EXPECT_TRUE(support::eventually(std::chrono::seconds(10), [&] {
        client.socket.send(publish);
        return client.next().type() != "error";
    }));
}

/// pgbouncer in transaction mode takes LISTEN and never delivers.
TEST(Start, ATransactionPoolerOnTheListenConnectionIsRefused) {
    if (std::system("command -v pgbouncer > /dev/null") != 0) {
        GTEST_SKIP() << "pgbouncer is not installed";
    }
    support::postgres_server server({.tcp = true});
    support::database db(server);
    const int port =
        server.tcp_port() + 1'000 < 65'000 ? server.tcp_port() + 1'000 : server.tcp_port() - 1'000;
    const temporary_file users("users.txt", "\"postgres\" \"\"\n");
    const temporary_file config(
        "pgbouncer.ini",
        "[databases]\n* = host=127.0.0.1 port=" + std::to_string(server.tcp_port()) +
            " user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=" +
            std::to_string(port) + "\nunix_socket_dir=\nauth_type=any\nauth_file=" + users.path() +
            "\npool_mode=transaction\nignore_startup_parameters=extra_float_digits,options,"
            "client_encoding,timezone\n");
    const pid_t bouncer = fork();
    if (bouncer == 0) {
        std::filesystem::permissions(std::filesystem::path(config.path()).parent_path(),
                                     std::filesystem::perms::all);
        // It refuses to run as root. Nothing in between, so that our signal reaches it; and it
        // must not outlive a test that is killed, nor hold the test's output open.
        if (const passwd* nobody = getuid() == 0 ? getpwnam("nobody") : nullptr) {
            if (setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0) {
                _exit(126);
            }
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execlp("pgbouncer", "pgbouncer", "-q", config.path().c_str(), nullptr);
        _exit(127);
    }
    const std::string pooled =
        "host=127.0.0.1 port=" + std::to_string(port) + " user=postgres dbname=" + db.name();
    EXPECT_TRUE(support::eventually(std::chrono::seconds(10), [&] {
        try {
            support::connection probe(pooled);
            return true;
        } catch (const std::exception&) {
            return false;
        }
    }));
    const std::string log = refused_start(pooled);
    EXPECT_TRUE(says(log, "listen_dsn")) << log;
    {
        daemon one({.dsn = pooled, .settings = {{"POSTGRES_LISTEN_DSN", db.conninfo()}}});
        support::herald_client client(one.port());
        client.subscribe("x");
        db.exec("insert into queue.message (channel) values ('x')");
        client.next("message");
    }
    kill(bouncer, SIGTERM);
    waitpid(bouncer, nullptr, 0);
}

} // namespace
