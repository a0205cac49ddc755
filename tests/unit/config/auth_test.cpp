#include "tests/unit/config/support.hpp"

namespace {

using config_test::folder;
using config_test::load;
using config_test::problems;

const std::string secret = "secret = 'an example that nobody should use'\n";

std::string with_tokens(const std::string& more) {
    return problems("[auth]\nmode = 'token'\n" + more);
}

std::string serving(std::string_view toml, config_test::variables set = {}) {
    auto result = load(toml, std::move(set));
    EXPECT_EQ(config::describe(result.problems), "");
    config::check_serving(result);
    return config::describe(result.problems);
}

TEST(serving, without_tokens_only_where_this_machine_alone_reaches) {
    for (const auto* loopback : {"127.0.0.1:80", "127.255.0.3:80", "localhost:80", "[::1]:80",
                                 "[0:0:0:0:0:0:0:1]:0", "[::ffff:127.0.0.1]:80"})
        EXPECT_EQ(serving("server.listen = '" + std::string(loopback) + "'"), "") << loopback;
    for (const auto* reached :
         {":80", "0.0.0.0:80", "[::]:80", "192.168.0.1:80", "[2001:db8::1]:80", "[::1%lo]:80",
          "128.0.0.1:80", "127.1:80", "[::ffff:10.0.0.1]:80", "example.org:80",
          "localhost.example.org:80", "127.0.0.1.example.org:80", "xlocalhost:80"})
        EXPECT_NE(serving("server.listen = '" + std::string(reached) + "'"), "") << reached;
}

TEST(serving, says_where_why_and_what_to_do) {
    EXPECT_EQ(serving("", {{"PGHERALD_SERVER_LISTEN", "0.0.0.0:8080"}}),
              "PGHERALD_SERVER_LISTEN: server.listen: others can reach \"0.0.0.0:8080\", and with "
              "auth.mode = \"none\" whoever does may read and publish everything: set auth.mode = "
              "\"token\" and a key, or listen on 127.0.0.1 behind something that decides who may "
              "connect, or set auth.insecure = true if that is meant so\n");
}

TEST(serving, is_allowed_with_tokens_or_when_it_is_meant_so) {
    EXPECT_EQ(serving("server.listen = ':80'\n[auth]\nmode = 'token'\n" + secret), "");
    EXPECT_EQ(serving("server.listen = ':80'\nauth.insecure = true"), "");
    EXPECT_EQ(serving("auth.insecure = true"), "");
}

// Whether the address may be served isn't known then; one problem is enough.
TEST(serving, is_not_judged_by_keys_that_are_wrong_themselves) {
    auto result = load("server.listen = ':80'\nauth.mode = 'tokens'");
    config::check_serving(result);
    EXPECT_EQ(config::describe(result.problems),
              "test.toml:2: auth.mode: must be one of \"none\", \"token\", not \"tokens\"\n");
}

TEST(auth, mode_token_needs_a_key) {
    EXPECT_EQ(
        with_tokens(""),
        "test.toml:2: auth.mode: is \"token\", and there is no key to verify tokens with: set "
        "auth.secret_file (or secret), auth.public_key_file, auth.jwks_file or "
        "auth.jwks_url\n");
    const folder files;
    const auto file = files.write("any", "its content is not looked at here").string();
    EXPECT_EQ(with_tokens(secret), "");
    EXPECT_EQ(with_tokens("secret_file = '" + file + "'"), "");
    EXPECT_EQ(with_tokens("public_key_file = '" + file + "'"), "");
    EXPECT_EQ(with_tokens("jwks_file = '" + file + "'"), "");
    EXPECT_EQ(with_tokens("jwks_url = 'https://id.example.org'"), "");
    EXPECT_NE(with_tokens("jwks_ca_file = '" + file + "'"), "");
    // A key that is wrong is told once.
    EXPECT_EQ(load("[auth]\nmode = 'token'\nsecret = 'short'").problems.size(), 1u);
    EXPECT_EQ(load("[auth]\nmode = 'token'\nsecret_file = '/missing'").problems.size(), 1u);
}

TEST(auth, keys_may_stay_while_no_tokens_are_asked_for) {
    EXPECT_EQ(problems("[auth]\nmode = 'none'\njwks_url = 'https://a'\n" + secret), "");
}

TEST(auth, files_must_be_there) {
    const folder files;
    const auto missing = (files.path() / "missing.pem").string();
    for (const auto* key : {"public_key_file", "jwks_file", "jwks_ca_file"})
        EXPECT_EQ(problems("[auth]\n" + std::string(key) + " = '" + missing + "'"),
                  "test.toml:2: auth." + std::string(key) + ": the file \"" + missing +
                      "\" can't be opened: No such file or directory\n");
}

TEST(auth, algorithms_are_known_ones_and_never_none) {
    EXPECT_EQ(problems("auth.algorithms = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', "
                       "'ES256', 'ES384', 'EdDSA']"),
              "");
    for (const auto* wrong : {"hs256", "ES512", "PS256", "eddsa", "Ed25519", "", "HS256 "})
        EXPECT_NE(problems("auth.algorithms = ['" + std::string(wrong) + "']"), "") << wrong;
    for (const auto* none : {"none", "None", "NONE"})
        EXPECT_EQ(problems("auth.algorithms = ['HS256', '" + std::string(none) + "']"),
                  "test.toml:1: auth.algorithms: must not hold \"none\": such tokens are signed by "
                  "nobody, so anybody could make them; they are always refused\n");
}

TEST(auth, algorithms_must_fit_a_key) {
    const std::string url = "jwks_url = 'https://a'\n";
    EXPECT_EQ(with_tokens(secret + "algorithms = ['HS256']"), "");
    EXPECT_EQ(with_tokens(url + "algorithms = ['RS256']"), "");
    EXPECT_EQ(with_tokens(url + secret + "algorithms = ['RS256']"), "");
    EXPECT_EQ(with_tokens(url + "algorithms = ['HS256', 'RS256']"), "");
    EXPECT_EQ(with_tokens(url + "algorithms = ['HS256', 'HS512']"),
              "test.toml:4: auth.algorithms: holds only algorithms for a secret, and the keys that "
              "are set are public ones\n");
    EXPECT_EQ(with_tokens(secret + "algorithms = ['EdDSA']"),
              "test.toml:4: auth.algorithms: holds no HS256, HS384 or HS512, and auth.secret is "
              "for nothing else\n");
}

TEST(auth, a_secret_has_32_bytes) {
    EXPECT_EQ(problems("auth.secret = '" + std::string(32, 'x') + "'"), "");
    EXPECT_NE(problems("auth.secret = '" + std::string(31, 'x') + "'"), "");
    EXPECT_EQ(problems("auth.secret = ''"), "");
}

TEST(auth, a_key_set_is_fetched_by_https_without_credentials) {
    for (const auto* right :
         {"", "https://a", "https://a/", "https://a:8443/b?c=d&e=%20", "https://[::1]:443/a",
          "https://[2001:db8::1]/", "https://xn--bcher-kva.example/keys", "https://a/b@c"})
        EXPECT_EQ(problems("auth.jwks_url = '" + std::string(right) + "'"), "") << right;
    for (const auto* wrong :
         {"http://a/keys",    "https:/a",          "https://",        "https:///keys",
          "a.example/keys",   "https://:443/keys", "https://a:/keys", "https://a:0/",
          "https://a:65536/", "https://u:p@a/",    "https://u@a/",    "https://a/#b",
          "https://a b/",     "https://a/ b",      "https://a\\b/",   "https://[::1/",
          "https://[]/",      "https://[a]/",      "https://a]/",     "https://\u00fc.example/"})
        EXPECT_NE(problems("auth.jwks_url = '" + std::string(wrong) + "'"), "") << wrong;
    EXPECT_NE(problems("auth.jwks_url = 'https://a/" + std::string(2000, 'x') + "'"), "");
}

TEST(auth, audience_is_one_string_or_a_list) {
    EXPECT_EQ(load("auth.audience = 'one, and no other'").values.auth.audience,
              std::vector<std::string>{"one, and no other"});
    EXPECT_EQ(load("auth.audience = ['a', 'b']").values.auth.audience,
              (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(load("", {{"PGHERALD_AUTH_AUDIENCE", "a, b"}}).values.auth.audience,
              (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(load("auth.audience = ''").values.auth.audience.empty());
    EXPECT_NE(problems("auth.audience = ['']"), "");
    EXPECT_NE(problems("auth.audience = 1"), "");
}

TEST(auth, roles_and_the_claim_that_names_them_come_together) {
    EXPECT_EQ(with_tokens(secret + "role_claim = 'role'\nroles = ['a']"), "");
    EXPECT_EQ(with_tokens(secret + "role_claim = 'role'\nroles = ['a']\nanonymous_role = 'b'"), "");
    EXPECT_EQ(
        with_tokens(secret + "role_claim = 'role'\nanonymous_role = 'b'"),
        "test.toml:4: auth.role_claim: is set without auth.roles: list the roles that a token "
        "may name\n");
    EXPECT_EQ(problems("[auth]\nroles = ['a']"),
              "test.toml:2: auth.roles: does nothing without auth.role_claim: publishes would run "
              "as the daemon's own role\n");
    EXPECT_EQ(problems("[auth]\nanonymous_role = 'a'"),
              "test.toml:2: auth.anonymous_role: does nothing without auth.role_claim: publishes "
              "would run as the daemon's own role\n");
}

// Who sets this means that row level security decides, and without tokens it would not.
TEST(auth, roles_need_tokens) {
    EXPECT_EQ(problems("[auth]\nrole_claim = 'role'\nroles = ['a']\nanonymous_role = 'b'"),
              "test.toml:2: auth.role_claim: does nothing with auth.mode = \"none\": there are no "
              "tokens to name a role, and publishes would run as the daemon's own; set auth.mode = "
              "\"token\" and a key\n");
}

// SET ROLE none is the session's own role: a token could choose the daemon's.
TEST(auth, none_is_no_role) {
    EXPECT_NE(with_tokens(secret + "role_claim = 'role'\nroles = ['a', 'none']"), "");
    EXPECT_NE(with_tokens(secret + "role_claim = 'role'\nroles = ['a']\nanonymous_role = 'none'"),
              "");
    EXPECT_NE(with_tokens(secret + "role_claim = 'role'\nroles = ['']"), "");
    EXPECT_NE(with_tokens(secret + "role_claim = 'role'\nroles = ['" + std::string(64, 'x') + "']"),
              "");
    EXPECT_EQ(with_tokens(secret + "role_claim = 'role'\nroles = ['" + std::string(63, 'x') +
                          "', 'web user', 'None']"),
              "");
}

TEST(auth, names_are_plain_text) {
    for (const auto* key : {"issuer", "claim", "role_claim"})
        EXPECT_NE(problems("auth." + std::string(key) + " = \"a\\nb\""), "") << key;
    EXPECT_NE(problems("auth.claim = ''"), "");
    EXPECT_NE(problems("", {{"PGHERALD_AUTH_ISSUER", "\xff"}}), "");
    EXPECT_NE(problems("", {{"PGHERALD_AUTH_ISSUER", "a\xc2\x85"}}), "");
    EXPECT_EQ(problems("auth.issuer = 'https://\u00fc.example'"), "");
}

TEST(auth, a_token_fits_into_a_header) {
    EXPECT_EQ(problems("auth.max_token = '16KiB'"),
              "test.toml:1: auth.max_token: must be less than limits.max_header: a token may come "
              "in a header\n");
    EXPECT_EQ(problems("limits.max_header = '8KiB'"),
              "test.toml:1: limits.max_header: must be more than auth.max_token: a token may come "
              "in a header\n");
    EXPECT_EQ(problems("auth.max_token = '64KiB'\nlimits.max_header = 65537"), "");
}

TEST(limits, networks_are_addresses_with_or_without_a_prefix) {
    for (const auto* right : {"192.0.2.1", "10.0.0.0/8", "0.0.0.0/0", "255.255.255.255/32", "::1",
                              "2001:db8::/32", "::/0", "fe80::1/128"}) {
        EXPECT_EQ(problems("limits.trusted_proxies = ['" + std::string(right) + "']"), "") << right;
        EXPECT_EQ(problems("limits.exempt_addresses = ['" + std::string(right) + "']"), "");
    }
    for (const auto* wrong :
         {"", "localhost", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "10.0.0.0/8 ",
          "10.0.0.0/+8", "10.0.0.0/255.0.0.0", "::1/129", "[::1]", "fe80::1%eth0", "10.0.0.1:80",
          "::ffff:10.0.0.0/104", "::ffff:10.0.0.1"}) {
        EXPECT_NE(problems("limits.trusted_proxies = ['" + std::string(wrong) + "']"), "") << wrong;
        EXPECT_NE(problems("limits.exempt_addresses = ['" + std::string(wrong) + "']"), "");
    }
}

} // namespace
