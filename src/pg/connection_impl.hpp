#pragma once

#include "pg/connector.hpp"
#include "pg/result.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <string>
#include <unordered_map>

namespace pg {

/// The conversation with libpq: non-blocking calls between waits on its socket. A wait is ended by
/// cancelling the descriptor, never by cancellation slots; every loop around a wait therefore
/// stands a wake-up that means nothing. Owner: connection and the operation under way. Thread: the
/// io_context's.
class connection::impl : public std::enable_shared_from_this<impl> {
public:
    impl(asio::io_context& context, pgconn_ptr raw, connect_options options);
    ~impl();

    asio::awaitable<outcome<result>> query(std::string_view statement,
                                           std::span<const parameter> parameters, bool prepare);
    asio::awaitable<outcome<result>> script(std::string text);
    asio::awaitable<outcome<std::vector<ring>>> wait_rings(std::chrono::milliseconds timeout);
    outcome<std::string> quoted_identifier(std::string_view name) const;
    bool alive() const;
    int backend_pid() const { return backend_pid_; }
    int server_version() const { return server_version_; }
    void close();

private:
    class operation;
    class query_operation;
    using wait_type = asio::posix::stream_descriptor::wait_type;

    static void on_notice(void* self, const PGresult* notice);

    /// Why no operation can begin; nothing if one can.
    std::optional<error> unready();
    /// Waits for the answer to what PQsend* returned for: 1 is success.
    asio::awaitable<outcome<result>> answer(int sent);
    asio::awaitable<bool> flush();
    /// False: the connection was closed, it broke, or the time is over.
    asio::awaitable<bool> wait(wait_type until);
    std::vector<ring> take_rings();
    /// Closes, and says why: what the server said last, else libpq, else that time is over.
    error lost();

    asio::posix::stream_descriptor descriptor_;
    asio::steady_timer timer_;
    connect_options options_;
    pgconn_ptr raw_; ///< null once closed
    /// Behind a pooler one session serves several connections, and a name of theirs must not find
    /// another one's statement.
    std::string statement_prefix_;
    int backend_pid_;
    int server_version_;
    std::string farewell_;       ///< the server's notice of hanging up, seen nowhere else
    std::string farewell_state_; ///< its SQLSTATE
    std::unordered_map<std::string_view, std::string> prepared_; ///< statement -> name
    unsigned statements_ = 0;
    bool pooled_ = false; ///< prepared statements vanish: a transaction pooler is in between
    bool busy_ = false;
    bool timed_out_ = false;
    std::uint64_t turn_ = 0; ///< of the timer, so that a late one is known
    std::chrono::milliseconds allowed_{0};
};

} // namespace pg
