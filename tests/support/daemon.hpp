#pragma once

#include <chrono>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace support {

/// The real pgherald binary as a child process on a port of its own.
/// Owner: a test. Thread: the test's. Lifetime: the destructor ends the process (SIGTERM, then
/// SIGKILL) and removes its log. The test fails when the process had ended before without a wait(),
/// or ends with another code than 0; whenever a test fails the end of the log is printed.
class daemon {
public:
    struct options {
        std::string dsn;
        /// PGHERALD_* overrides, without the prefix: {"WEBSOCKET_MAX_FRAME", "1KiB"}.
        std::map<std::string, std::string> settings = {};
        std::vector<std::string> unset = {}; ///< of those that are set otherwise
        std::vector<std::string> arguments = {"serve"};
        bool wait_ready = true; ///< until /readyz says 200
        std::string binary = default_binary();
    };

    /// The one this was built with, or PGHERALD_BINARY of the environment (a sanitized one).
    static std::string default_binary();

    explicit daemon(options options);
    ~daemon();
    daemon(const daemon&) = delete;
    daemon& operator=(const daemon&) = delete;

    int port() const { return port_; }
    pid_t pid() const { return pid_; }

    void signal(int number);
    /// The exit code (128 + signal when killed); throws when it hasn't ended by then.
    int wait(std::chrono::milliseconds deadline = std::chrono::seconds(60));
    bool running();
    /// Everything it has written to stderr so far.
    std::string log() const;
    /// Whether its log comes to hold `text`: lines are written a little after what they tell of.
    bool says(const std::string& text) const;

    /// The status of GET `path`; 0 when nobody answers.
    int status_of(const std::string& path) const;
    /// The value of a metric line, e.g. "pgherald_sessions"; -1 when it isn't there.
    double metric(const std::string& name) const;
    long resident_kib() const;

    /// Runs the binary to its end and gives what it said.
    struct outcome {
        int exit_code;
        std::string out;
        std::string err;
    };
    static outcome run(const std::vector<std::string>& arguments,
                       const std::map<std::string, std::string>& environment = {});

private:
    void wait_until_it_serves(bool ready);
    void end_at_once();

    int port_ = 0;
    pid_t pid_ = -1;
    std::string log_path_;
};

} // namespace support
