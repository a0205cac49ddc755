#pragma once

#include <filesystem>
#include <string>

namespace config {

struct file_content {
    std::string text;
    std::string problem; ///< why it couldn't be read; empty: it was. Never holds content
};

/// A regular file of at most `largest` bytes, whole.
file_content read_file(const std::filesystem::path& path, std::size_t largest);

enum class file_holds { anything, secret };

/// "the file "/etc/..."", without the path where it could be a secret or a connection string put
/// there by mistake; told apart more strictly where the file is to hold a secret.
std::string describe_file(const std::string& path, file_holds what = file_holds::anything);

} // namespace config
