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

} // namespace config
