#include "config/across.hpp"
#include "config/checks.hpp"
#include "config/file.hpp"

namespace config {

namespace {

constexpr std::size_t largest_secret = 64 * 1024;

struct secret_source {
    const char* name; ///< of the key for the secret itself; with _file of the path's
    std::string& secret;
    const std::string& path;
    std::string file; ///< describe_file() of the path
    std::string (*check)(const std::string& secret);
};

/// What is wrong; empty: nothing.
std::string read(const secret_source& from) {
    auto content = read_file(from.path, largest_secret);
    auto& text = content.text;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.pop_back();
    if (content.problem.empty() && text.empty())
        content.problem = "is empty";
    if (content.problem.empty() && text.find('\0') != text.npos)
        content.problem = "holds a NUL character";
    if (auto wrong = content.problem.empty() && from.check != nullptr ? from.check(text) : "";
        !wrong.empty())
        return "what " + from.file + " holds " + wrong;
    if (!content.problem.empty())
        return from.file + ' ' + content.problem;
    from.secret = std::move(text);
    return {};
}

void take(loaded& to, const secret_source& from) {
    if (from.path.empty())
        return;
    const std::string name = from.name;
    const auto key = name + "_file";
    const auto wrong = from.secret.empty()
                           ? read(from)
                           : "can't be set together with " + name +
                                 "; empty one of them (an environment variable may be empty to "
                                 "undo what a file sets)";
    if (!wrong.empty())
        to.problems.push_back({to.set_at[key], key, wrong});
}

} // namespace

void read_secret_files(loaded& to) {
    auto& postgres = to.values.postgres;
    const auto& path = postgres.dsn_file;
    if (path.find("://") != path.npos || path.find('=') != path.npos)
        to.problems.push_back({to.set_at["postgres.dsn_file"], "postgres.dsn_file",
                               "must be a path, and looks like a connection string; that belongs "
                               "into postgres.dsn"});
    else
        take(to, {"postgres.dsn", postgres.dsn, path, describe_file(path), nullptr});
    auto& auth = to.values.auth;
    take(to, {"auth.secret", auth.secret, auth.secret_file,
              describe_file(auth.secret_file, file_holds::secret), check_secret});
}

} // namespace config
