#pragma once

#include "config/config.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace config_test {

using variables = std::map<std::string, std::string, std::less<>>;

inline config::environment environment_of(variables set) {
    return [set = std::move(set)](std::string_view name) -> std::optional<std::string> {
        const auto found = set.find(name);
        return found == set.end() ? std::nullopt : std::optional(found->second);
    };
}

/// An environment where nothing is set.
inline std::optional<std::string> nothing(std::string_view) {
    return std::nullopt;
}

inline config::loaded load(std::string_view toml, variables set = {}) {
    return config::load(toml, "test.toml", environment_of(std::move(set)));
}

inline std::string problems(std::string_view toml, variables set = {}) {
    return config::describe(load(toml, std::move(set)).problems);
}

/// A temporary folder, removed at the end.
class folder {
public:
    folder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "pgherald-config-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~folder() { std::filesystem::remove_all(path_); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;

    std::filesystem::path write(const std::string& name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
        return path_ / name;
    }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

} // namespace config_test
