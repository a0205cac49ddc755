// What is read from files, at start and again on SIGHUP.
#include "app/server.hpp"

#include <iterator>
#include <utility>

namespace app {

namespace {

/// What a running daemon can change; the rest waits for a start.
void take_over(config::settings& to, const config::settings& from) {
    to.auth = from.auth;
    to.channels = from.channels;
    to.limits = from.limits;
    to.tls = from.tls;
    to.websocket.allowed_origins = from.websocket.allowed_origins;
    to.server.console = from.server.console;
    to.server.max_sessions = from.server.max_sessions;
    to.postgres.dsn = from.postgres.dsn;
    to.postgres.dsn_file = from.postgres.dsn_file;
    // Where LISTEN goes may follow dsn or not: that is settled at the start.
    if (to.postgres.listen_dsn.empty() == from.postgres.listen_dsn.empty()) {
        to.postgres.listen_dsn = from.postgres.listen_dsn;
    }
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        text += (text.empty() ? "" : ", ") + name;
    }
    return text;
}

/// Where it stands and which key it is, as far as that is known.
std::string named(const config::problem& problem) {
    const bool has_both = !problem.where.empty() && !problem.key.empty();
    return problem.where + (has_both ? " " : "") + problem.key;
}

} // namespace

/// False: a setting can't be worked with, the observer knows which.
bool server::load() {
    auto files = read_files(settings_);
    if (!files) {
        observer_.observe(
            base::observed::setting_unusable{files.error().key, files.error().reason});
        return false;
    }
    use(std::move(*files));
    return true;
}

/// All or nothing: what can fail is done before anything changes.
void server::reload() {
    observer_.observe(base::observed::reload_asked{});
    const config::loaded read = read_settings_();
    const auto refused_for = [this](const std::vector<config::problem>& problems) {
        for (const config::problem& each : problems) {
            observer_.observe(base::observed::reload_problem{named(each), each.message});
        }
        observer_.observe(base::observed::reload_failed{problems.size()});
    };
    if (!read.problems.empty()) {
        return refused_for(read.problems);
    }
    // The address stays the one in use, and what was read must suit it, too.
    config::loaded next_loaded{settings_, {}, read.set_at};
    take_over(next_loaded.values, read.values);
    config::check_serving(next_loaded);
    if (!next_loaded.problems.empty()) {
        return refused_for(next_loaded.problems);
    }
    config::settings& next = next_loaded.values;
    auto files = read_files(next);
    if (!files) {
        return refused_for({{{}, files.error().key, files.error().reason}});
    }
    const auto changed = config::changed_keys(settings_, next);
    const auto need_restart = config::changed_keys(next, read.values);
    settings_ = std::move(next);
    max_sessions_ = settings_.server.max_sessions;
    *database_.dsn = settings_.postgres.dsn;
    if (!settings_.postgres.listen_dsn.empty()) {
        *database_.listen_dsn = settings_.postgres.listen_dsn;
    }
    use(std::move(*files));
    observer_.observe(base::observed::reloaded{listed(changed), listed(need_restart)});
}

void server::use(setting_files files) {
    certificate_ = std::move(files.certificate);
    if (certificate_ != nullptr) {
        observer_.observe(
            base::observed::certificate_loaded{settings_.tls.certificate, certificate_->expires()});
    }
    use(token_keys_.use(settings_.auth, std::move(files.keys)));
}

void server::use(auth::key_set keys) {
    policy_ = make_policy(settings_, std::move(keys));
    for (const auto& shard : shards_) {
        shard->hand(policy_);
    }
}

} // namespace app
