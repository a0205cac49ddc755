#include "config/config.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

/// What whoever uses settings without problems relies on.
bool holds_what_it_promises(const config::settings& values) {
    const auto& auth = values.auth;
    const bool tokens = auth.mode == config::auth_mode::token;
    if (tokens && auth.secret.empty() && auth.public_key_file.empty() && auth.jwks_file.empty() &&
        auth.jwks_url.empty())
        return false;
    if ((!auth.secret.empty() && auth.secret.size() < 32) ||
        auth.max_token >= values.limits.max_header || values.channels.size() > 1000)
        return false;
    for (const auto& rule : values.channels)
        for (const auto& asked : {rule.subscribe, rule.publish})
            if (rule.pattern.empty() || rule.pattern.size() > 255 ||
                (!tokens &&
                 (asked == config::requirement::token || asked == config::requirement::claim)))
                return false;
    return auth.role_claim.empty() == auth.roles.empty() && (tokens || auth.role_claim.empty());
}

} // namespace

/// Any text as a file, and any text in any environment variable: problems, never a throw or a
/// crash.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    // The first byte says which key gets the text from the environment; most give it to the file.
    static const auto keys = config::describe_keys();
    const std::size_t chosen = data[0];
    const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
        if (chosen < keys.size() && keys[chosen].environment == name)
            return std::string(text);
        return std::nullopt;
    };
    const auto toml = chosen < keys.size() ? std::string_view() : text;
    auto loaded = config::load(toml, "fuzz", lookup);
    const bool valid = loaded.problems.empty();
    config::check_serving(loaded);
    // A problem is one line that a terminal may show.
    for (const auto& problem : loaded.problems)
        for (const char c : problem.where + problem.key + problem.message)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                std::abort();
    const auto& values = loaded.values;
    if (values.websocket.max_frame < 1024 || values.server.max_sessions < 1 ||
        values.server.threads > 1024 || values.websocket.ping_interval.count() < 1000)
        std::abort();
    if (valid && !holds_what_it_promises(values))
        std::abort();
    if (!config::changed_keys(values, values).empty())
        std::abort();
    const std::string names[] = {"PGHERALD_" + std::string(text.substr(0, 256))};
    config::check_environment_names(names);
    return 0;
}
