#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

namespace config {

struct serve {
    std::optional<std::filesystem::path> config;
};
struct migrate {
    std::optional<std::filesystem::path> config;
    bool print = false;
};
struct check {
    std::optional<std::filesystem::path> config;
};
/// Nothing to run: --help, --version, or a wrong command line.
struct say {
    std::string text;
    int exit_code; ///< 0, or 64 for a wrong command line
};

using command = std::variant<serve, migrate, check, say>;

/// No verb means serve.
command parse_command_line(int argc, const char* const* argv, const std::string& version);

} // namespace config
