#include "pg/connector.hpp"

#include "pg/result.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace pg {

namespace {

/// What the coroutine and its helper thread share; whoever is last cleans up.
class attempt {
public:
    explicit attempt(conninfo to)
        : to_(std::move(to)),
          event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    attempt(const attempt&) = delete;
    attempt& operator=(const attempt&) = delete;
    ~attempt() {
        PQfinish(made_.load());
        if (event_ >= 0)
            ::close(event_);
    }

    void run() {
        std::vector<const char*> keywords;
        std::vector<const char*> values;
        for (std::size_t i = 0; i < to_.keywords.size(); ++i) {
            keywords.push_back(to_.keywords[i].c_str());
            values.push_back(to_.values[i].c_str());
        }
        keywords.push_back(nullptr);
        values.push_back(nullptr);
        made_ = PQconnectdbParams(keywords.data(), values.data(), 0);
        const std::uint64_t one = 1;
        // Can't fail: the counter is at 0.
        [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
    }

    /// A descriptor of the caller's own that becomes readable when run() is through; -1 for none
    /// left.
    int event() const { return event_ < 0 ? -1 : ::fcntl(event_, F_DUPFD_CLOEXEC, 0); }
    pgconn_ptr take() { return pgconn_ptr(made_.exchange(nullptr)); }

private:
    conninfo to_;
    int event_;
    std::atomic<PGconn*> made_{nullptr};
};

/// The helper threads of this process. Never destroyed: a thread may outlast main.
struct helper_threads {
    std::mutex mutex;
    std::condition_variable ended;
    int count = 0;
    std::chrono::seconds longest{0};

    static helper_threads& all() {
        static auto* const threads = new helper_threads;
        return *threads;
    }
};

/// Part of each io_context that connects: when that ends, it waits for the helper threads. One that
/// is inside libpq or OpenSSL while the process runs its exit handlers could crash it.
class helpers : public asio::execution_context::service {
public:
    using key_type = helpers;
    inline static asio::execution_context::id id;

    explicit helpers(asio::execution_context& owner) : service(owner) {}

    void start(std::shared_ptr<attempt> what, std::chrono::seconds may_take) {
        helper_threads& threads = helper_threads::all();
        const std::lock_guard lock(threads.mutex);
        std::thread([what = std::move(what), &threads]() mutable {
            what->run();
            what.reset();
            std::unique_lock ending(threads.mutex);
            --threads.count;
            std::notify_all_at_thread_exit(threads.ended, std::move(ending));
        }).detach();
        ++threads.count;
        threads.longest = std::max(threads.longest, may_take);
    }

private:
    // Several dead hosts take several times as long, and resolving has no limit at all; the
    // program's end doesn't wait for that.
    void shutdown() override {
        helper_threads& threads = helper_threads::all();
        std::unique_lock lock(threads.mutex);
        threads.ended.wait_for(lock, threads.longest + std::chrono::seconds(1),
                               [&threads] { return threads.count == 0; });
    }
};

error lost(std::string message) {
    return {error::kind::lost, "", std::move(message)};
}

} // namespace

asio::awaitable<outcome<pgconn_ptr>> connect(asio::io_context& context, conninfo to) {
    const auto may_take = to.connect_timeout;
    auto shared = std::make_shared<attempt>(std::move(to));
    const int event = shared->event();
    if (event < 0)
        co_return lost(std::string("can't connect: ") + std::strerror(errno));
    asio::posix::stream_descriptor done(context, event);
    try {
        asio::use_service<helpers>(static_cast<asio::execution_context&>(context))
            .start(shared, may_take);
    } catch (const std::system_error& failure) {
        co_return lost(std::string("can't start a thread to connect: ") + failure.what());
    }
    boost::system::error_code failed;
    co_await done.async_wait(asio::posix::stream_descriptor::wait_read,
                             asio::redirect_error(asio::use_awaitable, failed));
    pgconn_ptr made = shared->take();
    if (!made)
        co_return lost("connecting was broken off");
    if (PQstatus(made.get()) != CONNECTION_OK) {
        co_return lost(one_line(PQerrorMessage(made.get())));
    }
    co_return made;
}

} // namespace pg
