#pragma once

#include "app/setting_problem.hpp"
#include "app/signal.hpp"
#include "auth/key_set.hpp"
#include "base/observation.hpp"
#include "config/config.hpp"

#include <boost/system/result.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace app {

/// The keys that tokens are verified with, from wherever the settings name. Key sets (JWKS) are
/// read again from time to time, and when a token names a key that isn't known; as long as their
/// source is away the keys known before stay.
/// Owner: app::server. Thread: the Postgres side's. Lifetime: the server's.
class token_keys {
public:
    /// Told all keys whenever they have changed by themselves.
    token_keys(asio::io_context& context, base::observer& observer,
               std::function<void(auth::key_set)> changed);

    /// What can be read at once: everything but auth.jwks_url.
    struct read_keys {
        auth::key_set fixed;
        auth::key_set from_file; ///< auth.jwks_file
        std::string file_text;   ///< what that was read from
        std::string jwks_ca;     ///< PEM
    };
    static boost::system::result<read_keys, setting_problem> read(const config::auth_section& from);

    /// From now on these. Returns all keys there are, with those fetched before where the address
    /// is the same.
    auth::key_set use(const config::auth_section& settings, read_keys keys);

    /// Fetches at once and then from time to time.
    asio::awaitable<void> run();

    /// Returns when key sets have been read again, or at once where that was done a moment ago.
    /// May be awaited from any shard's coroutine; `changed` was called before.
    asio::awaitable<void> look_again();

    void stop();

private:
    asio::awaitable<void> look_again_here();
    asio::awaitable<bool> fetch();
    bool read_file();
    void tell(const std::string& source, const auth::key_set& found);
    auth::key_set all() const;

    asio::io_context& context_;
    base::observer& observer_;
    std::function<void(auth::key_set)> changed_;
    config::auth_section settings_;
    read_keys keys_;
    auth::key_set fetched_;
    std::string fetched_text_;                ///< what it was read from
    std::map<std::string, std::size_t> told_; ///< keys of each source that were spoken of last
    signal wake_;
    std::vector<std::shared_ptr<signal>> waiting_;
    std::chrono::steady_clock::time_point looked_at_{};
    unsigned use_count_ = 0; ///< tells whether settings changed while something was under way
    bool looking_ = false;
    bool stopping_ = false;
};

} // namespace app
