// Who may do what: tokens, rules and grants, on sessions that begin, go on and expire.
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/token.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using support::herald_client;
using support::hmac_token;
using support::token_secret;

const std::string rules = R"(
[auth]
mode = "token"
secret = ")" + token_secret +
                          R"("
algorithms = ["HS256"]
audience = "herald"
issuer = "tests"
leeway = "0s"
auth_timeout = "1s"

[[channel]]
pattern = "anyone.*"
subscribe = "anyone"
publish = "anyone"

[[channel]]
pattern = "token.*"
subscribe = "token"
publish = "token"

[[channel]]
pattern = "user.{sub}.*"
subscribe = "token"
publish = "token"

[[channel]]
pattern = "claim.*"
subscribe = "claim"
publish = "claim"

[[channel]]
pattern = "nobody.*"
subscribe = "nobody"
publish = "nobody"
)";

/// The claims of a token for these daemons; `more` begins with a comma.
std::string claims(long expires_in, const std::string& more = "") {
    return R"({"iss":"tests","aud":"herald","sub":"42","exp":)" +
           std::to_string(support::now() + expires_in) + more + "}";
}

std::string grants(const std::string& subscribe, const std::string& publish = "[]") {
    return R"(,"pgherald":{"subscribe":)" + subscribe + R"(,"publish":)" + publish + "}";
}

std::string token_for(const std::string& more = "", long expires_in = 3600) {
    return hmac_token(token_secret, claims(expires_in, more));
}

support::daemon::options with(const support::database& db, const std::string& config_file) {
    return {.dsn = db.conninfo(), .arguments = {"serve", "--config", config_file}};
}

/// "ok", or the code of the error.
std::string answer_to(herald_client& client, const std::string& text) {
    auto got = client.call(text);
    while (got.type() == "message") {
        got = client.next();
    }
    return got.type() == "error" ? got.at("code") : got.type();
}

std::string authenticate(herald_client& client, const std::string& token) {
    return answer_to(client,
                     R"({"type":"auth","ref":1,"token":)" + herald_client::quoted(token) + "}");
}

TEST(Auth, EveryTokenWithEveryRuleAndVerb) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", rules)));
    const std::string all =
        grants(R"(["claim.*","other.*","nobody.*"])", R"(["claim.*","other.*","nobody.*"])");
    const std::string good = token_for(all);
    const std::string body = claims(3600, all);
    const auto payload = [](const std::string& token) { return token.substr(0, token.rfind('.')); };

    // What channels of these names give: anyone, token, claim, nobody, and one without a rule.
    const std::vector<std::string> channels = {"anyone.a", "token.a", "claim.a", "nobody.a",
                                               "other.a"};
    const std::vector<std::string> stranger = {"ok", "unauthorized", "unauthorized", "forbidden",
                                               "unauthorized"};
    struct shown {
        std::string name;
        std::optional<std::string> token;
        bool is_valid;
        std::vector<std::string> answers;
    };
    const std::vector<shown> table = {
        {"none", std::nullopt, false, stranger},
        {"with grants", good, true, {"ok", "ok", "ok", "forbidden", "ok"}},
        {"without grants", token_for(), true, {"ok", "ok", "forbidden", "forbidden", "forbidden"}},
        {"expired", token_for(all, -5), false, stranger},
        {"not yet",
         hmac_token(token_secret,
                    claims(3600, all + R"(,"nbf":)" + std::to_string(support::now() + 600))),
         false, stranger},
        {"another key", hmac_token("another secret of forty characters......", body), false,
         stranger},
        {"another algorithm", hmac_token(token_secret, body, R"({"alg":"HS512"})", EVP_sha512()),
         false, stranger},
        {"alg none, signed", hmac_token(token_secret, body, R"({"alg":"none"})"), false, stranger},
        {"alg none, unsigned",
         support::base64url(R"({"alg":"none"})") + '.' + support::base64url(body) + '.', false,
         stranger},
        {"another audience",
         hmac_token(token_secret, R"({"iss":"tests","aud":"others","sub":"42")" + all + "}"), false,
         stranger},
        {"another issuer",
         hmac_token(token_secret, R"({"iss":"others","aud":"herald","sub":"42")" + all + "}"),
         false, stranger},
        {"signature of another token", payload(good) + token_for().substr(token_for().rfind('.')),
         false, stranger},
        {"huge",
         hmac_token(token_secret, claims(3600, all + R"(,"x":")" + std::string(20'000, 'x') + '"')),
         false, stranger},
        {"garbage", "garbage", false, stranger},
        {"empty", "", false, stranger},
    };
    for (const shown& each : table) {
        SCOPED_TRACE(each.name);
        herald_client client(daemon.port());
        EXPECT_EQ(client.welcome.at("auth"), "required");
        if (each.token) {
            EXPECT_EQ(authenticate(client, *each.token), each.is_valid ? "ok" : "unauthorized");
        }
        for (std::size_t i = 0; i < channels.size(); ++i) {
            SCOPED_TRACE(channels[i]);
            const std::string on = R"("channel":)" + herald_client::quoted(channels[i]);
            EXPECT_EQ(answer_to(client, R"({"type":"history",)" + on + "}"), each.answers[i]);
            EXPECT_EQ(answer_to(client, R"({"type":"publish","data":1,)" + on + "}"),
                      each.answers[i]);
            EXPECT_EQ(answer_to(client, R"({"type":"subscribe",)" + on + "}"), each.answers[i]);
            EXPECT_EQ(answer_to(client, R"({"type":"unsubscribe",)" + on + "}"),
                      each.answers[i] == "ok" ? "ok" : "not_subscribed");
            EXPECT_EQ(answer_to(client, R"({"type":"subscribe","consumer":"c",)" + on + "}"),
                      each.answers[i]);
        }
    }
    EXPECT_EQ(*db.value("select count(*) from queue.message where channel = 'nobody.a'"), "0");
    EXPECT_EQ(daemon.metric("pgherald_tokens_refused_total{reason=\"expired\"}"), 1);
    EXPECT_GT(daemon.metric("pgherald_denied_total"), 0);
    EXPECT_EQ(daemon.log().find(good.substr(0, 40)), std::string::npos) << "tokens are secrets";
}

TEST(Auth, WithoutTokensTheRulesStillHold) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", R"(
[[channel]]
pattern = "closed.*"
subscribe = "anyone"
publish = "nobody"
)")));
    herald_client client(daemon.port());
    EXPECT_EQ(client.welcome.at("auth"), "none");
    EXPECT_EQ(answer_to(client, R"({"type":"auth","token":"anything"})"), "ok");
    EXPECT_EQ(answer_to(client, R"({"type":"publish","channel":"closed.a","data":1})"),
              "forbidden");
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"closed.a"})"), "ok");
    EXPECT_EQ(answer_to(client, R"({"type":"publish","channel":"open","data":1})"), "ok");
}

TEST(Auth, ARuleMayNameTheTokensSubject) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", rules)));
    herald_client client(daemon.port());
    ASSERT_EQ(authenticate(client, token_for(grants(R"(["mine.{sub}"])"))), "ok");
    const auto subscribe = [&](const std::string& channel) {
        return answer_to(client, R"({"type":"subscribe","channel":)" +
                                     herald_client::quoted(channel) + "}");
    };
    EXPECT_EQ(subscribe("user.42.inbox"), "ok");
    EXPECT_EQ(subscribe("user.43.inbox"), "forbidden");
    EXPECT_EQ(subscribe("user.42"), "forbidden");
    EXPECT_EQ(subscribe("mine.42"), "ok");
    EXPECT_EQ(subscribe("mine.43"), "forbidden");
    herald_client wild(daemon.port());
    ASSERT_EQ(
        authenticate(wild, hmac_token(token_secret, R"({"iss":"tests","aud":"herald","sub":"*"})")),
        "ok");
    EXPECT_EQ(answer_to(wild, R"({"type":"subscribe","channel":"user.42.inbox"})"), "forbidden")
        << "a subject is no pattern";
    herald_client nameless(daemon.port());
    ASSERT_EQ(authenticate(nameless, hmac_token(token_secret, R"({"iss":"tests","aud":"herald"})")),
              "ok");
    EXPECT_EQ(answer_to(nameless, R"({"type":"subscribe","channel":"user..inbox"})"), "forbidden");
}

TEST(Auth, TheTokenMayComeWithTheHandshake) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", rules)));
    const std::string token = token_for();
    const std::string on_token = R"({"type":"subscribe","channel":"token.a"})";

    herald_client by_header(daemon.port(), {.headers = {{"Authorization", "Bearer " + token}}});
    EXPECT_EQ(by_header.welcome.at("auth"), "none") << "nothing more is asked for";
    EXPECT_EQ(answer_to(by_header, on_token), "ok");

    herald_client by_protocol(daemon.port(), {.subprotocol = "pgherald.v1, bearer." + token});
    EXPECT_EQ(by_protocol.socket.answer_field("Sec-WebSocket-Protocol"), "pgherald.v1");
    EXPECT_EQ(answer_to(by_protocol, on_token), "ok");

    support::ws_client in_url("127.0.0.1", static_cast<std::uint16_t>(daemon.port()),
                              "/ws?token=" + token + "&access_token=" + token);
    EXPECT_NE(in_url.read()->find(R"("auth":"required")"), std::string::npos);
    in_url.send(on_token);
    EXPECT_NE(in_url.read()->find("unauthorized"), std::string::npos) << "never in the URL";

    herald_client other_scheme(daemon.port(),
                               {.headers = {{"Authorization", "Basic dXNlcjpwYXNz"}}});
    EXPECT_EQ(other_scheme.welcome.at("auth"), "required") << "of a proxy, none of ours";
}

TEST(Auth, ABadTokenInTheHandshakeIsRefused) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", rules)));
    const std::string expired = token_for("", -5);
    const auto answer =
        support::http_get("127.0.0.1", static_cast<std::uint16_t>(daemon.port()), "/ws",
                          {{"Authorization", "Bearer " + expired},
                           {"Upgrade", "websocket"},
                           {"Connection", "Upgrade"},
                           {"Sec-WebSocket-Version", "13"},
                           {"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}});
    EXPECT_EQ(answer.status, 401U);
    EXPECT_EQ(answer.field("www-authenticate"), "Bearer error=\"invalid_token\"");
    EXPECT_NE(answer.body.find("expired"), std::string::npos) << answer.body;

    support::ws_client by_protocol("127.0.0.1", static_cast<std::uint16_t>(daemon.port()), "/ws",
                                   {.subprotocol = "pgherald.v1, bearer." + expired});
    EXPECT_TRUE(by_protocol.wait_closed());
    EXPECT_EQ(by_protocol.close_code(), 4401);
    EXPECT_NE(by_protocol.close_reason().find("expired"), std::string::npos)
        << by_protocol.close_reason();
    EXPECT_TRUE(support::eventually(20s, [&] { return daemon.metric("pgherald_sessions") == 0; }));
}

const std::string only_tokens = R"(
[auth]
mode = "token"
secret = ")" + token_secret + R"("
auth_timeout = "5s"
leeway = "0s"
)";

TEST(Auth, WhoShowsNoTokenInTimeIsCut) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", only_tokens)));
    herald_client late(daemon.port());
    herald_client wrong(daemon.port());
    herald_client right(daemon.port());
    ASSERT_EQ(authenticate(wrong, "x"), "unauthorized");
    ASSERT_EQ(authenticate(right, token_for(grants(R"(["a"])"))), "ok");
    for (herald_client* each : {&late, &wrong}) {
        EXPECT_TRUE(each->socket.wait_closed(20s));
        EXPECT_EQ(each->socket.close_code(), 4401);
    }
    right.subscribe("a");
    EXPECT_EQ(daemon.metric("pgherald_limited_total{limit=\"auth_time\"}"), 2);
}

TEST(Auth, TenBadTokensEndTheSession) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", rules)));
    herald_client client(daemon.port());
    for (int i = 0; i < 10; ++i) {
        client.socket.send(R"({"type":"auth","token":"x"})");
    }
    EXPECT_TRUE(client.socket.wait_closed());
    EXPECT_EQ(client.socket.close_code(), 4401);
}

TEST(Auth, ANewTokenChangesGrantsAndLosesNothing) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", only_tokens)));
    herald_client client(daemon.port());
    ASSERT_EQ(authenticate(client, token_for(grants(R"(["kept.*","lost.*"])"))), "ok");
    client.subscribe("kept.a");
    client.subscribe("lost.a");
    db.exec("insert into queue.message (channel, data) select 'kept.a', to_json(i) "
            "from generate_series(1, 500) i");
    client.socket.send(R"({"type":"auth","ref":"new","token":)" +
                       herald_client::quoted(token_for(grants(R"(["kept.*","more.*"])"))) + "}");
    db.exec("insert into queue.message (channel, data) select 'kept.a', to_json(i) "
            "from generate_series(501, 1000) i");
    db.exec("insert into queue.message (channel) values ('lost.a')");
    db.exec("insert into queue.message (channel, data) values ('kept.a', '1001')");
    int expected = 1;
    bool was_told = false;
    bool was_answered = false;
    while (expected <= 1001) {
        const auto got = client.next();
        if (got.type() == "unsubscribed") {
            was_told = true;
            EXPECT_EQ(got.at("channel"), "lost.a");
            EXPECT_EQ(got.at("reason"), "forbidden");
        } else if (got.type() == "ok") {
            was_answered = true;
            EXPECT_EQ(got.at("ref"), "new");
        } else {
            ASSERT_EQ(got.type(), "message") << *got.text;
            ASSERT_EQ(got.at("channel"), "kept.a");
            ASSERT_EQ(got.at("data"), std::to_string(expected));
            ++expected;
        }
    }
    EXPECT_TRUE(was_told);
    EXPECT_TRUE(was_answered);
    client.subscribe("more.a");
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"lost.a"})"), "forbidden");
    EXPECT_EQ(authenticate(client, "not a token"), "unauthorized");
    db.exec("insert into queue.message (channel) values ('more.a')");
    EXPECT_EQ(client.next("message").at("channel"), "more.a") << "a bad token changes nothing";
    EXPECT_EQ(daemon.metric("pgherald_revoked_total"), 1);
}

TEST(Auth, ExpiryWarnsAndThenEndsTheSession) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", only_tokens)));
    herald_client client(daemon.port());
    ASSERT_EQ(authenticate(client, token_for("", 8)), "ok");
    const auto warning = client.next("expiring");
    EXPECT_GE(warning.number("in"), 1);
    EXPECT_LE(warning.number("in"), 8);
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(client.socket.wait_closed(30s));
    EXPECT_EQ(client.socket.close_code(), 4401);
    EXPECT_LE(std::chrono::steady_clock::now() - begun, 15s);
    EXPECT_THROW(herald_client(daemon.port(),
                               {.headers = {{"Authorization", "Bearer " + token_for("", -1)}}}),
                 support::handshake_refused);
}

TEST(Auth, ATokenInTimeKeepsTheSessionBeyondTheOldOne) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", only_tokens)));
    herald_client client(daemon.port(),
                         {.headers = {{"Authorization", "Bearer " + token_for("", 6)}}});
    client.next("expiring");
    ASSERT_EQ(authenticate(client, token_for(grants(R"(["a"])"), 3600)), "ok");
    EXPECT_FALSE(client.socket.wait_closed(8s)) << client.socket.close_code();
    client.subscribe("a");
}

TEST(Auth, TheSenderIsTheTokensSubjectAndNothingElse) {
    support::database db;
    const support::folder files;
    support::daemon daemon(with(db, files.put("pgherald.toml", rules)));
    herald_client reader(daemon.port());
    reader.subscribe("anyone.a");
    herald_client writer(daemon.port());
    ASSERT_EQ(authenticate(writer, token_for()), "ok");
    writer.call(R"({"type":"publish","channel":"anyone.a","data":1,"sender":"mallory"})", "ok");
    EXPECT_EQ(reader.next("message").at("sender"), "42");
    reader.call(R"({"type":"publish","channel":"anyone.a","data":2,"sender":"mallory"})", "ok");
    EXPECT_EQ(reader.next("message").object.find("sender"), nullptr) << "nobody known";
    db.exec("insert into queue.message (channel, sender) values ('anyone.a', 'by SQL')");
    EXPECT_EQ(reader.next("message").at("sender"), "by SQL");
    const auto page = reader.call(R"({"type":"history","channel":"anyone.a"})", "ok");
    EXPECT_NE(page.at("messages").find(R"("sender":"42")"), std::string::npos);
}

/// What a command of a shell prints.
std::string printed_by(const std::string& command) {
    std::string text;
    FILE* const pipe = popen(command.c_str(), "r");
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
        text += static_cast<char>(c);
    }
    EXPECT_EQ(pclose(pipe), 0) << command;
    return text.substr(0, text.find('\n'));
}

TEST(Auth, TheScriptForTokensMakesGoodOnes) {
    support::database db;
    const support::folder files;
    // Longer than a block of the hash, and with every kind of character a file may bring along.
    const std::string long_secret = std::string(70, 'k') + "$\\'\"%s";
    const auto file = files.put("secret", long_secret + "\n");
    support::daemon daemon(
        {.dsn = db.conninfo(), .settings = {{"AUTH_MODE", "token"}, {"AUTH_SECRET_FILE", file}}});
    const auto token =
        printed_by("bash " PGHERALD_SOURCE_DIR "/deploy/make-token.sh --sub 'ann \"a\"'"
                   " --subscribe 'user.{sub}' --publish '*' --secret-file " +
                   file);
    EXPECT_EQ(token.find(long_secret), std::string::npos);
    herald_client client(daemon.port(), {.subprotocol = "pgherald.v1, bearer." + token});
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"user.ann \"a\""})"), "ok");
    EXPECT_EQ(answer_to(client, R"({"type":"subscribe","channel":"user.bob"})"), "forbidden");
    herald_client writer(daemon.port(), {.subprotocol = "pgherald.v1, bearer." + token});
    writer.call(R"({"type":"publish","channel":"user.ann \"a\"","data":1})", "ok");
    EXPECT_EQ(client.next("message").at("sender"), "ann \"a\"");
}

} // namespace
