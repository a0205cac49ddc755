// Keys of an issuer: from a file or an https address, exchanged while the daemon runs.
#include "tests/support/certificate.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/https_server.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;
using support::herald_client;
using support::token_signer;

std::string jwks(const std::vector<const token_signer*>& keys) {
    std::string text;
    for (const auto* each : keys)
        text += (text.empty() ? "" : ",") + each->jwk();
    return R"({"keys":[)" + text + "]}";
}

/// An issuer's keys behind an address; may be made to fail, or to be slow.
class key_source {
public:
    explicit key_source(std::string keys, const std::string& name = "issuer")
        : keys_(std::move(keys)),
          certificate_(support::make_certificate(name)) {}

    void set(std::string keys) {
        const std::lock_guard lock(mutex_);
        keys_ = std::move(keys);
    }
    void fail(bool does) { fails_ = does; }
    int requests() const { return server_.requests(); }
    std::string url() const { return server_.url("/keys"); }
    const std::string& trusted() const { return certificate_.pem; }

private:
    std::string answer() {
        const std::lock_guard lock(mutex_);
        return fails_ ? support::http_answer_text("", "503 Service Unavailable")
                      : support::http_answer_text(keys_);
    }

    std::mutex mutex_;
    std::string keys_;
    std::atomic<bool> fails_ = false;
    const support::certificate certificate_;
    const support::https_server server_{certificate_, [this](const auto&) { return answer(); }};
};

class Jwks : public testing::Test {
protected:
    void start(const std::string& auth) {
        daemon.emplace(support::daemon::options{
            .dsn = db.conninfo(),
            .arguments = {"serve", "--config",
                          files.put("pgherald.toml", "[auth]\nmode = \"token\"\n" + auth +
                                                         "[[channel]]\npattern = \"*\"\n"
                                                         "subscribe = \"token\"\n")}});
    }
    void start_with(const key_source& source, const std::string& more = "") {
        start("jwks_url = \"" + source.url() + "\"\njwks_ca_file = \"" +
              files.put("ca.pem", source.trusted()) + "\"\n" + more);
    }

    /// Whether a session that shows a token signed by this one is let in.
    bool knows(const token_signer& signer) {
        try {
            herald_client client(
                daemon->port(),
                {.headers = {{"Authorization", "Bearer " + signer.sign(R"({"sub":"42"})")}}});
            client.subscribe("a");
            return true;
        } catch (const support::handshake_refused&) {
            return false;
        }
    }
    double failures() { return daemon->metric("pgherald_token_key_failures_total"); }

    support::database db;
    support::folder files;
    std::optional<support::daemon> daemon;
    const token_signer first{"first"};
    const token_signer second{"second"};
    const token_signer stranger{"stranger"};
};

TEST_F(Jwks, AnUnknownKeyIsLookedForAtTheAddressOnceInAWhile) {
    key_source source(jwks({&first}));
    start_with(source);
    EXPECT_TRUE(knows(first)) << daemon->log();
    EXPECT_EQ(source.requests(), 1);
    source.set(jwks({&first, &second}));
    // The last look is too recent to look again; after that the first token that names it finds it.
    EXPECT_TRUE(support::eventually(20s, [&] { return knows(second); })) << daemon->log();
    EXPECT_EQ(source.requests(), 2);
    for (int i = 0; i < 50; ++i)
        EXPECT_FALSE(knows(stranger));
    EXPECT_EQ(source.requests(), 2) << "strangers don't make it ask";
    EXPECT_TRUE(knows(first));
    EXPECT_EQ(daemon->metric(R"(pgherald_token_keys{source="auth.jwks_url"})"), 2);
}

TEST_F(Jwks, KeysStayWhileTheirSourceIsAway) {
    std::optional<key_source> source(std::in_place, jwks({&first}));
    start_with(*source, "jwks_refresh = \"1s\"\n");
    EXPECT_TRUE(knows(first)) << daemon->log();
    source->fail(true);
    EXPECT_TRUE(support::eventually(10s, [&] { return failures() >= 1; }));
    EXPECT_TRUE(daemon->says("answers with 503")) << daemon->log();
    EXPECT_TRUE(knows(first));
    source->fail(false);
    source->set("{\"keys\":");
    EXPECT_TRUE(support::eventually(10s, [&] { return failures() >= 2; }));
    EXPECT_TRUE(knows(first)) << "half an answer is none";
    const auto before = failures();
    source.reset();
    EXPECT_TRUE(support::eventually(10s, [&] { return failures() > before; }));
    EXPECT_TRUE(knows(first));
    EXPECT_EQ(daemon->status_of("/readyz"), 200);
}

TEST_F(Jwks, TheSameKeysChangeNothing) {
    key_source source(jwks({&first}));
    const std::string path = files.put("keys.json", jwks({&second}));
    start_with(source, "jwks_refresh = \"1s\"\njwks_file = \"" + path + "\"\n");
    const auto loads = [&](const std::string& from) {
        const std::string log = daemon->log();
        int count = 0;
        for (auto at = log.find("source=" + from); at != log.npos;
             at = log.find("source=" + from, at + 1))
            ++count;
        return count;
    };
    EXPECT_TRUE(support::eventually(20s, [&] { return source.requests() >= 3; }));
    EXPECT_EQ(loads("auth.jwks_url"), 1) << daemon->log();
    EXPECT_EQ(loads("auth.jwks_file"), 1) << daemon->log();
    source.set(jwks({&first, &stranger}));
    files.put("keys.json", jwks({&second, &stranger}));
    EXPECT_TRUE(support::eventually(20s, [&] {
        return loads("auth.jwks_url") == 2 && loads("auth.jwks_file") == 2;
    })) << daemon->log();
}

// It takes the connection and says nothing.
TEST_F(Jwks, ASecondSignalEndsAStopThatWaitsForTheAddress) {
    const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listening, 5), 0);
    ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
    start("jwks_url = \"https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
          "/keys\"\n");
    daemon->signal(SIGTERM);
    EXPECT_TRUE(daemon->says("drained")) << daemon->log();
    daemon->signal(SIGTERM);
    EXPECT_EQ(daemon->wait(5s), 128 + SIGTERM);
    ::close(listening);
}

TEST_F(Jwks, AKeyThatIsTakenOutVerifiesNothingMore) {
    key_source source(jwks({&first, &second}));
    start_with(source, "jwks_refresh = \"1s\"\n");
    EXPECT_TRUE(knows(first));
    herald_client open(daemon->port(),
                       {.headers = {{"Authorization", "Bearer " + first.sign(R"({"sub":"42"})")}}});
    open.subscribe("a");
    source.set(jwks({&second}));
    EXPECT_TRUE(support::eventually(10s, [&] { return !knows(first); }));
    EXPECT_TRUE(knows(second));
    db.exec("insert into queue.message (channel) values ('a')");
    EXPECT_EQ(open.next("message").at("channel"), "a") << "until its token expires";
}

TEST_F(Jwks, TheDaemonStartsWithoutItsSourceAndFindsItLater) {
    key_source source(jwks({&first}));
    source.fail(true);
    start_with(source, "jwks_refresh = \"1s\"\n");
    EXPECT_TRUE(support::eventually(10s, [&] { return failures() >= 1; }));
    EXPECT_FALSE(knows(first));
    source.fail(false);
    EXPECT_TRUE(support::eventually(20s, [&] { return knows(first); })) << daemon->log();
}

TEST_F(Jwks, AnotherServerInItsPlaceIsNotBelieved) {
    key_source source(jwks({&first}));
    start("jwks_url = \"" + source.url() + "\"\njwks_ca_file = \"" +
          files.put("ca.pem", support::make_certificate("other").pem) + "\"\n");
    EXPECT_TRUE(support::eventually(10s, [&] { return failures() >= 1; }));
    EXPECT_TRUE(daemon->says("certificate verify failed")) << daemon->log();
    EXPECT_EQ(source.requests(), 0);
    EXPECT_FALSE(knows(first));
}

TEST_F(Jwks, AFileIsReadAgain) {
    start("jwks_file = \"" + files.put("keys.json", jwks({&first})) +
          "\"\njwks_refresh = \"1s\"\n");
    EXPECT_TRUE(knows(first)) << daemon->log();
    files.put("keys.json", jwks({&second}));
    EXPECT_TRUE(support::eventually(10s, [&] { return knows(second); })) << daemon->log();
    EXPECT_FALSE(knows(first));
    files.put("keys.json", "[]");
    EXPECT_TRUE(support::eventually(10s, [&] { return failures() >= 1; }));
    EXPECT_TRUE(knows(second)) << "keys that can't be read replace none";
}

TEST_F(Jwks, ASourceThatChangesWithTheConfigurationIsAskedAtOnce) {
    key_source here(jwks({&first}));
    key_source there(jwks({&second}), "another issuer");
    start_with(here);
    EXPECT_TRUE(knows(first));
    const auto ca = files.put("both.pem", here.trusted() + there.trusted());
    files.put("pgherald.toml", "[auth]\nmode = \"token\"\njwks_url = \"" + there.url() +
                                   "\"\njwks_ca_file = \"" + ca +
                                   "\"\n[[channel]]\npattern = \"*\"\nsubscribe = \"token\"\n");
    daemon->signal(SIGHUP);
    EXPECT_TRUE(support::eventually(10s, [&] { return knows(second); })) << daemon->log();
    EXPECT_FALSE(knows(first));
}

} // namespace
