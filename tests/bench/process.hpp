#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace bench {

/// CPU seconds used so far, children that have ended included.
double cpu_seconds(long process);
/// The same of a process and all that it started and that still run.
double cpu_seconds_of_tree(long root);
double own_cpu_seconds();

long resident_kib(long process);

/// A blocking socket connected to 127.0.0.1:port, or -1.
int connect_to(int port);

/// The status of GET `path` on 127.0.0.1:port; 0: nobody answers.
int http_status(int port, const std::string& path);

/// A child process that is ended with SIGTERM by the destructor; its output goes to a file that is
/// shown when it does not become what was wanted of it.
class child {
public:
    child(const std::vector<std::string>& command, const std::vector<std::string>& environment);
    ~child();
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    pid_t pid() const { return pid_; }
    bool running() const;
    std::string output() const;

private:
    pid_t pid_ = -1;
    std::string log_;
};

/// A TCP port nobody listens on at the moment.
int free_port();

} // namespace bench
