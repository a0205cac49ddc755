#pragma once

#include "app/connection.hpp"
#include "ws/http_door.hpp"

#include <string>

namespace app {

/// A line of text.
ws::http_response plain(unsigned status, std::string body);

/// The same with 503, for who may come again soon.
ws::http_response unavailable(std::string body);

/// What is answered to a request that isn't for /ws: health, metrics, and the console where there
/// is to be one. Runs on the shard's thread; both must outlive it.
asio::awaitable<ws::http_response> page(const ws::http_request& request, const http_options& http,
                                        bool console);

} // namespace app
