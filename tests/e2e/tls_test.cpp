// The daemon's port with a certificate, and what becomes of it on SIGHUP.
#include "tests/support/certificate.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using support::herald_client;
using support::tls_client;

bool holds(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

using settings = std::map<std::string, std::string>;

class Tls : public testing::Test {
protected:
    void start(const settings& more = {}) {
        settings all = more;
        all.emplace("TLS_CERTIFICATE", files.pem());
        all.emplace("TLS_KEY", files.key());
        daemon.emplace(support::daemon::options{
            .dsn = db.conninfo(), .settings = std::move(all), .wait_ready = false});
        ASSERT_TRUE(support::eventually(20s, [&] { return get("/readyz").status == 200; }))
            << daemon->log();
    }

    support::http_answer get(const std::string& path) {
        try {
            return support::http_get("127.0.0.1", static_cast<std::uint16_t>(daemon->port()), path,
                                     {}, tls_client{});
        } catch (const std::exception&) {
            return {};
        }
    }

    double metric(const std::string& name) {
        const auto page = get("/metrics").body;
        const auto at = page.find("\n" + name + ' ');
        return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
    }

    herald_client connect(const tls_client& with = {}) {
        return herald_client(daemon->port(), {.tls = with});
    }

    bool logs(const std::string& words) {
        return support::eventually(20s, [&] { return holds(daemon->log(), words); });
    }

    support::database db;
    support::certificate first = support::make_certificate("first");
    support::certificate_files files{first};
    std::optional<support::daemon> daemon;
};

TEST_F(Tls, CarriesTheWholeProtocol) {
    start();
    herald_client reader = connect({.trusted = first.pem});
    EXPECT_EQ(reader.socket.tls().version, "TLSv1.3");
    EXPECT_EQ(reader.socket.tls().protocol, "http/1.1");
    herald_client writer = connect({.trusted = first.pem});
    reader.subscribe("t");
    writer.call(R"({"type":"publish","ref":1,"channel":"t","data":{"n":1}})", "ok");
    EXPECT_EQ(reader.next("message").at("data"), R"({"n":1})");
    db.exec("insert into queue.message (channel, data) "
            "select 't', to_jsonb(repeat('x', 200000)) from generate_series(1, 20)");
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(reader.next("message").at("data").size(), 200'000U);
    }
    EXPECT_TRUE(holds(get("/").body, "pgherald"));
    EXPECT_EQ(metric("pgherald_sessions"), 2);
    EXPECT_TRUE(writer.socket.close());
    daemon->signal(SIGTERM);
    EXPECT_TRUE(reader.socket.wait_closed());
    EXPECT_EQ(reader.socket.close_code(), 1012);
    EXPECT_EQ(daemon->wait(), 0);
}

TEST_F(Tls, ClosesOnPlainHttpAndGoesOn) {
    start();
    const auto port = static_cast<std::uint16_t>(daemon->port());
    EXPECT_EQ(support::http_get("127.0.0.1", port, "/healthz").status, 0U);
    support::raw_client noise("127.0.0.1", port);
    noise.write(std::string(20'000, '\xff'));
    noise.read_to_end();
    EXPECT_TRUE(noise.closed());
    EXPECT_TRUE(logs("a TLS handshake failed address=127.0.0.1 reason=\"http request\""))
        << daemon->log();
    EXPECT_TRUE(
        support::eventually(20s, [&] { return metric("pgherald_tls_failures_total") == 2; }));
    EXPECT_EQ(connect().call(R"({"type":"ping"})").type(), "ok");
}

TEST_F(Tls, TheImagesHealthCheckKnowsItByItsAlert) {
    start();
    const std::string command = "PGHERALD_SERVER_LISTEN=0.0.0.0:" + std::to_string(daemon->port()) +
                                " bash " PGHERALD_SOURCE_DIR "/deploy/healthcheck.sh";
    EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(Tls, SpeaksWhatItIsToldTo) {
    start();
    EXPECT_THROW(connect({.min_version = "1.1", .max_version = "1.1"}), support::tls_refused);
    EXPECT_THROW(connect({.protocols = {"h2"}}), support::tls_refused);
    EXPECT_EQ(connect({.max_version = "1.2"}).socket.tls().version, "TLSv1.2");
    start({{"TLS_MIN_VERSION", "1.3"}});
    EXPECT_THROW(connect({.max_version = "1.2"}), support::tls_refused);
    EXPECT_EQ(connect().socket.tls().version, "TLSv1.3");
}

TEST_F(Tls, SighupGivesNewConnectionsTheNewCertificate) {
    start();
    herald_client old = connect({.trusted = first.pem});
    old.subscribe("t");
    const auto expiry = metric("pgherald_certificate_expiry_seconds");
    EXPECT_GT(expiry, 0);

    const auto second = support::make_certificate("second", nullptr, {}, 100'000);
    files.put(second);
    EXPECT_EQ(connect().socket.tls().certificate, first.pem); // nobody has asked yet
    daemon->signal(SIGHUP);
    EXPECT_TRUE(
        support::eventually(20s, [&] { return connect().socket.tls().certificate == second.pem; }));
    EXPECT_GT(metric("pgherald_certificate_expiry_seconds"), expiry + 90'000);
    EXPECT_TRUE(logs("the new configuration is in use")) << daemon->log();

    herald_client fresh = connect({.trusted = second.pem});
    fresh.call(R"({"type":"publish","channel":"t","data":1})", "ok");
    EXPECT_EQ(old.next("message").at("data"), "1") << "sessions go on";
    EXPECT_THROW(connect({.trusted = first.pem}), support::tls_refused);
    EXPECT_EQ(metric("pgherald_reload_asked_total"), 1);
    EXPECT_EQ(metric("pgherald_reload_failures_total"), 0);
}

TEST_F(Tls, AReloadThatFailsLeavesTheOldCertificateInUse) {
    start();
    herald_client old = connect({.trusted = first.pem});
    const auto other = support::make_certificate("other");
    const struct {
        support::certificate put;
        std::string key;
        std::string reason;
    } cases[] = {
        {{"no PEM", other.key}, "tls.certificate", "holds no certificate"},
        {{first.pem, "no PEM"}, "tls.key", "holds no private key"},
        {{first.pem, other.key}, "tls.key", "is not that of the certificate"},
    };
    int failures = 0;
    for (const auto& each : cases) {
        files.put(each.put);
        daemon->signal(SIGHUP);
        EXPECT_TRUE(support::eventually(
            5s, [&] { return metric("pgherald_reload_failures_total") == failures + 1; }));
        ++failures;
        EXPECT_TRUE(logs(" error wrong in the new configuration key=" + each.key)) << daemon->log();
        EXPECT_TRUE(logs(each.reason)) << daemon->log();
        EXPECT_EQ(connect({.trusted = first.pem}).call(R"({"type":"ping"})").type(), "ok");
    }
    std::filesystem::remove(files.pem());
    daemon->signal(SIGHUP);
    EXPECT_TRUE(logs("can't be opened: No such file")) << daemon->log();
    EXPECT_EQ(connect({.trusted = first.pem}).call(R"({"type":"ping"})").type(), "ok");
    files.put(other);
    daemon->signal(SIGHUP);
    EXPECT_TRUE(
        support::eventually(20s, [&] { return connect().socket.tls().certificate == other.pem; }));
    EXPECT_EQ(old.call(R"({"type":"ping"})").type(), "ok");
}

/// Starts a daemon that must not start, and gives what it said.
std::string refused_start(const settings& with) {
    support::daemon one({.dsn = "host=/nonexistent", .settings = with, .wait_ready = false});
    EXPECT_EQ(one.wait(), 78);
    return one.log();
}

TEST(TlsStart, AProblemIsNamedByItsKey) {
    const auto one = support::make_certificate("one");
    const auto other = support::make_certificate("other");
    const support::certificate_files files(one);
    const settings good = {{"TLS_CERTIFICATE", files.pem()}, {"TLS_KEY", files.key()}};
    const auto with = [&](const std::string& name, const std::string& value) {
        settings changed = good;
        changed[name] = value;
        return refused_start(changed);
    };
    EXPECT_TRUE(holds(with("TLS_KEY", ""), "tls.certificate: is set without tls.key"));
    EXPECT_TRUE(holds(with("TLS_CERTIFICATE", ""), "tls.key: is set without tls.certificate"));
    EXPECT_TRUE(holds(with("TLS_KEY", "/nonexistent/key.pem"),
                      "tls.key: the file \"/nonexistent/key.pem\" can't be opened"));
    EXPECT_TRUE(holds(with("TLS_MIN_VERSION", "1.1"), "tls.min_version: must be one of"));
    const std::string ciphers = with("TLS_CIPHERS", "NO-SUCH");
    EXPECT_TRUE(holds(ciphers, "can't start with this setting key=tls.ciphers")) << ciphers;

    files.put({one.pem, other.key});
    const std::string key = refused_start(good);
    EXPECT_TRUE(holds(key, "key=tls.key reason=\"the file ")) << key;
    EXPECT_TRUE(holds(key, "is not that of the certificate")) << key;
    files.put({"words", one.key});
    const std::string certificate = refused_start(good);
    EXPECT_TRUE(holds(certificate, "key=tls.certificate")) << certificate;
    const auto locked = support::make_certificate("locked", nullptr, "secret");
    files.put(locked);
    EXPECT_TRUE(holds(refused_start(good), "without a passphrase"));
}

} // namespace
