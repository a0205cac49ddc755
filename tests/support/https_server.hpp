#pragma once

#include "tests/support/certificate.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace support {

/// An https server on 127.0.0.1 as far as a test of a client needs one: a request is read up to its
/// empty line, what `answer` gives goes out as it is, and the connection ends.
/// Thread: one of its own, on which `answer` is called. Lifetime: connections end with it.
class https_server {
public:
    /// To the whole text of a request. An empty answer: silence, and the connection stays open.
    using answers = std::function<std::string(const std::string& request)>;

    https_server(const certificate& shown, answers answer);
    ~https_server();

    std::uint16_t port() const;
    /// https://HOST:PORT and the path, which begins with a slash.
    std::string url(const std::string& path = "/", const std::string& host = "127.0.0.1") const;
    int requests() const; ///< read so far

private:
    class impl;
    std::unique_ptr<impl> impl_;
};

/// A whole answer, with its length.
std::string http_answer_text(const std::string& body, const std::string& status = "200 OK",
                             const std::string& more_header = "");

} // namespace support
