#include "tests/unit/config/support.hpp"

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace {

using config_test::nothing;

std::string content_of(const std::string& name) {
    std::ifstream file(std::string(PGHERALD_SOURCE_DIR) + '/' + name);
    EXPECT_TRUE(file) << name;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// "section.key" -> its value's text, by the lines of a TOML file.
std::map<std::string, std::string> lines_of(const std::string& toml) {
    std::map<std::string, std::string> lines;
    const std::regex head(R"(\[(\w+)\])");
    const std::regex key(R"((\w+) = (.*))");
    std::istringstream text(toml);
    std::string section;
    for (std::string line; std::getline(text, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, head))
            section = parts[1];
        else if (std::regex_match(line, parts, key))
            lines[section + '.' + parts[1].str()] = parts[2];
    }
    return lines;
}

TEST(keys, have_names_of_their_own_and_a_meaning) {
    std::set<std::string_view> names;
    std::set<std::string> variables;
    for (const auto& each : config::describe_keys()) {
        EXPECT_TRUE(names.insert(each.name).second) << each.name;
        EXPECT_TRUE(variables.insert(each.environment).second) << each.environment;
        EXPECT_FALSE(each.meaning.empty());
        EXPECT_FALSE(each.type.empty());
    }
    EXPECT_EQ(names.size(), 57u);
    EXPECT_EQ(config::describe_keys().front().environment, "PGHERALD_SERVER_LISTEN");
}

TEST(keys, defaults_are_allowed_values) {
    std::string toml;
    for (const auto& each : config::describe_keys())
        toml += std::string(each.name) + " = " + each.default_text + '\n';
    EXPECT_EQ(config::describe(config::load(toml, "defaults", nothing).problems), "");
}

TEST(sample_file, loads_and_holds_every_key_with_its_default) {
    const auto path = std::filesystem::path(PGHERALD_SOURCE_DIR) / "config/pgherald.toml";
    EXPECT_EQ(config::describe(config::load(path, nothing).problems), "");
    const auto text = content_of("config/pgherald.toml");
    const auto lines = lines_of(text);
    const auto keys = config::describe_keys();
    EXPECT_EQ(lines.size(), keys.size());
    for (const auto& each : keys) {
        const auto found = lines.find(std::string(each.name));
        ASSERT_NE(found, lines.end()) << each.name;
        EXPECT_EQ(found->second, each.default_text) << each.name;
        EXPECT_NE(text.find("# " + each.environment + '\n'), std::string::npos) << each.name;
    }
}

// The rules in it are comments: there are none by default.
TEST(sample_file, has_rules_that_load_as_they_stand) {
    const auto rules = std::regex_replace(content_of("config/pgherald.toml"),
                                          std::regex("\n#(\\[\\[|[a-z]+ = )"), "\n$1");
    const auto with_tokens = [](std::string_view name) -> std::optional<std::string> {
        if (name == "PGHERALD_AUTH_SECRET")
            return std::string(32, 'x');
        return name == "PGHERALD_AUTH_MODE" ? std::optional<std::string>("token") : std::nullopt;
    };
    const auto result = config::load(rules, "sample", with_tokens);
    EXPECT_EQ(config::describe(result.problems), "");
    ASSERT_EQ(result.values.channels.size(), 2u);
    for (const auto& each : config::describe_channel_keys()) {
        const auto name = std::string(each.name.substr(each.name.find('.') + 1));
        EXPECT_NE(rules.find('\n' + name + " = "), std::string::npos) << name;
    }
}

TEST(config_md, has_a_row_for_every_key_and_no_other) {
    const auto text = content_of("docs/config.md");
    const auto keys = config::describe_keys();
    for (const auto& each : keys) {
        const auto row = "| `" + std::string(each.name) + "` | " + std::string(each.type) + " | `" +
                         each.default_text + "` | ";
        EXPECT_NE(text.find(row), std::string::npos) << row;
    }
    const auto of_rules = config::describe_channel_keys();
    for (const auto& each : of_rules) {
        const auto row = "| `" + std::string(each.name) + "` | " + std::string(each.type) + " | `" +
                         each.default_text + "` | ";
        EXPECT_NE(text.find(row), std::string::npos) << row;
        EXPECT_TRUE(each.environment.empty());
    }
    const std::regex row(R"(\| `(\w+\.\w+)` \|)");
    const auto rows =
        std::distance(std::sregex_iterator(text.begin(), text.end(), row), std::sregex_iterator());
    EXPECT_EQ(static_cast<std::size_t>(rows), keys.size() + of_rules.size());
    const std::regex variable(R"(PGHERALD_[A-Z]+_[A-Z_]+)");
    for (std::sregex_iterator at(text.begin(), text.end(), variable), end; at != end; ++at)
        EXPECT_TRUE(std::any_of(keys.begin(), keys.end(), [&at](const auto& each) {
            return each.environment == at->str();
        })) << at->str();
}

// What is only sometimes needed is a comment in the file, and has one behind it on the page.
std::vector<std::string> grants_in(const std::string& text) {
    std::vector<std::string> found;
    const std::regex grant("grant [^;]* to pgherald;");
    for (std::sregex_iterator at(text.begin(), text.end(), grant), end; at != end; ++at)
        found.push_back(at->str());
    return found;
}

TEST(grants_sql, is_what_the_page_of_the_database_lists) {
    const auto text = content_of("docs/database.md");
    const auto from = text.find("**The daemon**");
    ASSERT_NE(from, text.npos);
    const auto block = text.find("```sql", from);
    const auto listed = grants_in(text.substr(block, text.find("\n```", block) - block));
    EXPECT_GE(listed.size(), 8u);
    EXPECT_EQ(grants_in(content_of("deploy/grants.sql")), listed);
}

// Examples are copied by readers: each must load.
TEST(config_md, examples_in_toml_are_valid) {
    const auto text = content_of("docs/config.md");
    const config_test::folder files;
    const auto any = files.write("any", std::string(40, 'x')).string();
    const std::string begin = "```toml\n";
    unsigned examples = 0;
    for (auto at = text.find(begin); at != text.npos; at = text.find(begin, at + 1)) {
        const auto from = at + begin.size();
        auto example = text.substr(from, text.find("```", from) - from);
        // The files they name are not here.
        example = std::regex_replace(example, std::regex("(_file|certificate|key) = \".*\""),
                                     "$1 = '" + any + "'");
        auto result = config::load(example, "example", nothing);
        config::check_serving(result);
        EXPECT_EQ(config::describe(result.problems), "");
        ++examples;
    }
    EXPECT_GE(examples, 2u);
}

} // namespace
