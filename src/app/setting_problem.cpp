#include "app/setting_problem.hpp"

#include <boost/assert/source_location.hpp>

#include <stdexcept>

namespace app {

void throw_exception_from_error(const setting_problem& error, const boost::source_location&) {
    throw std::runtime_error(error.key + ": " + error.reason);
}

} // namespace app
