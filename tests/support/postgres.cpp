#include "tests/support/postgres.hpp"

#include "tests/support/in_memory.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

namespace support {

namespace fs = std::filesystem;

namespace {

std::string unique_name(const std::string& prefix) {
    static std::atomic<unsigned> counter{0};
    return prefix + "_" + std::to_string(::getpid()) + "_" + std::to_string(++counter);
}

// The user the server runs as; uid 0 stands for "as we are".
struct server_user {
    uid_t uid = 0;
    gid_t gid = 0;
};

server_user find_server_user() {
    if (::geteuid() != 0)
        return {};
    for (const char* name : {"postgres", "nobody"}) {
        if (const passwd* entry = ::getpwnam(name))
            return {entry->pw_uid, entry->pw_gid};
    }
    throw std::runtime_error("running as root and found no user to run Postgres as");
}

std::string find_binaries() {
    if (const char* folder = std::getenv("PGHERALD_PG_BIN"))
        return folder;
    std::string best;
    int best_version = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
        const int version = std::atoi(entry.path().filename().c_str());
        if (version > best_version && fs::exists(entry.path() / "bin" / "initdb")) {
            best_version = version;
            best = entry.path() / "bin";
        }
    }
    if (best.empty())
        throw std::runtime_error("found no Postgres server; set PGHERALD_PG_BIN");
    return best;
}

int free_tcp_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    ::close(fd);
    if (!bound)
        throw std::runtime_error("no free TCP port");
    return ntohs(address.sin_port);
}

// In a child, before exec: only calls that are safe after fork in a process with threads.
void become(const server_user& user) {
    if (user.uid == 0)
        return;
    if (::setgroups(0, nullptr) != 0 || ::setgid(user.gid) != 0 || ::setuid(user.uid) != 0) {
        ::_exit(126);
    }
}

std::string error_text(const PGconn* conn) {
    std::string text = PQerrorMessage(conn);
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

struct result_deleter {
    void operator()(PGresult* result) const { PQclear(result); }
};
using result_ptr = std::unique_ptr<PGresult, result_deleter>;

void check(const PGconn* conn, const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        return;
    }
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    throw postgres_error(error_text(conn), state ? state : "");
}

} // namespace

connection::connection(const std::string& conninfo) : conn_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(conn_.get()) != CONNECTION_OK)
        throw postgres_error(error_text(conn_.get()), "");
    PQsetNoticeProcessor(
        conn_.get(), [](void*, const char*) {}, nullptr);
}

void connection::exec(const std::string& sql) {
    const result_ptr result(PQexec(conn_.get(), sql.c_str()));
    check(conn_.get(), result.get());
}

rows connection::query_with(const std::string& sql, const std::vector<parameter>& parameters) {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const parameter& each : parameters)
        values.push_back(each.value());
    const result_ptr result(PQexecParams(conn_.get(), sql.c_str(), static_cast<int>(values.size()),
                                         nullptr, values.data(), nullptr, nullptr, 0));
    check(conn_.get(), result.get());

    rows table(static_cast<std::size_t>(PQntuples(result.get())));
    for (int r = 0; r < PQntuples(result.get()); ++r) {
        for (int c = 0; c < PQnfields(result.get()); ++c) {
            if (PQgetisnull(result.get(), r, c)) {
                table[static_cast<std::size_t>(r)].emplace_back();
            } else {
                table[static_cast<std::size_t>(r)].emplace_back(PQgetvalue(result.get(), r, c));
            }
        }
    }
    return table;
}

cell connection::only_cell(const rows& result) {
    if (result.size() != 1 || result[0].size() != 1) {
        throw std::runtime_error("expected one value, got " + std::to_string(result.size()) +
                                 " rows");
    }
    return result[0][0];
}

void connection::copy_in(const std::string& copy_sql, const std::string& lines) {
    {
        const result_ptr begun(PQexec(conn_.get(), copy_sql.c_str()));
        if (PQresultStatus(begun.get()) != PGRES_COPY_IN) {
            check(conn_.get(), begun.get());
            throw std::runtime_error("not a COPY FROM STDIN: " + copy_sql);
        }
    }
    PQputCopyData(conn_.get(), lines.data(), static_cast<int>(lines.size()));
    PQputCopyEnd(conn_.get(), nullptr);
    std::optional<postgres_error> failure;
    while (const result_ptr result{PQgetResult(conn_.get())}) {
        try {
            check(conn_.get(), result.get());
        } catch (const postgres_error& error) {
            failure = error;
        }
    }
    if (failure)
        throw *failure;
}

std::vector<notification> connection::notifications() {
    if (!PQconsumeInput(conn_.get()))
        throw postgres_error(error_text(conn_.get()), "");
    std::vector<notification> arrived;
    while (PGnotify* notify = PQnotifies(conn_.get())) {
        arrived.push_back({notify->relname, notify->extra});
        PQfreemem(notify);
    }
    return arrived;
}

postgres_server::postgres_server(server_options options)
    : options_(std::move(options)),
      bin_(find_binaries()) {
    make_folder();
    leave_guard();
    run({"/bin/cp", "-r", "--preserve=mode", fresh(options_.encoding).data_, data_}, "cp");
    write_settings();
    start();
}

const postgres_server& postgres_server::fresh(const std::string& encoding) {
    static std::mutex mutex;
    static std::map<std::string, std::unique_ptr<postgres_server>> made;
    const std::lock_guard lock(mutex);
    auto& one = made[encoding];
    if (!one)
        one.reset(new postgres_server(as_made{}, encoding));
    return *one;
}

postgres_server::postgres_server(as_made, const std::string& encoding) : bin_(find_binaries()) {
    make_folder();
    leave_guard();
    run({bin_ + "/initdb", "-D", data_, "-U", "postgres", "-A", "trust", "-E", encoding,
         "--locale=C", "--no-sync"},
        "initdb");
}

postgres_server::postgres_server(as_standby, const postgres_server& primary, server_options options)
    : options_(std::move(options)),
      bin_(primary.bin_) {
    make_folder();
    leave_guard();
    copy_of(primary);
    write_settings();
    start();
}

// What pg_basebackup does, which not every distribution of the server brings along.
void postgres_server::copy_of(const postgres_server& primary) {
    connection there(primary.conninfo());
    const bool renamed = PQserverVersion(there.native()) >= 150000;
    there.query(renamed ? "select pg_backup_start('standby', true)"
                        : "select pg_start_backup('standby', true, false)");
    // A file may go while it is copied, which recovery makes up for; a copy that lacks more than
    // that doesn't start.
    run({"/bin/cp", "-r", "--preserve=mode", primary.data_, data_}, "cp", false);
    const auto label = there.value(renamed ? "select labelfile from pg_backup_stop(false)"
                                           : "select labelfile from pg_stop_backup(false, false)");
    fs::remove(data_ + "/postmaster.pid");
    fs::remove(data_ + "/postmaster.opts");
    const server_user user = find_server_user();
    const auto write = [&](const std::string& name, const std::string& text) {
        const std::string path = data_ + "/" + name;
        std::ofstream(path) << text;
        if (user.uid != 0 && ::chown(path.c_str(), user.uid, user.gid) != 0)
            throw std::runtime_error("chown of " + path + " failed");
    };
    write("backup_label", label.value());
    write("standby.signal", "");
    options_.settings.emplace_back("primary_conninfo", primary.conninfo());
}

postgres_server::~postgres_server() {
    try {
        stop("immediate");
    } catch (const std::exception&) {
        // The guard tries once more when its pipe closes.
    }
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    if (guard_pipe_ >= 0)
        ::close(guard_pipe_);
}

// Always a short path: that of a unix socket may not exceed 107 bytes, and the server's user must
// be able to reach it.
void postgres_server::make_folder() {
    std::string name =
        std::string(options_.fsync ? on_disk : in_memory_or_on_disk()) + "/pgherald-test-XXXXXX";
    if (!::mkdtemp(name.data()))
        throw std::runtime_error("mkdtemp failed");
    folder_ = name;
    data_ = folder_ + "/data";
    const server_user user = find_server_user();
    if (user.uid != 0 && ::chown(folder_.c_str(), user.uid, user.gid) != 0) {
        throw std::runtime_error("chown of " + folder_ + " failed");
    }
    if (options_.tcp)
        port_ = free_tcp_port();
}

void postgres_server::write_settings() {
    std::ofstream file(data_ + "/postgresql.conf", std::ios::app);
    const char* flush = options_.fsync ? "on" : "off";
    file << "\nlisten_addresses = '" << (options_.tcp ? "127.0.0.1" : "") << "'\n"
         << "port = " << port_ << "\nunix_socket_directories = '" << folder_ << "'\n"
         << "fsync = " << flush << "\nfull_page_writes = " << flush << "\n"
         << "synchronous_commit = " << flush << "\n"
         << "jit = off\n" // loading LLVM would be a tenth of what a server does here
         << "max_connections = 200\nshared_buffers = 64MB\nmax_wal_size = 512MB\n"
         // Nothing here lives long enough to need it, and its ANALYZE of the catalogs deadlocks
         // with DROP OWNED: Postgres waits for whoever updates a row of pg_class in place.
         << "autovacuum = off\n"
         << "log_min_messages = warning\n";
    for (const auto& [key, value] : options_.settings) {
        std::string quoted;
        for (const char c : value)
            quoted += c == '\'' ? "''" : std::string(1, c);
        file << key << " = '" << quoted << "'\n";
    }
    if (!file.flush())
        throw std::runtime_error("can't write postgresql.conf");
}

int postgres_server::run(const std::vector<std::string>& arguments, const std::string& what,
                         bool must_succeed) const {
    const server_user user = find_server_user();
    const std::string output = folder_ + "/" + what + ".out";
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);

    const pid_t child = ::fork();
    if (child < 0)
        throw std::runtime_error("fork failed");
    if (child == 0) {
        become(user);
        const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        const int in = ::open("/dev/null", O_RDONLY);
        if (out < 0 || ::chdir("/") != 0)
            ::_exit(127);
        ::dup2(in, 0);
        ::dup2(out, 1);
        ::dup2(out, 2);
        // A server that outlives a test's socket must not keep it open.
        ::close_range(3, ~0U, 0);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code != 0 && must_succeed) {
        throw std::runtime_error(what + " failed (" + std::to_string(code) +
                                 "): " + read_file(output) + log());
    }
    return code;
}

// The guard reads a pipe whose other end only this process holds. When that closes, for whatever
// reason, it stops what still runs and removes the folder. It is orphaned at once so that nothing
// has to wait for it, and a test runner that kills the process tree leaves it alone.
void postgres_server::leave_guard() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw std::runtime_error("pipe failed");
    const server_user user = find_server_user();
    const std::string script = "trap '' HUP INT TERM; read line; if [ -d '" + folder_ +
                               "' ]; then '" + bin_ + "/pg_ctl' -D '" + data_ +
                               "' -m immediate stop; rm -rf '" + folder_ + "'; fi";
    const pid_t child = ::fork();
    if (child < 0)
        throw std::runtime_error("fork failed");
    if (child == 0) {
        ::setsid();
        if (::fork() != 0)
            ::_exit(0);
        become(user);
        const int null = ::open("/dev/null", O_WRONLY);
        ::dup2(ends[0], 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
        ::close_range(3, ~0U, 0);
        ::execl("/bin/sh", "sh", "-c", script.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(ends[0]);
    guard_pipe_ = ends[1];
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
}

// Tried again because just after a crash the old shared memory may still be in use, and because
// another process may have taken the TCP port meanwhile.
void postgres_server::start() {
    const std::vector<std::string> command = {
        bin_ + "/pg_ctl", "-D", data_, "-w", "-t", "60", "-l", folder_ + "/server.log", "start"};
    for (int attempt = 1; attempt < 5; ++attempt) {
        if (run(command, "pg_ctl", false) == 0)
            return;
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    run(command, "pg_ctl");
}

void postgres_server::stop(const std::string& mode) {
    if (postmaster_pid() == 0)
        return;
    ++stops_;
    run({bin_ + "/pg_ctl", "-D", data_, "-w", "-t", "60", "-m", mode, "stop"}, "pg_ctl");
}

void postgres_server::restart(const std::string& mode) {
    stop(mode);
    start();
}

std::unique_ptr<postgres_server> postgres_server::make_standby(server_options options) {
    return std::unique_ptr<postgres_server>(
        new postgres_server(as_standby{}, *this, std::move(options)));
}

void postgres_server::promote() {
    run({bin_ + "/pg_ctl", "-D", data_, "-w", "-t", "60", "promote"}, "pg_ctl");
}

std::string postgres_server::conninfo(const std::string& database, const std::string& role) const {
    return "host=" + folder_ + " port=" + std::to_string(port_) + " dbname=" + database +
           " user=" + role;
}

std::string postgres_server::tcp_conninfo(const std::string& database,
                                          const std::string& role) const {
    return "host=127.0.0.1 port=" + std::to_string(port_) + " dbname=" + database + " user=" + role;
}

int postgres_server::version() const {
    return PQserverVersion(connection(conninfo()).native());
}

std::string postgres_server::log() const {
    return read_file(folder_ + "/server.log");
}

long postgres_server::postmaster_pid() const {
    std::ifstream file(data_ + "/postmaster.pid");
    long pid = 0;
    return file >> pid ? pid : 0;
}

const std::string& postgres_server::template_database() {
    std::lock_guard lock(template_mutex_);
    if (template_name_.empty()) {
        const std::string name = unique_name("queue_template");
        connection admin(conninfo());
        admin.exec("create database " + name + " template template0");
        {
            connection conn(conninfo(name));
            apply_sql(conn);
        }
        // A copy fails while anyone is connected to its template, so nobody may be.
        admin.exec("alter database " + name + " allow_connections false");
        template_name_ = name;
    }
    return template_name_;
}

// Static, so it is torn down at exit. Its guard covers the exits that run no destructors.
postgres_server& shared_server() {
    static postgres_server server;
    return server;
}

std::vector<std::string> sql_files() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(fs::path(PGHERALD_SOURCE_DIR) / "sql")) {
        if (entry.path().extension() == ".sql")
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void apply_sql(connection& conn) {
    for (const std::string& file : sql_files()) {
        try {
            conn.exec(read_file(file));
        } catch (const postgres_error&) {
            // A file opens its own transaction; a failed one must not swallow what comes next.
            if (PQtransactionStatus(conn.native()) == PQTRANS_INERROR)
                conn.exec("rollback");
            throw;
        }
    }
}

database::database(content with) : database(shared_server(), with) {}

database::database(postgres_server& server, content with)
    : server_(server),
      name_(unique_name("test")) {
    const std::string source =
        with == content::queue ? server.template_database() : std::string("template0");
    connection admin(server.conninfo());
    for (int attempt = 1;; ++attempt) {
        try {
            admin.exec("create database " + name_ + " template " + source);
            return;
        } catch (const postgres_error& error) {
            // Two copies of one template at the same instant may get in each other's way.
            if (error.sqlstate() != "55006" || attempt == 20)
                throw;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
}

database::~database() {
    own_.reset();
    try {
        connection admin(server_.conninfo());
        admin.exec("drop database if exists " + name_ + " with (force)");
    } catch (const std::exception&) {
        // The server may be down on purpose; its folder goes with it.
    }
}

connection& database::own() {
    if (!own_ || own_since_ != server_.stops() || PQstatus(own_->native()) != CONNECTION_OK) {
        own_since_ = server_.stops();
        own_.reset();
        own_.emplace(conninfo());
    }
    return *own_;
}

void database::exec(const std::string& sql) {
    std::lock_guard lock(mutex_);
    own().exec(sql);
}

role::role(database& db, const std::string& grants) : db_(db), name_(unique_name("role")) {
    db_.exec("create role " + name_ + " login");
    std::string sql = grants;
    for (std::size_t at = 0; (at = sql.find("$role", at)) != std::string::npos;) {
        sql.replace(at, 5, name_);
    }
    if (!sql.empty())
        db_.exec(sql);
}

role::~role() {
    try {
        db_.exec("drop owned by " + name_ + "; drop role " + name_);
    } catch (const std::exception&) {
        // Gone with the server.
    }
}

} // namespace support
