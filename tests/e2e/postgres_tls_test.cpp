// To Postgres over TLS, as the connection string asks.
#include "tests/support/certificate.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
using support::herald_client;

class PostgresTls : public testing::Test {
protected:
    PostgresTls() {
        auto admin = support::connection(server.conninfo());
        put(admin, "server.crt", own.pem);
        put(admin, "server.key", own.key);
        admin.exec("alter system set ssl = on");
        admin.exec("select pg_reload_conf()");
    }

    /// Into the server's folder, readable for nobody else.
    static void put(support::connection& admin, const std::string& name, const std::string& pem) {
        admin.exec("copy (select unnest(string_to_array('" + pem +
                   "', chr(10)))) to program 'umask 077 && cat > " + name + "'");
    }

    std::string dsn(const std::string& trusted) {
        return server.tcp_conninfo(db.name()) +
               " host=localhost hostaddr=127.0.0.1 sslmode=verify-full "
               "sslrootcert=" +
               files.put("ca.pem", trusted);
    }

    const support::certificate own = support::make_certificate("postgres");
    support::folder files;
    support::postgres_server server{{.tcp = true}};
    support::database db{server};
};

TEST_F(PostgresTls, EveryConnectionUsesItAndEverythingPasses) {
    support::daemon daemon({.dsn = dsn(own.pem), .settings = {{"WEBSOCKET_MAX_FRAME", "8MiB"}}});
    herald_client client(daemon.port());
    client.subscribe("t");
    EXPECT_EQ(*db.value("select count(*) from pg_stat_activity join pg_stat_ssl using (pid) "
                        "where application_name like 'pgherald/%' and not ssl"),
              "0");
    EXPECT_TRUE(support::eventually(10s, [&] {
        return *db.value("select count(*) >= 3 from pg_stat_activity join pg_stat_ssl "
                         "using (pid) where application_name like 'pgherald/%' and ssl") == "t";
    }));
    // Larger than what TLS hands on at once, and than any buffer on the way.
    const std::string large = '"' + std::string(5'000'000, 'x') + '"';
    herald_client(daemon.port())
        .call(R"({"type":"publish","channel":"t","data":)" + large + "}", "ok");
    EXPECT_TRUE(client.next("message").at("data") == large.substr(1, 5'000'000));
    db.exec("insert into queue.message (channel, data) select 't', to_json(i) "
            "from generate_series(1, 3000) i");
    for (int i = 1; i <= 3'000; ++i) {
        ASSERT_EQ(client.next("message").at("data"), std::to_string(i));
    }
    for (int i = 0; i < 20; ++i) {
        const auto begun = std::chrono::steady_clock::now();
        db.exec("insert into queue.message (channel, data) values ('t', '1')");
        client.next("message");
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s) << "the ring was heard";
    }
}

TEST_F(PostgresTls, AServerThatIsNotTrustedIsNotUsed) {
    support::daemon daemon(
        {.dsn = dsn(support::make_certificate("somebody").pem), .wait_ready = false});
    EXPECT_TRUE(support::eventually(10s, [&] {
        return daemon.log().find("certificate verify failed") != std::string::npos;
    })) << daemon.log();
    EXPECT_TRUE(daemon.running()) << "it may be mended";
    EXPECT_EQ(daemon.status_of("/readyz"), 503);
    EXPECT_EQ(daemon.status_of("/healthz"), 200);
}

} // namespace
