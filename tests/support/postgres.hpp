#pragma once

// A real Postgres for tests: a server of its own for each test binary, a database of its own for
// each test. Knows libpq and the sql/ folder, and nothing of the daemon.
//
// Owner: the test. Lifetime: a `database` must end before its server; a `connection` before its
// database if the test wants the server to see a clean goodbye (dropping is by force anyway).
// Thread: `postgres_server` and `database` may be used from any thread, start/stop/restart from one
// at a time; a `connection`, like PGconn, from one thread at a time. Failures are
// std::runtime_error with Postgres' own message, so a test that doesn't expect one fails.

#include <libpq-fe.h>

#include <atomic>
#include <concepts>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

// What Postgres refused: its message, and the SQLSTATE ("" when the connection itself failed).
class postgres_error : public std::runtime_error {
public:
    postgres_error(const std::string& message, std::string sqlstate)
        : std::runtime_error(message),
          sqlstate_(std::move(sqlstate)) {}
    const std::string& sqlstate() const { return sqlstate_; }

private:
    std::string sqlstate_;
};

using cell = std::optional<std::string>;
using row = std::vector<cell>;
using rows = std::vector<row>;

struct notification {
    std::string channel;
    std::string payload;
};

// A parameter in text form. Numbers, booleans, strings, nullptr and optional strings all fit.
class parameter {
public:
    parameter(std::nullptr_t) {}
    parameter(const char* text) : text_(text) {}
    parameter(std::string text) : text_(std::move(text)) {}
    parameter(std::string_view text) : text_(std::string(text)) {}
    parameter(cell text) : text_(std::move(text)) {}
    parameter(bool value) : text_(value ? "true" : "false") {}
    template <class Number>
    requires((std::integral<Number> || std::floating_point<Number>)&&!std::same_as<Number, bool>)
        parameter(Number value)
        : text_(std::to_string(value)) {}

    const char* value() const { return text_ ? text_->c_str() : nullptr; }

private:
    cell text_;
};

// RAII around PGconn. Notices are swallowed; errors throw postgres_error.
class connection {
public:
    explicit connection(const std::string& conninfo);

    // One or more statements by the simple protocol.
    void exec(const std::string& sql);

    template <class... Parameters>
    rows query(const std::string& sql, Parameters&&... parameters) {
        return query_with(sql, {parameter(std::forward<Parameters>(parameters))...});
    }

    // The single value of a query that must give exactly one row and one column.
    template <class... Parameters>
    cell value(const std::string& sql, Parameters&&... parameters) {
        return only_cell(query_with(sql, {parameter(std::forward<Parameters>(parameters))...}));
    }

    // COPY ... FROM STDIN; `lines` is what psql would read, each line ended by \n.
    void copy_in(const std::string& copy_sql, const std::string& lines);

    // What has arrived; reads the socket without blocking. Throws when the connection has died.
    std::vector<notification> notifications();

    PGconn* native() const { return conn_.get(); }
    int backend_pid() const { return PQbackendPID(conn_.get()); }

private:
    struct deleter {
        void operator()(PGconn* conn) const { PQfinish(conn); }
    };

    rows query_with(const std::string& sql, const std::vector<parameter>& parameters);
    static cell only_cell(const rows& result);

    std::unique_ptr<PGconn, deleter> conn_;
};

struct server_options {
    bool tcp = false;   // also listen on 127.0.0.1, on tcp_port()
    bool fsync = false; // true only where the test measures or survives a flush
    std::string encoding = "UTF8";
    std::vector<std::pair<std::string, std::string>> settings = {}; // lines of postgresql.conf
};

// A Postgres cluster in a temporary folder, on a unix socket in that folder. Started by the
// constructor, stopped and removed by the destructor; if the test process is killed, a small guard
// process left beside it does both. As root it runs as user postgres (or nobody), because the
// server refuses root.
class postgres_server {
public:
    explicit postgres_server(server_options options = {});
    ~postgres_server();
    postgres_server(const postgres_server&) = delete;
    postgres_server& operator=(const postgres_server&) = delete;

    void start();
    void stop(const std::string& mode = "fast");
    // "immediate" is the crash: no checkpoint, recovery at the next start.
    void restart(const std::string& mode = "fast");

    // Makes a running standby of this server, streaming asynchronously. Promote it with promote().
    std::unique_ptr<postgres_server> make_standby(server_options options = {});
    void promote();

    std::string conninfo(const std::string& database = "postgres",
                         const std::string& role = "postgres") const;
    std::string tcp_conninfo(const std::string& database = "postgres",
                             const std::string& role = "postgres") const;

    const std::string& socket_folder() const { return folder_; }
    const std::string& data_folder() const { return data_; }
    const std::string& bin_folder() const { return bin_; } // pg_dump and the like
    int port() const { return port_; }
    int tcp_port() const { return port_; }
    int version() const;         // 150004 and so on
    std::string log() const;     // the server's log so far
    long postmaster_pid() const; // for SIGSTOP and SIGKILL tests; 0 when not running
    unsigned stops() const {
        return stops_;
    } // how often it was stopped: older connections are dead

    // The database that holds sql/, made at the first call; every `database` is a copy of it.
    const std::string& template_database();

private:
    // What initdb makes, once for each encoding and never started: a copy takes a tenth of the
    // time.
    static const postgres_server& fresh(const std::string& encoding);
    struct as_made {};
    postgres_server(as_made, const std::string& encoding);

    struct as_standby {};
    postgres_server(as_standby, const postgres_server& primary, server_options options);

    void make_folder();
    void copy_of(const postgres_server& primary);
    void write_settings();
    int run(const std::vector<std::string>& arguments, const std::string& what,
            bool must_succeed = true) const;
    void leave_guard();

    server_options options_;
    std::string bin_;
    std::string folder_;
    std::string data_;
    int port_ = 5432;
    int guard_pipe_ = -1;
    std::atomic<unsigned> stops_{0};
    std::mutex template_mutex_;
    std::string template_name_;
};

// The server of this test binary: started at first use, gone at exit.
postgres_server& shared_server();

// Files of sql/ in the order of their numbers.
std::vector<std::string> sql_files();
std::string read_file(const std::string& path);
// Runs all of sql/ the way the daemon does: each file as one multi-statement string.
void apply_sql(connection& conn);

// A fresh database, dropped by force when it ends.
class database {
public:
    enum class content { queue, empty };

    explicit database(content with = content::queue);
    explicit database(postgres_server& server, content with = content::queue);
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    const std::string& name() const { return name_; }
    postgres_server& server() const { return server_; }
    std::string conninfo(const std::string& role = "postgres") const {
        return server_.conninfo(name_, role);
    }
    connection connect(const std::string& role = "postgres") const {
        return connection(conninfo(role));
    }

    // On a connection of the database's own, opened when needed and again after the server
    // restarted.
    void exec(const std::string& sql);
    template <class... Parameters>
    rows query(const std::string& sql, Parameters&&... parameters) {
        std::lock_guard lock(mutex_);
        return own().query(sql, std::forward<Parameters>(parameters)...);
    }
    template <class... Parameters>
    cell value(const std::string& sql, Parameters&&... parameters) {
        std::lock_guard lock(mutex_);
        return own().value(sql, std::forward<Parameters>(parameters)...);
    }

private:
    connection& own();

    postgres_server& server_;
    std::string name_;
    std::mutex mutex_;
    std::optional<connection> own_;
    unsigned own_since_ = 0; // server_.stops() when it was opened
};

// A login role with a name of its own, dropped with everything it was granted in `db`. Roles belong
// to the whole server, so two tests must not use one name.
class role {
public:
    explicit role(database& db, const std::string& grants = "");
    ~role();
    role(const role&) = delete;
    role& operator=(const role&) = delete;

    const std::string& name() const { return name_; }

private:
    database& db_;
    std::string name_;
};

} // namespace support
