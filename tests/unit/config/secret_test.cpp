#include "tests/unit/config/support.hpp"

namespace {

namespace fs = std::filesystem;

using config_test::folder;
using config_test::nothing;

config::loaded with_dsn_file(const fs::path& path) {
    return config::load("postgres.dsn_file = '" + path.string() + "'", "test.toml", nothing);
}

TEST(dsn_file, is_read_without_its_line_end) {
    const folder files;
    for (const std::string end : {"", "\n", "\r\n"}) {
        const auto result = with_dsn_file(files.write("dsn@1", "host=db password=x " + end));
        EXPECT_EQ(config::describe(result.problems), "");
        EXPECT_EQ(result.values.postgres.dsn, "host=db password=x ");
    }
}

TEST(dsn_file, a_file_that_cannot_serve_is_named_and_its_content_never) {
    const folder files;
    const std::string secret = "s3cret";
    const auto refused = [&secret](const fs::path& path, std::string_view why) {
        const auto result = with_dsn_file(path);
        ASSERT_EQ(result.problems.size(), 1u) << path;
        EXPECT_EQ(result.problems[0].where, "test.toml:1");
        EXPECT_EQ(result.problems[0].key, "postgres.dsn_file");
        const auto& message = result.problems[0].message;
        EXPECT_EQ(message.find("the file \"" + path.string() + "\" "), 0u) << message;
        EXPECT_NE(message.find(why), std::string::npos) << message;
        EXPECT_EQ(message.find(secret), std::string::npos);
        EXPECT_EQ(result.values.postgres.dsn, "");
    };
    refused(files.path() / "missing", "No such file");
    refused(files.path(), "not a regular file");
    refused("/dev/zero", "not a regular file");
    refused(files.write("empty", "\n"), "is empty");
    refused(files.write("nul", secret + std::string(1, '\0')), "NUL");
    refused(files.write("large", secret + std::string(65'536, 'x')), "larger than 64 KiB");
}

TEST(dsn_file, and_dsn_exclude_each_other) {
    const folder files;
    const auto path = files.write("dsn", "host=a password=s3cret");
    const auto lookup = [&path](std::string_view name) -> std::optional<std::string> {
        return name == "PGHERALD_POSTGRES_DSN_FILE" ? std::optional(path.string()) : std::nullopt;
    };
    const auto result = config::load("postgres.dsn = 'host=b'", "test.toml", lookup);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(result.problems[0].where, "PGHERALD_POSTGRES_DSN_FILE");
    const auto undone = config::load("postgres.dsn_file = '" + path.string() + "'", "test.toml",
                                     [](std::string_view name) -> std::optional<std::string> {
                                         if (name == "PGHERALD_POSTGRES_DSN_FILE")
                                             return "";
                                         return name == "PGHERALD_POSTGRES_DSN"
                                                    ? std::optional<std::string>("host=b")
                                                    : std::nullopt;
                                     });
    EXPECT_EQ(config::describe(undone.problems), "");
    EXPECT_EQ(undone.values.postgres.dsn, "host=b");
}

TEST(secret_file, is_read_without_its_line_end) {
    const folder files;
    const std::string secret = "a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3";
    for (const std::string end : {"", "\n", "\r\n"}) {
        const auto path = files.write("secret", secret + end).string();
        const auto result = config_test::load("auth.secret_file = '" + path + "'");
        EXPECT_EQ(config::describe(result.problems), "");
        EXPECT_EQ(result.values.auth.secret, secret);
    }
}

TEST(secret_file, and_secret_exclude_each_other) {
    const folder files;
    const auto path = files.write("secret", std::string(32, 'a')).string();
    const std::string both =
        "[auth]\nsecret = '" + std::string(32, 'b') + "'\nsecret_file = '" + path + "'";
    EXPECT_EQ(config_test::problems(both),
              "test.toml:3: auth.secret_file: can't be set together with auth.secret; empty one of "
              "them (an environment variable may be empty to undo what a file sets)\n");
    EXPECT_EQ(config_test::problems(both, {{"PGHERALD_AUTH_SECRET_FILE", ""}}), "");
    EXPECT_EQ(config_test::problems(both, {{"PGHERALD_AUTH_SECRET", ""}}), "");
}

TEST(secret_file, a_path_is_shown_that_is_surely_one) {
    EXPECT_EQ(config_test::problems("auth.secret_file = '/run/missing.d/token_secret-2'"),
              "test.toml:1: auth.secret_file: the file \"/run/missing.d/token_secret-2\" can't be "
              "opened: No such file or directory\n");
    for (const std::string other : {"hunter2", "a0b1c2d3e4f5", "/aBc+d/e0=", "token secret"}) {
        const auto said = config_test::problems("auth.secret_file = '" + other + "'");
        EXPECT_EQ(said,
                  "test.toml:1: auth.secret_file: the file (its name isn't shown, it could be "
                  "a secret) can't be opened: No such file or directory\n");
    }
}

TEST(secret_file, content_that_cannot_serve_is_never_shown) {
    const folder files;
    for (const auto& content : {std::string("qqqq"), std::string("\n"), std::string(40, 'q') + '\0',
                                std::string(65'537, 'q')}) {
        const auto path = files.write("secret", content).string();
        const auto result = config_test::load("auth.secret_file = '" + path + "'");
        ASSERT_EQ(result.problems.size(), 1u);
        EXPECT_EQ(result.problems[0].key, "auth.secret_file");
        EXPECT_EQ(result.problems[0].message.find("qq"), std::string::npos);
        EXPECT_EQ(result.values.auth.secret, "");
    }
}

// However a token's secret is misplaced or miswritten, it is not shown.
TEST(secrets, of_tokens_stand_in_no_problem) {
    std::vector<std::string> texts;
    for (const std::string secret :
         {"4711a0b1c2d3e4f5a0b1c2d34711a0b1c2d3e4f5a0b1c2d3", // hexadecimal
          "4711+/Aa0Bb1Cc2Dd3Ee4Ff5Gg6Hh7Ii8Jj9Kk0Ll1Mm==",   // base64
          "eyJ4711.eyJ4711.4711",                             // a token itself
          "-----BEGIN PRIVATE KEY-----\\n4711"}) {
        for (const auto& key : config::describe_keys())
            if (key.name != "postgres.dsn" && key.name != "postgres.listen_dsn")
                texts.push_back(std::string(key.name) + " = \"" + secret + '"');
        for (const std::string key : {"pattern", "subscribe", "other"})
            texts.push_back("[[channel]]\n" + key + " = \"" + secret + '"');
        texts.push_back("[auth]\nsecret = " + secret);
        texts.push_back("[auth]\nsecret = \"" + secret);
        texts.push_back("[auth]\nsecret = '" + secret + "' '");
        texts.push_back("[auth]\nsecret = \"" + secret + "\"\nsecret = \"" + secret + '"');
        texts.push_back("[auth]\nsecret = \"\"\"\n" + secret + "\\q" + secret + "\n\"\"\"");
        texts.push_back("[auth]\nsecret = '''\n\n" + secret + "''' " + secret);
        texts.push_back("[auth]\nsecret = [\"" + secret + "\"]");
        texts.push_back("[auth]\nsecret = \"4711 too short\"");
        texts.push_back("[auth]\nsecret = 47114711");
        texts.push_back("[auth]\nsecret = 4711471147114711471147"); // no integer: quoted whole
    }
    for (const auto& text : texts) {
        const auto said = config_test::problems(text);
        EXPECT_EQ(said.find("4711"), std::string::npos) << text << " -> " << said;
    }
}

// However a connection string is misplaced or miswritten, its password is not shown.
TEST(secrets, stand_in_no_problem) {
    const std::string uri = "postgresql://herald:4711471147114711471147@db/shop";
    const std::string keywords = "host=db password=4711471147114711471147";
    std::vector<std::string> texts;
    for (const auto& dsn : {uri, keywords}) {
        for (const auto& key : config::describe_keys())
            if (key.name != "postgres.dsn" && key.name != "postgres.listen_dsn")
                texts.push_back(std::string(key.name) + " = '" + dsn + "'");
        texts.push_back("tls.certificate = '" + dsn + "'\ntls.key = '" + dsn + "'");
        texts.push_back("postgres.dsn = " + dsn);
        texts.push_back("postgres.dsn = '" + dsn);
        texts.push_back("postgres.dsn = '" + dsn + "' '");
        texts.push_back("postgres.dsn = '" + dsn + "'\npostgres.dsn = '" + dsn + "'");
        texts.push_back("postgres.dsn = ['" + dsn + "']");
        texts.push_back(dsn);
    }
    texts.push_back("postgres.dsn = 4711471147114711471147");
    for (const auto& text : texts) {
        const auto result = config::load(text, "test.toml", nothing);
        const bool takes_any_text =
            text.find("auth.issuer") == 0 || text.find("auth.audience") == 0 ||
            text.find("auth.claim") == 0 || text.find("auth.secret = ") == 0;
        EXPECT_EQ(result.problems.empty(), takes_any_text) << text;
        const auto said = config::describe(result.problems);
        EXPECT_EQ(said.find("4711"), std::string::npos) << text << " -> " << said;
    }
}

TEST(tls_files, come_together_and_can_be_read) {
    const folder files;
    const auto present = files.write("cert.pem", "anything: its content is not looked at").string();
    const auto missing = (files.path() / "missing.pem").string();
    const auto problems = [](const std::string& certificate, const std::string& key) {
        return config::describe(
            config::load("[tls]\ncertificate = '" + certificate + "'\nkey = '" + key + "'",
                         "test.toml", nothing)
                .problems);
    };
    EXPECT_EQ(problems("", ""), "");
    EXPECT_EQ(problems(present, present), "");
    EXPECT_EQ(problems(present, ""),
              "test.toml:2: tls.certificate: is set without tls.key; both or neither\n");
    EXPECT_EQ(problems("", present),
              "test.toml:3: tls.key: is set without tls.certificate; both or neither\n");
    EXPECT_EQ(problems(present, missing), "test.toml:3: tls.key: the file \"" + missing +
                                              "\" can't be opened: No such file or directory\n");
    EXPECT_EQ(problems(files.path().string(), missing),
              "test.toml:2: tls.certificate: the file \"" + files.path().string() +
                  "\" is not a regular file\ntest.toml:3: tls.key: the file \"" + missing +
                  "\" can't be opened: No such file or directory\n");
}

TEST(file, that_cannot_be_read_is_a_problem) {
    const folder files;
    const auto missing = config::load(files.path() / "none.toml", nothing);
    ASSERT_EQ(missing.problems.size(), 1u);
    EXPECT_EQ(missing.problems[0].where, (files.path() / "none.toml").string());
    EXPECT_FALSE(config::load(files.path(), nothing).problems.empty());
    EXPECT_TRUE(config::load(std::nullopt, nothing).problems.empty());
}

} // namespace
