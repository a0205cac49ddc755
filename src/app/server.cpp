#include "app/server.hpp"

#include "app/notify_systemd.hpp"
#include "app/signal.hpp"
#include "app/spawn.hpp"
#include "base/exit_code.hpp"
#include "config/checks.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <utility>

namespace app {

namespace {

std::size_t shard_count(unsigned threads) {
    return threads > 0 ? threads : std::max(std::thread::hardware_concurrency(), 1U);
}

shard_options shard_options_of(const config::settings& settings, std::size_t number,
                               const std::string& version) {
    shard_options options;
    options.number = number;
    options.tail_bytes = settings.messages.tail;
    options.socket.max_frame = settings.websocket.max_frame;
    options.socket.outbox_bytes = settings.websocket.outbox;
    options.socket.ping_interval = settings.websocket.ping_interval;
    options.socket.compression = settings.websocket.compression;
    options.max_publish_bytes = settings.messages.max_delivery;
    options.server_name = "pgherald/" + version;
    return options;
}

} // namespace

database_options database_options_of(const config::settings& settings) {
    database_options options;
    const auto& listen_dsn = settings.postgres.listen_dsn;
    options.dsn = std::make_shared<std::string>(settings.postgres.dsn);
    options.listen_dsn =
        listen_dsn.empty() ? options.dsn : std::make_shared<std::string>(listen_dsn);
    options.migrate = settings.postgres.migrate;
    options.replay_connections = settings.postgres.replay_connections;
    options.max_delivery = settings.messages.max_delivery;
    options.canary_interval = settings.postgres.canary_interval;
    options.start_timeout = settings.postgres.start_timeout;
    return options;
}

server::server(const config::settings& settings, read_settings read, base::observer& observer,
               telemetry::log& log, const telemetry::metrics& metrics, const std::string& version)
    : observer_(observer),
      log_(log),
      metrics_(metrics),
      settings_(settings),
      read_settings_(std::move(read)),
      max_sessions_(settings.server.max_sessions),
      database_(database_options_of(settings)),
      context_(1),
      tail_loop_(
          context_, database_, observer,
          [this](const batch_ptr& batch) {
              if (batch->restart) {
                  log_changed(*batch);
              }
              for (const auto& shard : shards_) {
                  shard->hand(batch);
              }
          },
          [this](tail_loop::fatal why) { give_up(std::move(why)); }),
      publisher_(context_, database_, shard_count(settings.server.threads), observer,
                 [this](std::size_t number, std::vector<publish_receipt> receipts) {
                     shards_[number]->hand(std::move(receipts));
                 }),
      replay_(context_, database_, observer),
      consumers_(context_, database_, settings.messages.consumer_grace, replay_, observer),
      token_keys_(context_, observer, [this](auth::key_set keys) { use(std::move(keys)); }),
      acceptor_(context_, settings.server.listen),
      signals_(context_, SIGTERM, SIGINT, SIGHUP) {
    const shard::outlets outlets{[this](std::vector<publish_request> requests) {
                                     asio::post(context_,
                                                [this, requests = std::move(requests)]() mutable {
                                                    publisher_.submit(std::move(requests));
                                                });
                                 },
                                 [this](std::vector<consumer_news> news) {
                                     asio::post(context_, [this, news = std::move(news)]() mutable {
                                         consumers_.take(std::move(news));
                                     });
                                 }};
    for (std::size_t i = 0; i < shard_count(settings.server.threads); ++i) {
        shards_.push_back(std::make_unique<shard>(shard_options_of(settings, i, version), observer,
                                                  replay_, consumers_, token_keys_, outlets));
    }
    if (settings.messages.retention) {
        const retention::rules rules{*settings.messages.retention,
                                     settings.messages.consumer_grace};
        retention_.emplace(context_, database_, rules, observer);
    }
    http_.ready = [this] { return ready(); };
    http_.metrics = [this] { return render_metrics(); };
    http_.enter = [this](place where) { return enter(where); };
    http_.leave = [this](place where) { leave(where); };
}

server::~server() = default;

int server::run() {
    std::signal(SIGPIPE, SIG_IGN);
    if (!load()) {
        return base::exit_code::configuration;
    }
    for (const auto& shard : shards_) {
        shard->start();
    }
    spawn(context_, tail_loop_.run());
    spawn(context_, consumers_.run());
    if (retention_) {
        spawn(context_, retention_->run());
    }
    spawn(context_, token_keys_.run());
    spawn(context_, accept());
    spawn(context_, watch_signals());
    observer_.observe(base::observed::listening{acceptor_.local_address()});
    if (settings_.auth.insecure && settings_.auth.mode == config::auth_mode::none &&
        !config::is_loopback(settings_.server.listen)) {
        observer_.observe(base::observed::open_to_all{acceptor_.local_address()});
    }
    notify_systemd("READY=1\nSTATUS=listening on " + acceptor_.local_address());
    context_.run();
    for (const auto& shard : shards_) {
        shard->stop();
    }
    for (const auto& shard : shards_) {
        shard->join();
    }
    // What shards asked of this side in their last moments is answered, into their closed doors.
    context_.restart();
    context_.poll();
    return exit_code_;
}

/// From the first contact on there is a schema to publish into.
void server::log_changed(const batch& batch) {
    consumers_.log_changed(batch.log, batch.position);
    if (!std::exchange(publishing_, true)) {
        spawn(context_, publisher_.run());
    }
}

void server::give_up(tail_loop::fatal why) {
    exit_code_ = why.exit_code;
    if (!stopping_) {
        spawn(context_, drain(std::move(why.message)));
    }
}

asio::awaitable<void> server::watch_signals() {
    // A signal that came just before the last cancel() leaves nothing for it to cancel.
    while (!drained_) {
        const auto [error, number] =
            co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return;
        }
        if (number == SIGHUP) {
            reload();
        } else if (stopping_) {
            // Asked twice: whoever asks wants it gone, not clean.
            observer_.observe(base::observed::drain_ended{number});
            log_.finish();
            std::_Exit(exit_code_ != 0 ? exit_code_ : 128 + number);
        } else {
            spawn(context_,
                  drain(number == SIGTERM ? std::string("SIGTERM") : std::string("SIGINT")));
        }
    }
}

/// Stop accepting, finish publishes, flush and close sessions, store what they acknowledged until
/// then, close the connections.
asio::awaitable<void> server::drain(std::string reason) {
    stopping_ = true;
    observer_.observe(base::observed::draining{reason});
    notify_systemd("STOPPING=1");
    const auto deadline = std::chrono::steady_clock::now() + settings_.server.drain_timeout;
    acceptor_.close();
    if (retention_) {
        retention_->stop();
    }
    token_keys_.stop();
    co_await publisher_.drain(deadline);
    const std::size_t cut = co_await drain_shards(deadline);
    co_await consumers_.drain(deadline);
    publisher_.stop();
    tail_loop_.stop();
    replay_.stop();
    consumers_.stop();
    drained_ = true;
    signals_.cancel();
    // What still holds this up (a fetch of keys, say) ends by a second signal as well.
    boost::system::error_code ignored;
    signals_.remove(SIGTERM, ignored);
    signals_.remove(SIGINT, ignored);
    observer_.observe(base::observed::drained{cut});
}

/// All at once. Returns how many sessions were cut.
asio::awaitable<std::size_t> server::drain_shards(std::chrono::steady_clock::time_point deadline) {
    std::size_t draining = shards_.size();
    std::size_t cut = 0;
    signal drained(context_);
    const auto drain_one = [&](shard& one) -> asio::awaitable<void> {
        cut += co_await run_on(one.context(), one.drain(deadline));
        --draining;
        drained.notify();
    };
    for (const auto& shard : shards_) {
        spawn(context_, drain_one(*shard));
    }
    while (draining > 0) {
        co_await drained.wait();
    }
    co_return cut;
}

asio::awaitable<bool> server::ready() {
    const auto look = [this]() -> asio::awaitable<bool> {
        const base::tail_state state = tail_loop_.state();
        co_return !stopping_ && state.listening && state.caught_up;
    };
    co_return co_await run_on(context_, look());
}

asio::awaitable<std::string> server::render_metrics() {
    // Begun on a shard's thread: all of this side is looked at over here.
    base::shard_counts mine;
    const auto look = [this, &mine]() -> asio::awaitable<base::tail_state> {
        mine = counts_;
        base::tail_state state = tail_loop_.state();
        state.publish_queue = publisher_.waiting();
        state.replay_reads = replay_.reads();
        co_return state;
    };
    const base::tail_state state = co_await run_on(context_, look());
    std::vector<base::shard_counts> counts{mine};
    for (const auto& shard : shards_) {
        const auto count = [](app::shard& one) -> asio::awaitable<base::shard_counts> {
            co_return one.snapshot();
        };
        counts.push_back(co_await run_on(shard->context(), count(*shard)));
    }
    co_return metrics_.render(counts, state, log_.dropped());
}

} // namespace app
