#include "base/reset_reason.hpp"

namespace base {

std::string_view name_of(reset_reason reason) {
    switch (reason) {
    case reset_reason::trimmed:
        return "trimmed";
    case reset_reason::epoch:
        return "epoch";
    case reset_reason::ahead:
        return "ahead";
    }
    return "epoch";
}

} // namespace base
