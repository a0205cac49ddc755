#pragma once

#include <string>

namespace boost {
struct source_location;
}

namespace app {

/// A setting that reads well and still can't be worked with: a file that doesn't hold what it must.
struct setting_problem {
    std::string key; ///< "tls.certificate"
    std::string reason;
};
[[noreturn]] void throw_exception_from_error(const setting_problem& error,
                                             const boost::source_location& where);

} // namespace app
