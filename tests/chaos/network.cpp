#include "tests/chaos/network.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace chaos {

namespace {

/// Runs a program without a word; true when it said 0.
bool succeeds(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        const int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Loopback packets pass INPUT in both directions.
bool change_rules(const char* verb, int port) {
    bool all = true;
    for (const char* end : {"--sport", "--dport"}) {
        all = succeeds({"iptables", "-w", verb, "INPUT", "-p", "tcp", end, std::to_string(port),
                        "-j", "DROP"}) &&
              all;
    }
    return all;
}

} // namespace

bool can_cut() {
    return succeeds({"iptables", "-w", "-L", "INPUT", "-n"});
}

bool cut(int port) {
    return change_rules("-I", port);
}

void mend(int port) {
    change_rules("-D", port);
}

void keep_free(int port) {
    std::ofstream("/proc/sys/net/ipv4/ip_local_reserved_ports") << port << '\n';
}

} // namespace chaos
