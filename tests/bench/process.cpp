#include "tests/bench/process.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace bench {

namespace {

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

struct process_line {
    long parent;
    double cpu;
};

std::optional<process_line> look_at(long process) {
    const std::string stat = read_file("/proc/" + std::to_string(process) + "/stat");
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos)
        return std::nullopt;
    std::istringstream rest(stat.substr(name_end + 2));
    std::string skipped;
    process_line line{};
    rest >> skipped >> line.parent;
    for (int field = 5; field <= 13; ++field)
        rest >> skipped;
    double ticks = 0;
    for (int field = 14; field <= 17; ++field) { // own and of ended children, user and system
        double each = 0;
        rest >> each;
        ticks += each;
    }
    line.cpu = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    return line;
}

} // namespace

double cpu_seconds(long process) {
    const auto line = look_at(process);
    return line ? line->cpu : 0;
}

double cpu_seconds_of_tree(long root) {
    std::map<long, process_line> all;
    DIR* const processes = opendir("/proc");
    while (const dirent* entry = readdir(processes)) {
        const long process = std::atol(entry->d_name);
        if (process <= 0)
            continue;
        if (const auto line = look_at(process))
            all.emplace(process, *line);
    }
    closedir(processes);
    double sum = 0;
    for (const auto& [process, line] : all) {
        long at = process;
        while (at != root && at > 1 && all.contains(at))
            at = all.at(at).parent;
        if (at == root)
            sum += line.cpu;
    }
    return sum;
}

double own_cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

long resident_kib(long process) {
    std::istringstream lines(read_file("/proc/" + std::to_string(process) + "/status"));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("VmRSS:"))
            return std::atol(line.c_str() + 6);
    return 0;
}

int connect_to(int port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
        close(socket);
        return -1;
    }
    return socket;
}

int http_status(int port, const std::string& path) {
    const int socket = connect_to(port);
    if (socket < 0)
        return 0;
    const std::string ask =
        "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    char answer[64] = {};
    const bool sent = send(socket, ask.data(), ask.size(), MSG_NOSIGNAL) > 0;
    const bool got = sent && recv(socket, answer, sizeof answer - 1, 0) > 12;
    close(socket);
    return got ? std::atoi(answer + 9) : 0;
}

child::child(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
    char name[] = "/tmp/pgherald-bench-XXXXXX";
    const int file = mkstemp(name);
    log_ = name;
    std::vector<std::string> words = command;
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
        for (const std::string& setting : environment)
            putenv(strdup(setting.c_str()));
        dup2(file, STDOUT_FILENO);
        dup2(file, STDERR_FILENO);
        close_range(3, ~0U, 0);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    close(file);
}

child::~child() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    unlink(log_.c_str());
}

bool child::running() const {
    siginfo_t ended{};
    return waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
}

std::string child::output() const {
    return read_file(log_);
}

int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(socket, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    close(socket);
    return ntohs(address.sin_port);
}

} // namespace bench
