#include "telemetry/line_writer.hpp"
#include "telemetry/log.hpp"

#include "tests/support/eventually.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

class pipe_ends {
public:
    pipe_ends() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("no pipe");
        read_ = ends[0];
        write_ = ends[1];
    }
    ~pipe_ends() {
        close_read();
        close_write();
    }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;

    int write_end() const { return write_; }
    void close_read() { close(read_); }
    void close_write() { close(write_); }
    /// How much waits to be read.
    int held() const {
        int bytes = 0;
        ::ioctl(read_, FIONREAD, &bytes);
        return bytes;
    }
    /// All until the last writer has closed.
    std::string read_all() const {
        std::string text;
        std::array<char, 65'536> part{};
        for (ssize_t size = 1; (size = ::read(read_, part.data(), part.size())) > 0;)
            text.append(part.data(), static_cast<std::size_t>(size));
        return text;
    }

private:
    static void close(int& end) {
        if (end >= 0)
            ::close(std::exchange(end, -1));
    }
    int read_ = -1;
    int write_ = -1;
};

/// stderr leads into the pipe while this lives.
class stderr_into {
public:
    explicit stderr_into(int descriptor) : before_(::dup(STDERR_FILENO)) {
        ::dup2(descriptor, STDERR_FILENO);
    }
    ~stderr_into() {
        ::dup2(before_, STDERR_FILENO);
        ::close(before_);
    }
    stderr_into(const stderr_into&) = delete;
    stderr_into& operator=(const stderr_into&) = delete;

private:
    int before_;
};

std::size_t lines_in(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(log, writes_lines_of_its_level_and_above_in_order) {
    pipe_ends ends;
    {
        const stderr_into there(ends.write_end());
        telemetry::log log({telemetry::level::info, telemetry::format::text});
        log.observe(base::observed::started{"1"});
        log.observe(base::observed::session_opened{"s", "a"});
        log.observe(base::observed::draining{"SIGTERM {} %s"});
    }
    ends.close_write();
    const auto text = ends.read_all();
    EXPECT_EQ(lines_in(text), 2u) << text;
    EXPECT_LT(text.find("version=1\n"), text.find("reason=\"SIGTERM {} %s\"\n"));
}

TEST(log, json_lines) {
    pipe_ends ends;
    {
        const stderr_into there(ends.write_end());
        telemetry::log log({telemetry::level::trace, telemetry::format::json});
        log.observe(base::observed::publish_latency{std::chrono::microseconds(7)});
    }
    ends.close_write();
    const auto text = ends.read_all();
    EXPECT_EQ(text.front(), '{');
    EXPECT_NE(text.find("\"event\":\"publish_latency\""), std::string::npos);
    EXPECT_TRUE(text.ends_with("\"took_us\":7}\n")) << text;
}

/// The numbers behind `mark` in all lines, added up.
std::uint64_t sum_behind(const std::string& text, const std::string& mark) {
    std::uint64_t sum = 0;
    for (auto at = text.find(mark); at != text.npos; at = text.find(mark, at + 1))
        sum += std::stoull(text.substr(at + mark.size(), 20));
    return sum;
}

TEST(log, a_reader_that_stalls_blocks_nobody_and_is_told_what_it_missed) {
    constexpr std::size_t many = 20'000;
    pipe_ends ends;
    std::string text;
    std::uint64_t dropped = 0;
    std::thread reader;
    {
        const stderr_into there(ends.write_end());
        telemetry::log log({});
        const auto write = [&log](std::size_t from, std::size_t upto) {
            for (std::size_t i = from; i < upto; ++i)
                log.observe(base::observed::draining{std::to_string(i)});
        };
        // More than the pipe holds and less than may wait, so that none is lost before it is full.
        write(0, 2'000);
        int before = 0;
        EXPECT_TRUE(support::eventually(std::chrono::seconds(20), [&] {
            const int held = ends.held();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            return std::exchange(before, ends.held()) == held && held > 60'000;
        }));
        write(2'000, many); // returns, though nobody reads
        dropped = log.dropped();
        reader = std::thread([&ends, &text] { text = ends.read_all(); });
    }
    ends.close_write();
    reader.join();
    EXPECT_GT(dropped, 0u);
    EXPECT_EQ(sum_behind(text, " lines="), dropped);
    const auto notices = lines_in(text) - (many - dropped);
    EXPECT_GE(notices, 1u);
    EXPECT_LE(notices, 2u);
    // The newest lines are the ones kept.
    EXPECT_NE(text.find("reason=" + std::to_string(many - 1) + '\n'), std::string::npos);
}

TEST(log, a_reader_that_is_gone_ends_nothing) {
    pipe_ends ends;
    ends.close_read();
    const stderr_into there(ends.write_end());
    telemetry::log log({});
    for (int i = 0; i < 10; ++i)
        log.observe(base::observed::draining{"x"});
}

TEST(line_writer, gives_up_on_a_stalled_reader_once_it_is_stopped) {
    using std::chrono::steady_clock;
    pipe_ends ends;
    telemetry::line_writer writer(ends.write_end(), std::chrono::milliseconds(20));
    writer.stop();
    const auto begun = steady_clock::now();
    for (int i = 0; i < 100; ++i) // more than a pipe holds
        writer.write(std::string(10'000, 'x') + '\n');
    EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(2));
    ends.close_write();
    EXPECT_GE(ends.read_all().size(), 4096u);
}

TEST(line_writer, writes_lines_larger_than_a_pipe_whole) {
    pipe_ends ends;
    std::string text;
    std::thread reader([&ends, &text] { text = ends.read_all(); });
    const std::string line = std::string(300'000, 'y') + '\n';
    telemetry::line_writer writer(ends.write_end(), std::chrono::seconds(1));
    writer.write(line);
    ends.close_write();
    reader.join();
    EXPECT_EQ(text, line);
}

} // namespace
