#pragma once

#include "tests/bench/process.hpp"
#include "tests/bench/tally.hpp"

#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// CPU seconds a second, from construction to read().
class cpu_meter {
public:
    /// 0: there is no such process.
    cpu_meter(long server, long postgres);
    std::map<std::string, double> read() const;

private:
    struct sample {
        std::chrono::steady_clock::time_point at;
        double server;
        double load;
        double postgres;
    };
    sample now() const;

    long server_;
    long postgres_;
    sample begun_;
};

/// One row of the report. `values` are of equal runs; the report shows their median and spread.
struct measurement {
    std::string scenario;
    std::string name;
    std::string subject;
    std::string unit;
    std::vector<double> values = {};
    std::string goal = {};
    std::map<std::string, double> cpu = {};
    std::uint64_t lost = 0;
    std::uint64_t repeated = 0;
    std::uint64_t reordered = 0;
    std::map<std::string, double> detail = {};
    /// What this is of something else, where more than medians were compared: "that with ...".
    std::map<std::string, double> compared = {};

    void add(const tally& counts);
};

/// A line of a plot.
struct series {
    std::string title;
    std::string x;
    std::string y;
    std::string subject;
    std::vector<std::pair<double, double>> points = {};
    bool log_x = true;
};

double median(std::vector<double> values);
/// The value that `share` (0 to 1) of them don't exceed.
double percentile(std::vector<double> values, double share);

/// Writes JSON lines to a file and says on stderr what was found.
class results {
public:
    explicit results(const std::string& path);
    void add(const measurement& found);
    void add(const series& found);

private:
    std::ofstream file_;
};

} // namespace bench
