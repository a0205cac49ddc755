#include "app/token_keys.hpp"

#include "app/spawn.hpp"
#include "config/file.hpp"
#include "ws/https_get.hpp"

#include <algorithm>
#include <utility>

namespace app {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t largest_file = 256 * 1024;

/// Tokens that name unknown keys don't make us ask more often than this.
constexpr std::chrono::seconds between_looks{10};

/// A session that waits longer for new keys goes by those that are known.
constexpr std::chrono::seconds longest_wait{12};

constexpr std::chrono::seconds after_failure{15};

using found_keys = boost::system::result<auth::key_set, auth::key_problem>;

/// What the file at `path` came to.
found_keys keys_in(const std::string& path, const config::file_content& content,
                   found_keys (*parse)(std::string_view text)) {
    auto found = content.problem.empty() ? parse(content.text)
                                         : found_keys(auth::key_problem{content.problem});
    if (!found) {
        return auth::key_problem{"the file \"" + path + "\": " + found.error().reason};
    }
    return found;
}

} // namespace

token_keys::token_keys(asio::io_context& context, base::observer& observer,
                       std::function<void(auth::key_set)> changed)
    : context_(context),
      observer_(observer),
      changed_(std::move(changed)),
      wake_(context) {}

boost::system::result<token_keys::read_keys, setting_problem>
token_keys::read(const config::auth_section& from) {
    read_keys keys;
    if (from.mode == config::auth_mode::none) {
        return keys;
    }
    if (!from.secret.empty()) {
        auto secret = auth::key_set::from_secret(from.secret);
        if (!secret) {
            return setting_problem{from.secret_file.empty() ? "auth.secret" : "auth.secret_file",
                                   secret.error().reason};
        }
        keys.fixed.add(*secret);
    }
    if (!from.public_key_file.empty()) {
        auto found =
            keys_in(from.public_key_file, config::read_file(from.public_key_file, largest_file),
                    &auth::key_set::from_pem);
        if (!found) {
            return setting_problem{"auth.public_key_file", found.error().reason};
        }
        keys.fixed.add(*found);
    }
    if (!from.jwks_file.empty()) {
        auto content = config::read_file(from.jwks_file, largest_file);
        auto found = keys_in(from.jwks_file, content, &auth::key_set::from_jwks);
        if (!found) {
            return setting_problem{"auth.jwks_file", found.error().reason};
        }
        keys.from_file = std::move(*found);
        keys.file_text = std::move(content.text);
    }
    if (!from.jwks_ca_file.empty()) {
        auto content = config::read_file(from.jwks_ca_file, largest_file);
        if (!content.problem.empty()) {
            return setting_problem{"auth.jwks_ca_file",
                                   "the file \"" + from.jwks_ca_file + "\" " + content.problem};
        }
        keys.jwks_ca = std::move(content.text);
    }
    return keys;
}

auth::key_set token_keys::use(const config::auth_section& settings, read_keys keys) {
    if (settings.jwks_url != settings_.jwks_url) {
        fetched_ = {};
        fetched_text_ = {};
        tell("auth.jwks_url", fetched_);
    }
    settings_ = settings;
    keys_ = std::move(keys);
    ++use_count_;
    tell("auth", keys_.fixed);
    tell("auth.jwks_file", keys_.from_file);
    wake_.notify();
    return all();
}

/// Of a source that has no keys any more as well.
void token_keys::tell(const std::string& source, const auth::key_set& found) {
    const std::size_t before = std::exchange(told_[source], found.keys().size());
    if (before != 0 || !found.empty()) {
        observer_.observe(base::observed::token_keys_loaded{source, found.keys().size()});
    }
}

auth::key_set token_keys::all() const {
    auth::key_set together = keys_.fixed;
    together.add(keys_.from_file);
    together.add(fetched_);
    return together;
}

asio::awaitable<void> token_keys::run() {
    bool is_first = true;
    while (!stopping_) {
        const bool has_file = !settings_.jwks_file.empty();
        const bool has_url = !settings_.jwks_url.empty();
        if (settings_.mode == config::auth_mode::none || (!has_file && !has_url)) {
            co_await wake_.wait();
            continue;
        }
        wake_.clear(); // this look is the answer to who asked until now
        const unsigned count = use_count_;
        looked_at_ = clock::now();
        looking_ = true;
        const bool read = is_first || !has_file || read_file();
        is_first = false; // the start has read the file itself
        bool fetched = true;
        if (has_url) {
            fetched = co_await fetch();
        }
        looking_ = false;
        for (const auto& waiting : std::exchange(waiting_, {})) {
            waiting->notify();
        }
        if (count == use_count_ && !stopping_) {
            const auto wait =
                read && fetched
                    ? settings_.jwks_refresh
                    : std::min<std::chrono::milliseconds>(settings_.jwks_refresh, after_failure);
            co_await wake_.wait_for(wait);
        }
    }
}

// Keys that are the same are no new policy for every session.
bool token_keys::read_file() {
    auto content = config::read_file(settings_.jwks_file, largest_file);
    if (content.problem.empty() && content.text == keys_.file_text) {
        return true;
    }
    auto found = keys_in(settings_.jwks_file, content, &auth::key_set::from_jwks);
    if (!found) {
        observer_.observe(
            base::observed::token_keys_failed{"auth.jwks_file", found.error().reason});
        return false;
    }
    keys_.from_file = std::move(*found);
    keys_.file_text = std::move(content.text);
    tell("auth.jwks_file", keys_.from_file);
    changed_(all());
    return true;
}

asio::awaitable<bool> token_keys::fetch() {
    const unsigned count = use_count_;
    ws::https_request request;
    request.url = settings_.jwks_url;
    request.certificate_authorities = keys_.jwks_ca;
    const auto text = co_await ws::https_get(context_, std::move(request));
    if (count != use_count_ || stopping_) {
        co_return false; // of a place that isn't asked any more
    }
    if (text && *text == fetched_text_) {
        co_return true;
    }
    auto found =
        text ? auth::key_set::from_jwks(*text) : found_keys(auth::key_problem{text.error().reason});
    if (!found) {
        observer_.observe(base::observed::token_keys_failed{"auth.jwks_url", found.error().reason});
        co_return false;
    }
    fetched_ = std::move(*found);
    fetched_text_ = *text;
    tell("auth.jwks_url", fetched_);
    changed_(all());
    co_return true;
}

asio::awaitable<void> token_keys::look_again() {
    co_await run_on(context_, look_again_here());
}

asio::awaitable<void> token_keys::look_again_here() {
    const bool has_source = !settings_.jwks_file.empty() || !settings_.jwks_url.empty();
    const bool just_looked = clock::now() - looked_at_ < between_looks;
    if (stopping_ || !has_source || (!looking_ && just_looked)) {
        co_return;
    }
    const auto mine = std::make_shared<signal>(context_);
    waiting_.push_back(mine);
    if (!looking_) {
        wake_.notify();
    }
    co_await mine->wait_for(longest_wait);
}

void token_keys::stop() {
    stopping_ = true;
    for (const auto& waiting : std::exchange(waiting_, {})) {
        waiting->notify();
    }
    wake_.notify();
}

} // namespace app
