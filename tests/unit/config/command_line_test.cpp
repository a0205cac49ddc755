#include "config/command_line.hpp"
#include "config/config.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

config::command parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "pgherald");
    return config::parse_command_line(static_cast<int>(arguments.size()), arguments.data(),
                                      "1.2.3");
}

template <typename Verb>
Verb parse_as(std::vector<const char*> arguments) {
    const auto command = parse(std::move(arguments));
    if (const auto* said = std::get_if<config::say>(&command);
        said != nullptr && !std::holds_alternative<Verb>(command))
        ADD_FAILURE() << said->text;
    return std::get<Verb>(command);
}

TEST(command_line, serve_is_the_verb_when_none_is_given) {
    EXPECT_FALSE(parse_as<config::serve>({}).config);
    EXPECT_FALSE(parse_as<config::serve>({"serve"}).config);
    EXPECT_EQ(parse_as<config::serve>({"--config", "a.toml"}).config, "a.toml");
    EXPECT_EQ(parse_as<config::serve>({"--config=a.toml"}).config, "a.toml");
    EXPECT_EQ(parse_as<config::serve>({"serve", "--config", "a.toml"}).config, "a.toml");
    EXPECT_EQ(parse_as<config::serve>({"--config", "a.toml", "serve"}).config, "a.toml");
    EXPECT_EQ(parse_as<config::serve>({"--config", "serve"}).config, "serve");
}

TEST(command_line, migrate_and_check) {
    EXPECT_FALSE(parse_as<config::migrate>({"migrate"}).print);
    EXPECT_TRUE(parse_as<config::migrate>({"migrate", "--print"}).print);
    const auto both = parse_as<config::migrate>({"migrate", "--print", "--config", "a"});
    EXPECT_TRUE(both.print);
    EXPECT_EQ(both.config, "a");
    EXPECT_EQ(parse_as<config::check>({"check", "--config", "b"}).config, "b");
}

TEST(command_line, version) {
    const auto said = parse_as<config::say>({"--version"});
    EXPECT_EQ(said.text, "pgherald 1.2.3\n");
    EXPECT_EQ(said.exit_code, 0);
}

TEST(command_line, help_has_verbs_keys_and_exit_codes) {
    for (const auto& arguments : std::vector<std::vector<const char*>>{
             {"--help"}, {"-h"}, {"serve", "--help"}, {"migrate", "--help"}}) {
        const auto said = parse_as<config::say>(arguments);
        EXPECT_EQ(said.exit_code, 0);
        for (const auto* part : {"serve", "migrate [--print]", "check", "--version",
                                 "PGHERALD_SERVER_LISTEN", " 64 ", " 69 ", "70 ", " 78 ", "docs/"})
            EXPECT_NE(said.text.find(part), std::string::npos) << part;
        auto keys = config::describe_keys();
        for (const auto& key : config::describe_channel_keys())
            keys.push_back(key);
        for (const auto& key : keys)
            EXPECT_NE(said.text.find(std::string(key.name) + ' '), std::string::npos) << key.name;
    }
}

TEST(command_line, wrong_usage_names_the_problem_and_exits_64) {
    for (const auto& arguments :
         std::vector<std::vector<const char*>>{{"srve"},
                                               {"--confg", "x"},
                                               {"--config"},
                                               {"--config", ""},
                                               {"--config="},
                                               {"serve", "--print"},
                                               {"--print"},
                                               {"serve", "migrate"},
                                               {"serve", "extra"},
                                               {"--config", "a", "--config", "b"}}) {
        const auto said = parse_as<config::say>(arguments);
        EXPECT_EQ(said.exit_code, 64) << arguments.front();
        EXPECT_EQ(said.text.find("pgherald: "), 0u);
        EXPECT_NE(said.text.find("pgherald --help"), std::string::npos);
    }
    EXPECT_NE(parse_as<config::say>({"srve"}).text.find("srve"), std::string::npos);
}

} // namespace
