#include "config/file.hpp"

#include "config/value.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

namespace config {

namespace {

/// Nothing that was made at random looks like this.
bool is_plain_path(std::string_view text) {
    return !text.empty() && text.front() == '/' &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-/") == text.npos;
}

bool may_be_secret(std::string_view text) {
    constexpr std::size_t least_secret = 32;
    const auto holds = [text](std::string_view part) { return text.find(part) != text.npos; };
    return holds("://") || holds("=") || holds("-----BEGIN") || text.substr(0, 3) == "eyJ" ||
           (text.size() >= least_secret && text.front() != '/');
}

} // namespace

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

std::string describe_file(const std::string& path, file_holds what) {
    constexpr std::size_t longest = 200;
    const bool hide = what == file_holds::secret ? !is_plain_path(path) : may_be_secret(path);
    if (hide)
        return "the file (its name isn't shown, it could be a secret)";
    return "the file \"" + printable(path, longest) + "\"";
}

} // namespace config
