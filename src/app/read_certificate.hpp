#pragma once

#include "app/setting_problem.hpp"
#include "config/config.hpp"
#include "ws/tls_context.hpp"

#include <boost/system/result.hpp>

namespace app {

/// What clients are shown, from the files of [tls]; null without [tls].
boost::system::result<ws::tls_context::pointer, setting_problem>
read_certificate(const config::tls_section& settings);

} // namespace app
