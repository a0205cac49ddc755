#pragma once

#include "pg/error.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pg {

namespace asio = boost::asio;

struct connect_options {
    std::string conninfo;                            ///< libpq conninfo or URI; empty: environment
    std::string application_name;                    ///< "pgherald/publish", ...
    std::chrono::seconds connect_timeout{5};         ///< a host; the conninfo's own value wins
    std::chrono::milliseconds query_timeout{30'000}; ///< 0: none
};

/// One query's answer. Lifetime of the views it gives: its own.
class result {
public:
    class impl;
    explicit result(std::shared_ptr<const impl> inside);

    int rows() const;
    bool is_null(int row, int column) const;
    std::string_view text(int row, int column) const; ///< raw bytes (text or binary format)
    std::int64_t integer(int row, int column) const;  ///< from text format

private:
    std::shared_ptr<const impl> impl_;
};

/// A query parameter: text, NULL (nullopt), or Postgres' binary format. A view: what it points to
/// must live as long as the query.
struct parameter {
    parameter(std::nullopt_t) {}
    parameter(std::string_view text) : value(text) {}
    parameter(const std::string& text) : value(text) {}
    parameter(const char* text) : value(text) {}

    static parameter in_binary(std::string_view bytes) {
        parameter made(bytes);
        made.binary = true;
        return made;
    }

    std::optional<std::string_view> value;
    bool binary = false;
};

/// One Postgres connection on the event loop. Connecting (and resolving names) runs on a helper
/// thread, since libpq resolves blocking; everything after runs on the loop.
/// One query at a time. A query that exceeds query_timeout ends the connection.
/// Owner: whoever opened it. Thread: the io_context's. Lifetime: queries under way need it alive.
class connection {
public:
    class impl;

    /// Sets what the daemon relies on where the conninfo doesn't: keepalives, tcp_user_timeout,
    /// target_session_attrs=read-write; and always: client_encoding UTF8, time zone UTC. A conninfo
    /// that isn't one is error::kind::refused, anything else that fails is lost.
    static asio::awaitable<outcome<connection>> open(asio::io_context& context,
                                                     connect_options options);

    connection(connection&&) noexcept;
    connection& operator=(connection&&) noexcept;
    ~connection();

    /// One statement with parameters. The first use of a statement text prepares it under a name of
    /// its own, unless `prepare` is false. `statement` must be a string literal or outlive *this.
    asio::awaitable<outcome<result>> query(std::string_view statement,
                                           std::span<const parameter> parameters = {},
                                           bool prepare = true);

    /// Several statements in one simple-protocol string; only the last result is kept. A
    /// transaction that a failed script leaves open is rolled back.
    asio::awaitable<outcome<result>> script(std::string text);

    /// Waits until the server notified (any channel), the connection broke, or `timeout` passed.
    /// Returns all notifications that are there; none when the time is over.
    struct ring {
        std::string channel;
        std::string payload;
    };
    asio::awaitable<outcome<std::vector<ring>>> wait_rings(std::chrono::milliseconds timeout);

    /// `name` in double quotes, fit for SQL that takes no parameters (LISTEN).
    outcome<std::string> quoted_identifier(std::string_view name) const;

    bool alive() const;
    int backend_pid() const;
    int server_version() const; ///< e.g. 150018

    /// Breaks it off now; operations under way end with error::kind::lost.
    void close();

private:
    explicit connection(std::shared_ptr<impl> inside);
    std::shared_ptr<impl> impl_;
};

} // namespace pg
