#pragma once

#include "app/setting_problem.hpp"
#include "app/token_keys.hpp"
#include "config/config.hpp"
#include "ws/tls_context.hpp"

#include <boost/system/result.hpp>

namespace app {

/// What the files hold that settings name.
struct setting_files {
    ws::tls_context::pointer certificate; ///< null without [tls]
    token_keys::read_keys keys;
};

/// All of them, or what can't be worked with.
boost::system::result<setting_files, setting_problem> read_files(const config::settings& settings);

} // namespace app
