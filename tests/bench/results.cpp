#include "tests/bench/results.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <sstream>
#include <stdexcept>

namespace bench {

namespace {

/// What is said here has no character that JSON would want escaped but the quote.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out.push_back('\\');
        out.push_back(c);
    }
    return out + '"';
}

std::string number(double value) {
    std::ostringstream text;
    text << std::setprecision(9) << (std::isfinite(value) ? value : 0);
    return text.str();
}

std::string object(const std::map<std::string, double>& values) {
    std::string out = "{";
    for (const auto& [name, value] : values)
        out += (out.size() > 1 ? "," : "") + quoted(name) + ":" + number(value);
    return out + "}";
}

} // namespace

cpu_meter::cpu_meter(long server, long postgres)
    : server_(server),
      postgres_(postgres),
      begun_(now()) {}

cpu_meter::sample cpu_meter::now() const {
    return {std::chrono::steady_clock::now(), server_ > 0 ? cpu_seconds(server_) : 0,
            own_cpu_seconds(), postgres_ > 0 ? cpu_seconds_of_tree(postgres_) : 0};
}

std::map<std::string, double> cpu_meter::read() const {
    const sample end = now();
    const double seconds = std::chrono::duration<double>(end.at - begun_.at).count();
    return {{"server", (end.server - begun_.server) / seconds},
            {"load", (end.load - begun_.load) / seconds},
            {"postgres", (end.postgres - begun_.postgres) / seconds}};
}

void measurement::add(const tally& counts) {
    lost += counts.missing();
    repeated += counts.repeated();
    reordered += counts.reordered();
}

double median(std::vector<double> values) {
    return percentile(std::move(values), 0.5);
}

double percentile(std::vector<double> values, double share) {
    if (values.empty())
        throw std::runtime_error("nothing was measured");
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

results::results(const std::string& path) : file_(path, std::ios::app) {
    if (!file_)
        throw std::runtime_error("can't write " + path);
}

void results::add(const measurement& found) {
    std::string values;
    for (const double value : found.values)
        values += (values.empty() ? "" : ",") + number(value);
    file_ << R"({"scenario":)" << quoted(found.scenario) << R"(,"name":)" << quoted(found.name)
          << R"(,"subject":)" << quoted(found.subject) << R"(,"unit":)" << quoted(found.unit)
          << R"(,"values":[)" << values << R"(],"goal":{"text":)" << quoted(found.goal)
          << R"(},"cpu":)" << object(found.cpu) << R"(,"lost":)" << found.lost << R"(,"repeated":)"
          << found.repeated << R"(,"reordered":)" << found.reordered << R"(,"detail":)"
          << object(found.detail) << R"(,"compared":)" << object(found.compared) << "}"
          << std::endl;
    std::fprintf(stderr, "%s  %s, %s: %.5g %s  [%.5g to %.5g]", found.scenario.c_str(),
                 found.name.c_str(), found.subject.c_str(), median(found.values),
                 found.unit.c_str(), *std::ranges::min_element(found.values),
                 *std::ranges::max_element(found.values));
    for (const auto& [who, share] : found.cpu)
        std::fprintf(stderr, "  cpu %s %.2f", who.c_str(), share);
    for (const auto& [what, value] : found.detail)
        std::fprintf(stderr, "  %s %.5g", what.c_str(), value);
    for (const auto& [what, value] : found.compared)
        std::fprintf(stderr, "  %.3g x %s", value, what.c_str());
    if (found.lost + found.repeated + found.reordered > 0)
        std::fprintf(stderr, "  LOST %llu REPEATED %llu REORDERED %llu",
                     static_cast<unsigned long long>(found.lost),
                     static_cast<unsigned long long>(found.repeated),
                     static_cast<unsigned long long>(found.reordered));
    std::fprintf(stderr, "\n");
}

void results::add(const series& found) {
    std::string points;
    for (const auto& [x, y] : found.points)
        points += (points.empty() ? "[" : ",[") + number(x) + "," + number(y) + "]";
    file_ << R"({"series":)" << quoted(found.title) << R"(,"x":)" << quoted(found.x) << R"(,"y":)"
          << quoted(found.y) << R"(,"subject":)" << quoted(found.subject) << R"(,"points":[)"
          << points << R"(],"log_x":)" << (found.log_x ? "true" : "false") << "}" << std::endl;
    std::fprintf(stderr, "%s, %s:", found.title.c_str(), found.subject.c_str());
    for (const auto& [x, y] : found.points)
        std::fprintf(stderr, "  %g: %.4g", x, y);
    std::fprintf(stderr, "\n");
}

} // namespace bench
