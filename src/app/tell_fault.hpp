#pragma once

#include "base/observation.hpp"

#include <exception>

namespace app {

/// For the end of a coroutine that serves one client: an exception is a fault of ours, it ends what
/// is done for this client only, and is told. Any thread.
inline void tell_fault(base::observer& to, const std::exception_ptr& fault) {
    if (!fault) {
        return;
    }
    try {
        std::rethrow_exception(fault);
    } catch (const std::exception& error) {
        to.observe(base::observed::internal_error{error.what()});
    }
}

} // namespace app
