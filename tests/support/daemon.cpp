#include "tests/support/daemon.hpp"

#include "tests/support/eventually.hpp"
#include "tests/support/in_memory.hpp"
#include "tests/support/ws_client.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace support {

namespace {

std::string temporary_file() {
    std::string path = std::string(in_memory_or_on_disk()) + "/pgherald-daemon-XXXXXX";
    const int file = mkstemp(path.data());
    if (file < 0) {
        throw std::runtime_error("mkstemp failed");
    }
    close(file);
    return path;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

int exit_code_of(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// What each thread of a process is doing, as far as the kernel tells.
std::string threads_of(pid_t pid) {
    std::string text;
    std::error_code gone;
    std::filesystem::directory_iterator task("/proc/" + std::to_string(pid) + "/task", gone);
    for (; !gone && task != std::filesystem::directory_iterator(); task.increment(gone)) {
        for (const char* const file : {"comm", "wchan", "stat"}) {
            std::string part = read_file(task->path() / file);
            if (!part.empty() && part.back() == '\n') {
                part.pop_back();
            }
            text += part + (file == std::string("stat") ? '\n' : ' ');
        }
    }
    return text;
}

std::string end_of(const std::string& text, std::size_t most) {
    return text.size() > most ? text.substr(text.size() - most) : text;
}

/// Starts the binary with stdout and stderr going to these files.
pid_t start(const std::string& binary, const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& environment, const std::string& out,
            const std::string& err) {
    std::vector<std::string> words = {binary};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
        for (const auto& [name, value] : environment) {
            setenv(name.c_str(), value.c_str(), 1);
        }
        const int out_file = open(out.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
        const int err_file = open(err.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
        dup2(out_file, STDOUT_FILENO);
        dup2(err_file, STDERR_FILENO);
        close_range(3, ~0U, 0); // the test's sockets are not the daemon's
        execv(argv[0], argv.data());
        _exit(127);
    }
    return pid;
}

} // namespace

std::string daemon::default_binary() {
    const char* const other = std::getenv("PGHERALD_BINARY");
    return other == nullptr ? PGHERALD_BINARY : other;
}

daemon::daemon(options options) : log_path_(temporary_file()) {
    std::map<std::string, std::string> environment = {
        {"PGHERALD_SERVER_LISTEN", "127.0.0.1:0"},
        {"PGHERALD_SERVER_THREADS", "2"},
        {"PGHERALD_POSTGRES_DSN", options.dsn},
        {"PGHERALD_LOG_LEVEL", "debug"},
    };
    for (const auto& [name, value] : options.settings) {
        environment["PGHERALD_" + name] = value;
    }
    for (const std::string& name : options.unset) {
        environment.erase("PGHERALD_" + name);
    }
    pid_ = start(options.binary, options.arguments, environment, log_path_, log_path_);
    try {
        wait_until_it_serves(options.wait_ready);
    } catch (...) {
        end_at_once(); // there is no destructor to do it
        throw;
    }
}

void daemon::wait_until_it_serves(bool ready) {
    // The port is in the log: "accepting clients address=127.0.0.1:PORT".
    eventually(std::chrono::seconds(20), [&] {
        const std::string text = log();
        const auto line = text.find("accepting clients");
        const auto end = line == std::string::npos ? line : text.find('\n', line);
        if (end != std::string::npos) {
            port_ = std::atoi(text.c_str() + text.rfind(':', end) + 1);
        }
        return port_ != 0 || !running();
    });
    if (port_ == 0 && ready) {
        throw std::runtime_error("the daemon did not start:\n" + log());
    }
    if (ready &&
        !eventually(std::chrono::seconds(20), [&] { return status_of("/readyz") == 200; })) {
        throw std::runtime_error("the daemon did not become ready:\n" + log());
    }
}

daemon::~daemon() {
    const bool ended_itself = pid_ > 0 && !running();
    if (pid_ > 0) {
        signal(SIGTERM);
        signal(SIGCONT);
        int status = 0;
        const auto ended = [&] { return waitpid(pid_, &status, WNOHANG) == pid_; };
        if (!eventually(std::chrono::seconds(60), ended)) {
            ADD_FAILURE() << "the daemon did not end when told to; its threads:\n"
                          << threads_of(pid_) << "the end of its log:\n"
                          << end_of(log(), 2'048);
            signal(SIGKILL);
            eventually(std::chrono::seconds(20), ended);
        } else if (ended_itself || exit_code_of(status) != 0) {
            // A sanitizer that found something ends it, or changes its exit code.
            ADD_FAILURE() << "the daemon ended" << (ended_itself ? " by itself" : "")
                          << " with exit code " << exit_code_of(status);
        }
    }
    // A session that a defect has ended looks like a lost connection to its client.
    if (log().find("an internal error") != std::string::npos) {
        ADD_FAILURE() << "the daemon met an internal error";
    }
    // A test that throws hasn't failed yet.
    const bool failed = testing::Test::HasFailure() || std::uncaught_exceptions() > 0;
    if (failed || std::getenv("PGHERALD_TEST_LOGS") != nullptr) {
        const std::string text = failed ? end_of(log(), 16'384) : log();
        std::fprintf(stderr, "--- daemon's log\n%s---\n", text.c_str());
    }
    unlink(log_path_.c_str());
}

void daemon::end_at_once() {
    signal(SIGKILL);
    if (pid_ > 0) {
        waitpid(pid_, nullptr, 0);
    }
    unlink(log_path_.c_str());
}

void daemon::signal(int number) {
    if (pid_ > 0) {
        kill(pid_, number);
    }
}

bool daemon::running() {
    siginfo_t ended{};
    return pid_ > 0 &&
           waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
}

int daemon::wait(std::chrono::milliseconds deadline) {
    int status = 0;
    if (!eventually(deadline, [&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) {
        throw std::runtime_error("the daemon did not end in time:\n" + log());
    }
    pid_ = -1;
    return exit_code_of(status);
}

std::string daemon::log() const {
    return read_file(log_path_);
}

bool daemon::says(const std::string& text) const {
    return eventually(std::chrono::seconds(10), [&] { return log().find(text) != text.npos; });
}

int daemon::status_of(const std::string& path) const {
    try {
        return static_cast<int>(
            http_get("127.0.0.1", static_cast<std::uint16_t>(port_), path).status);
    } catch (const std::exception&) {
        return 0;
    }
}

double daemon::metric(const std::string& name) const {
    std::istringstream lines(
        http_get("127.0.0.1", static_cast<std::uint16_t>(port_), "/metrics").body);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(name + ' ')) {
            return std::stod(line.substr(name.size() + 1));
        }
    }
    return -1;
}

long daemon::resident_kib() const {
    std::istringstream lines(read_file("/proc/" + std::to_string(pid_) + "/status"));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("VmRSS:")) {
            return std::atol(line.c_str() + 6);
        }
    }
    return 0;
}

daemon::outcome daemon::run(const std::vector<std::string>& arguments,
                            const std::map<std::string, std::string>& environment) {
    const std::string out = temporary_file();
    const std::string err = temporary_file();
    const pid_t pid = start(default_binary(), arguments, environment, out, err);
    int status = 0;
    const bool ended =
        eventually(std::chrono::seconds(30), [&] { return waitpid(pid, &status, WNOHANG) == pid; });
    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    outcome result{exit_code_of(status), read_file(out), read_file(err)};
    unlink(out.c_str());
    unlink(err.c_str());
    return result;
}

} // namespace support
