#pragma once

#include "tests/chaos/world.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/postgres.hpp"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chaos {

enum class fault {
    kill_daemon,    ///< SIGKILL
    end_daemon,     ///< SIGTERM
    stop_daemon,    ///< SIGSTOP for a while
    crash_postgres, ///< pg_ctl restart -m immediate
    end_backend,    ///< pg_terminate_backend of one of the daemons' connections
    stop_backends,  ///< SIGSTOP of some of them for a while
    cut_listen,     ///< packets of a listening connection are dropped
    count,
};
constexpr auto fault_count = static_cast<std::size_t>(fault::count);
std::string_view name_of(fault what);

/// One of the daemons on one database: the same port in each of its lives.
/// Owner: faults. Thread: the main one.
class instance {
public:
    instance(std::size_t number, support::daemon::options options, std::string log_folder);
    ~instance();

    void start();
    void signal(int number) { now_->signal(number); }
    pid_t pid() const { return now_->pid(); }
    /// The exit code, 128 + signal; nothing while it runs.
    std::optional<int> ended();
    /// After ended(): forgets the process.
    void bury();
    bool alive() const { return now_ != nullptr; }
    bool ready() const { return now_ && now_->status_of("/readyz") == 200; }
    std::uint16_t port() const { return port_; }
    std::string log() const { return now_ ? now_->log() : ""; }

private:
    std::size_t number_;
    support::daemon::options options_;
    std::string log_folder_;
    std::uint16_t port_ = 0;
    std::unique_ptr<support::daemon> now_;
};

/// Makes faults happen and ends them. Thread: the main one.
class faults {
public:
    faults(world& world, support::postgres_server& server, std::string database,
           std::vector<std::unique_ptr<instance>>& daemons, bool with_cuts, std::uint64_t seed);

    /// Each kind once in random order, then again, for `time`; the first round is always finished.
    void happen(std::chrono::seconds time, const std::atomic<bool>& interrupted);
    /// Everything that was stopped, cut or killed works again.
    void end_all();

    std::uint64_t happened(fault what) const { return counts_[static_cast<std::size_t>(what)]; }
    bool possible(fault what) const { return what != fault::cut_listen || with_cuts_; }

private:
    struct repair {
        steady::time_point due;
        std::function<void()> make;
    };
    struct backend {
        pid_t pid;
        int client_port;
    };

    bool make(fault what);
    bool end_daemon(int signal);
    bool stop_daemon();
    bool end_backend();
    bool stop_backends();
    bool cut_listen();
    std::vector<backend> backends(const std::string& application);
    void later(milliseconds after, std::function<void()> make);
    void wait_until(steady::time_point time);
    void make_repairs(bool all);
    void look_after_daemons();
    void say(const std::string& what) const;

    world& world_;
    support::postgres_server& server_;
    std::string database_;
    std::vector<std::unique_ptr<instance>>& daemons_;
    bool with_cuts_;
    dice dice_;
    std::vector<repair> repairs_;
    std::array<std::uint64_t, fault_count> counts_{};
};

} // namespace chaos
