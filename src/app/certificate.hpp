#pragma once

#include "base/observation.hpp"
#include "config/config.hpp"
#include "ws/tls_context.hpp"

#include <optional>
#include <string>

namespace app {

/// What clients are shown: read from the files of [tls] at start, and again on each reload. Without
/// [tls] there is none, and reading does nothing.
/// Owner: app::server. Thread: the main thread. Lifetime: the server's.
class certificate {
public:
    certificate(const config::tls_section& settings, base::observer& observer)
        : settings_(settings),
          observer_(observer) {}

    /// False: it can't be used, the observer knows why.
    bool load();

    /// As load(), but a failure leaves what there was.
    void reload();

    /// For connections accepted from now on; null: no TLS.
    const ws::tls_context::pointer& now() const { return now_; }

private:
    /// The key that is at fault and what is wrong.
    struct problem {
        std::string key;
        std::string reason;
    };
    std::optional<problem> read();

    config::tls_section settings_;
    base::observer& observer_;
    ws::tls_context::pointer now_;
};

} // namespace app
