#include "config/file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

namespace config {

file_content read_file(const std::filesystem::path& path, std::size_t largest) {
    // A pipe or a terminal would make a start, or worse a reload, wait for whoever writes there.
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        return {{}, "is not a regular file"};
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                               &std::fclose);
    if (!file)
        return {{}, std::string("can't be opened: ") + std::strerror(errno)};
    std::string text(largest + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0)
        return {{}, std::string("can't be read: ") + std::strerror(errno)};
    if (text.size() > largest)
        return {{}, "is larger than " + std::to_string(largest / 1024) + " KiB"};
    return {std::move(text), {}};
}

} // namespace config
