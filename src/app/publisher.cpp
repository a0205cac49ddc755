#include "app/publisher.hpp"

#include "app/group_by_role.hpp"
#include "app/publish_failure.hpp"

#include <algorithm>
#include <iterator>

namespace app {

namespace {

/// How long a publish may wait for Postgres to come back before its client is told.
constexpr std::chrono::seconds patience{5};

/// How many connections a publish may break before it is taken for the reason (a trigger that
/// crashes the server, say) and not sent any more.
constexpr unsigned most_broken = 3;

using clock = std::chrono::steady_clock;

} // namespace

publisher::publisher(asio::io_context& context, const database_options& options, std::size_t shards,
                     base::observer& observer, reply reply)
    : observer_(observer),
      reply_(std::move(reply)),
      connection_(context, options.dsn, "publish", observer),
      receipts_(shards),
      wake_(context),
      idle_(context) {}

void publisher::submit(std::vector<publish_request> requests) {
    for (publish_request& request : requests) {
        std::size_t bytes = request.channel.size() + request.data.size() + 256;
        if (request.role != nullptr) {
            bytes += request.role->claims.size();
        }
        if (draining_) {
            settle(std::move(request),
                   base::failure{base::errc::unavailable, "the server is going away; send it again "
                                                          "after reconnecting"});
        } else if (!queue_.has_room(bytes)) {
            settle(std::move(request),
                   base::failure{base::errc::unavailable,
                                 "too many publishes are waiting for the database; send it again"});
        } else {
            queue_.push(std::move(request), bytes);
        }
    }
    flush_receipts();
    wake_.notify();
}

asio::awaitable<void> publisher::run() {
    while (!stopping_) {
        refuse_breakers();
        const bool open = co_await ensure_open();
        if (!open) {
            refuse_expired();
            continue;
        }
        batch items = in_doubt_.empty() ? queue_.take() : std::exchange(in_doubt_, {});
        if (items.empty()) {
            idle_.notify();
            co_await wake_.wait();
            continue;
        }
        in_flight_ = items.size();
        co_await publish_all(std::move(items));
        in_flight_ = 0;
    }
    batch left = std::exchange(in_doubt_, {});
    std::ranges::move(queue_.take_while([](const auto&) { return true; }),
                      std::back_inserter(left));
    refuse(left, {base::errc::unavailable, "the server is going away; send it again"});
    idle_.notify();
}

asio::awaitable<bool> publisher::ensure_open() {
    if (!connection_.is_open()) {
        prepared_ = false;
        const bool opened = co_await connection_.open();
        if (!opened) {
            co_return false;
        }
    }
    if (prepared_) {
        co_return true;
    }
    pg::message_store store(*connection_);
    const auto prepared = co_await store.prepare_to_publish();
    if (prepared) {
        prepared_ = true;
        co_return true;
    }
    if (!stopping_) {
        if (prepared.error().what == pg::error::kind::lost) {
            connection_.lost(prepared.error());
        } else {
            // Another connection would be refused as well.
            report("nothing can be published: " + prepared.error().message);
        }
    }
    co_await pause(std::chrono::milliseconds(500));
    co_return false;
}

asio::awaitable<void> publisher::publish_all(batch items) {
    std::vector<batch> groups = group_by_role(std::move(items));
    for (batch& group : groups) {
        if (connection_.is_open()) {
            co_await publish_batch(std::move(group));
            flush_receipts();
        } else {
            std::ranges::move(group, std::back_inserter(in_doubt_));
        }
    }
}

asio::awaitable<pg::outcome<std::vector<pg::stored>>> publisher::store(const batch& items) {
    std::vector<pg::publish_item> rows;
    rows.reserve(items.size());
    for (const publish_request& item : items) {
        rows.push_back({item.id, item.channel, item.data, item.sender});
    }
    pg::message_store store(*connection_);
    const std::shared_ptr<const acting_as> role = items.front().role;
    if (role != nullptr) {
        co_return co_await store.publish_as(role->role, role->claims, rows);
    }
    co_return co_await store.publish(rows);
}

/// All of these go as one role.
asio::awaitable<void> publisher::publish_batch(batch items) {
    const auto begun = clock::now();
    const auto stored = co_await store(items);
    if (stored) {
        const auto rows_stored =
            std::ranges::count(*stored, pg::stored::fate::inserted, &pg::stored::what);
        observer_.observe(base::observed::publish_batch{
            static_cast<std::size_t>(rows_stored), 0,
            std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begun)});
        answer(items, *stored);
        co_return;
    }
    const pg::error& why = stored.error();
    if (why.what == pg::error::kind::lost) {
        // It may be committed: sent again under the same ids, what is there already is found.
        for (publish_request& item : items) {
            ++item.broken;
        }
        in_doubt_ = std::move(items);
        if (!stopping_) {
            connection_.lost(why);
        }
        co_return;
    }
    if (why.is_read_only()) {
        connection_.lost(why); // a standby: ask the hosts of the DSN again for the primary
    }
    if (connection_.is_open() && items.size() > 1 && may_be_one_row(why)) {
        co_await publish_halves(std::move(items));
        co_return;
    }
    observer_.observe(base::observed::publish_batch{
        0, items.size(),
        std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begun)});
    const bool as_role = items.front().role != nullptr;
    if (as_role && (why.is_role() || why.is_schema())) {
        report(why.message);
    }
    refuse(items, failure_of(why, as_role));
}

/// What an operator must mend, be it a right, a role or a function of a policy. Once a minute for
/// each.
void publisher::report(const std::string& problem) {
    constexpr std::size_t most = 64;
    const auto now = clock::now();
    if (reported_.size() == most) {
        reported_.clear();
    }
    const auto [told, first] = reported_.try_emplace(problem, now);
    if (first || now - told->second >= std::chrono::minutes(1)) {
        told->second = now;
        observer_.observe(base::observed::postgres_unusable{"publish", problem});
    }
}

/// Halves the batch until the bad row stands alone: log2(n) statements for one bad row.
asio::awaitable<void> publisher::publish_halves(batch items) {
    const auto middle = items.begin() + static_cast<std::ptrdiff_t>(items.size() / 2);
    batch second(std::make_move_iterator(middle), std::make_move_iterator(items.end()));
    items.erase(middle, items.end());
    co_await publish_batch(std::move(items));
    if (connection_.is_open()) {
        co_await publish_batch(std::move(second));
    } else {
        std::ranges::move(second, std::back_inserter(in_doubt_));
    }
}

void publisher::answer(batch& items, const std::vector<pg::stored>& fates) {
    const auto now = clock::now();
    for (std::size_t i = 0; i < items.size(); ++i) {
        publish_request& item = items[i];
        const pg::stored& fate = fates[i];
        observer_.observe(base::observed::publish_latency{
            std::chrono::duration_cast<std::chrono::microseconds>(now - item.arrived)});
        if (fate.what == pg::stored::fate::conflict) {
            settle(std::move(item), base::failure{base::errc::conflict,
                                                  "a message with this id and another channel, "
                                                  "sender or data is stored; choose a new id"});
            continue;
        }
        wire::ok ok;
        ok.ref = item.ref;
        ok.id = item.id;
        ok.seq = fate.seq;
        // One of our own, sent again after the connection broke, is no duplicate to its client.
        ok.duplicate = fate.what == pg::stored::fate::duplicate && item.broken == 0;
        settle(std::move(item), std::move(ok));
    }
}

void publisher::refuse(batch& items, const base::failure& failure) {
    for (publish_request& item : items) {
        settle(std::move(item), failure);
    }
    flush_receipts();
}

void publisher::refuse_in_doubt(const std::function<bool(const publish_request&)>& which) {
    batch doubtful;
    std::erase_if(in_doubt_, [&](publish_request& item) {
        if (!which(item)) {
            return false;
        }
        doubtful.push_back(std::move(item));
        return true;
    });
    refuse(doubtful, {base::errc::unavailable,
                      "the database went away while storing this message, it may or may not be "
                      "stored; send it again with the same id to find out"});
}

/// Those that come behind them must not wait for ever.
void publisher::refuse_breakers() {
    refuse_in_doubt([](const publish_request& item) { return item.broken >= most_broken; });
}

void publisher::refuse_expired() {
    const auto oldest = clock::now() - patience;
    const auto expired = [&](const publish_request& item) {
        return item.arrived < oldest || draining_;
    };
    refuse_in_doubt(expired);
    batch waiting = queue_.take_while(expired);
    refuse(waiting, {base::errc::unavailable, "the database is away; send it again"});
}

void publisher::settle(publish_request&& request, base::outcome<wire::ok> answer) {
    request.data.clear();
    const std::size_t shard = request.shard;
    receipts_[shard].push_back({std::move(request), std::move(answer)});
}

void publisher::flush_receipts() {
    for (std::size_t shard = 0; shard < receipts_.size(); ++shard) {
        if (!receipts_[shard].empty()) {
            reply_(shard, std::exchange(receipts_[shard], {}));
        }
    }
}

asio::awaitable<void> publisher::drain(clock::time_point deadline) {
    draining_ = true;
    while (waiting() > 0 || !in_doubt_.empty()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now());
        if (left.count() <= 0) {
            co_return;
        }
        co_await idle_.wait_for(std::min(left, std::chrono::milliseconds(100)));
    }
}

void publisher::stop() {
    stopping_ = true;
    connection_.close();
    wake_.notify();
}

} // namespace app
