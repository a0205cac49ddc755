#include "telemetry/log.hpp"

#include "telemetry/line_writer.hpp"
#include "telemetry/log_line.hpp"

#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>

#include <csignal>

#include <unistd.h>

namespace telemetry {

namespace {

constexpr std::size_t waiting_lines = 8192;
constexpr std::chrono::milliseconds patience_at_end{1000};

using line_format = std::string (*)(const line&, wall_time);

/// Runs on the logger's one thread, so it needs no lock.
class stderr_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
public:
    stderr_sink(line_format render, spdlog::details::thread_pool& queue)
        : render_(render),
          queue_(queue) {}

    void stop() { writer_.stop(); }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (const auto dropped = queue_.overrun_counter(); dropped != told_) {
            const line notice{level::warn,
                              "log_lines_dropped",
                              "stderr was read too slowly, log lines are lost",
                              {{"lines", static_cast<std::int64_t>(dropped - told_)}}};
            told_ = dropped;
            writer_.write(render_(notice, std::chrono::system_clock::now()) + '\n');
        }
        std::string text(message.payload.data(), message.payload.size());
        writer_.write(text += '\n');
    }
    void flush_() override {}

private:
    line_format render_;
    spdlog::details::thread_pool& queue_;
    line_writer writer_{STDERR_FILENO, patience_at_end};
    std::size_t told_ = 0;
};

/// The daemon's signals are for its own threads; a SIGPIPE of a closed stderr must end nothing.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

} // namespace

struct log::impl {
    explicit impl(const log_options& options)
        : least(options.level),
          render(options.format == format::json ? as_json : as_text),
          queue(std::make_shared<spdlog::details::thread_pool>(waiting_lines, 1, block_signals)),
          sink(std::make_shared<stderr_sink>(render, *queue)),
          logger(std::make_shared<spdlog::async_logger>(
              "pgherald", sink, queue, spdlog::async_overflow_policy::overrun_oldest)) {
        logger->set_error_handler([](const std::string&) {});
    }

    level least;
    line_format render;
    std::shared_ptr<spdlog::details::thread_pool> queue;
    std::shared_ptr<stderr_sink> sink;
    std::shared_ptr<spdlog::async_logger> logger;
};

log::log(const log_options& options) : impl_(std::make_unique<impl>(options)) {}

log::~log() {
    finish();
}

void log::finish() {
    // The queue's thread works off what waits before it ends, and the sink must outlive it.
    impl_->sink->stop();
    impl_->queue.reset();
}

void log::observe(const base::observation& what) {
    if (level_of(what) < impl_->least)
        return;
    // The level was decided; spdlog sees only finished lines.
    impl_->logger->log(spdlog::level::info,
                       impl_->render(line_of(what), std::chrono::system_clock::now()));
}

std::uint64_t log::dropped() const {
    return impl_->queue->overrun_counter();
}

} // namespace telemetry
