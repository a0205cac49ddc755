// What must not be seen: passwords, token secrets, private keys, tokens.
#include "tests/support/certificate.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace {

const std::string password = "correct-horse-battery";

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

TEST(Secrets, ShowNowhere) {
    support::database db;
    const support::folder files;
    const support::certificate_files tls(support::make_certificate("here"));
    const std::string key = read(tls.key());
    const std::string config =
        files.put("pgherald.toml", "[postgres]\ndsn_file = \"" +
                                       files.put("dsn", db.conninfo() + " password=" + password) +
                                       "\"\n[auth]\nmode = \"token\"\nsecret_file = \"" +
                                       files.put("secret", support::token_secret) + "\"\n");
    const std::map<std::string, std::string> settings = {{"POSTGRES_DSN", ""},
                                                         {"LOG_LEVEL", "trace"}};
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = settings, .arguments = {"serve", "--config", config}});
    const std::string token = support::hmac_token(
        support::token_secret, R"({"sub":"ada","pgherald":{"subscribe":["*"],"publish":["*"]}})");
    const std::string bad = token.substr(0, token.size() - 4) + "AAAA";
    support::herald_client client(daemon.port(), {.subprotocol = "pgherald.v1, bearer." + token});
    client.subscribe("a");
    client.call(R"({"type":"publish","channel":"a","data":1})", "ok");
    client.call(R"({"type":"auth","token":")" + bad + "\"}", "error");
    db.exec("select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name like 'pgherald/%' and datname = current_database()");
    client.call(R"({"type":"publish","channel":"a","data":2})");
    daemon.signal(SIGHUP);
    const auto metrics =
        support::http_get("127.0.0.1", static_cast<std::uint16_t>(daemon.port()), "/metrics").body;
    const auto checked = support::daemon::run({"check", "--config", config});
    EXPECT_EQ(checked.exit_code, 0) << checked.err;
    const std::string process = "/proc/" + std::to_string(daemon.pid());
    for (const auto& [where, text] : {std::pair("log", daemon.log()), std::pair("metrics", metrics),
                                      std::pair("check", checked.out + checked.err),
                                      std::pair("command line", read(process + "/cmdline")),
                                      std::pair("environment", read(process + "/environ"))}) {
        EXPECT_FALSE(text.empty()) << where;
        for (const auto& hidden :
             {password, support::token_secret, token, bad, key.substr(40, 40)}) {
            EXPECT_EQ(text.find(hidden), std::string::npos) << where << " shows " << hidden;
        }
    }
}

TEST(Secrets, AreNotShownByWhatIsWrongWithThem) {
    const support::folder files;
    for (const std::string_view config :
         {"[auth]\nmode = \"token\"\nsecret = \"too short\"\n",
          "[auth]\nmode = \"token\"\nsecret = too short\n",
          "[auth]\nmode = \"token\"\nsecret_file = \"too short\"\n",
          "[postgres]\ndsn = \"host=x password=too short\n",
          "[postgres]\ndsn = \"postgresql://u:too short@\"\ndsn_file = \"x\"\n"}) {
        const auto said = support::daemon::run(
            {"check", "--config", files.put("pgherald.toml", std::string(config))});
        EXPECT_EQ(said.exit_code, 78) << config;
        if (config.find("secret_file") == std::string::npos) {
            EXPECT_EQ((said.out + said.err).find("too short"), std::string::npos)
                << said.out << said.err;
        }
    }
}

TEST(Secrets, AnOpenDoorIsOnlyOpenedOnPurpose) {
    const auto refused = support::daemon::run(
        {"serve"}, {{"PGHERALD_SERVER_LISTEN", "0.0.0.0:0"}, {"PGHERALD_POSTGRES_DSN", "host=/x"}});
    EXPECT_EQ(refused.exit_code, 78);
    EXPECT_NE(refused.err.find("auth.insecure"), std::string::npos) << refused.err;
    support::database db;
    support::daemon open({.dsn = db.conninfo(),
                          .settings = {{"SERVER_LISTEN", "0.0.0.0:0"}, {"AUTH_INSECURE", "true"}},
                          .wait_ready = false});
    EXPECT_TRUE(support::eventually(std::chrono::seconds(20), [&] {
        return open.log().find("whoever reaches this address") != std::string::npos;
    })) << open.log();
}

} // namespace
