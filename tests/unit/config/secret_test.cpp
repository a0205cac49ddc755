#include "config/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace {

namespace fs = std::filesystem;

class folder {
public:
    folder() {
        std::string name = (fs::temp_directory_path() / "pgherald-config-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~folder() { fs::remove_all(path_); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;

    fs::path write(const std::string& name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
        return path_ / name;
    }
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

std::optional<std::string> nothing(std::string_view) {
    return std::nullopt;
}

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

// However a connection string is misplaced or miswritten, its password is not shown.
TEST(secrets, stand_in_no_problem) {
    const std::string uri = "postgresql://herald:4711471147114711471147@db/shop";
    const std::string keywords = "host=db password=4711471147114711471147";
    std::vector<std::string> texts;
    for (const auto& dsn : {uri, keywords}) {
        for (const auto& key : config::describe_keys())
            if (key.name != "postgres.dsn" && key.name != "postgres.listen_dsn")
                texts.push_back(std::string(key.name) + " = '" + dsn + "'");
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
        EXPECT_FALSE(result.problems.empty()) << text;
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
