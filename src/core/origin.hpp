#pragma once

#include <span>
#include <string>
#include <string_view>

namespace core {

/// Whether a browser page of `origin` may open a WebSocket here. `allowed` lists whole origins
/// ("https://example.com"), or all hosts below a domain ("https://*.example.com"); empty: only the
/// page's own host, the request's `host` header. "null" (sandboxed frames, files) is never allowed
/// unless listed.
bool origin_allowed(std::string_view origin, std::string_view host,
                    std::span<const std::string> allowed);

/// Whether `host`, as a request's header names it, can be no other machine: localhost or a name
/// below it, or a loopback address. Any other name may be made to point here by whoever owns it, and
/// a page of his is then a page of the daemon's own host (DNS rebinding).
bool is_this_machine(std::string_view host);

} // namespace core
