#include "app/shard.hpp"

#include "app/session.hpp"
#include "app/signal.hpp"
#include "ws/text_frame.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace app {

namespace {

/// Deliveries made in one go (2 to 3 ms) before others on this thread get their turn.
constexpr std::size_t deliveries_per_turn = 65'536;

/// A socket takes joined frames as a whole or one by one: half of an outbox as it is by default.
constexpr std::size_t bytes_of_a_run = 32 * 1024;

/// The first frames that are of one channel, at least one and at most `most`.
std::span<const base::frame_ptr> same_channel(std::span<const base::frame_ptr> frames,
                                              std::size_t most) {
    std::size_t bytes = frames.front()->bytes().size();
    const auto end = std::ranges::find_if(
        frames.first(std::min(most, frames.size())).subspan(1), [&](const auto& each) {
            bytes += each->bytes().size();
            return bytes > bytes_of_a_run || each->channel() != frames.front()->channel();
        });
    return {frames.begin(), end};
}

} // namespace

shard::shard(const shard_options& options, base::observer& observer, app::replay& replay,
             app::consumers& consumers, token_keys& keys, outlets outlets)
    : options_(options),
      observer_(observer),
      replay_(replay),
      consumers_(consumers),
      keys_(keys),
      outlets_(std::move(outlets)),
      tail_(options.tail_bytes),
      context_(1),
      turn_(context_),
      alarm_(context_),
      work_(context_.get_executor()) {}

shard::~shard() {
    stop();
    join();
}

void shard::start() {
    thread_ = std::thread([this] { context_.run(); });
}

void shard::stop() {
    // Drained, what is left are connections that never became sessions.
    context_.stop();
}

void shard::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void shard::hand(batch_ptr batch) {
    asio::post(context_, [this, batch = std::move(batch)]() mutable {
        batches_.push_back(std::move(batch));
        if (batches_.size() == 1) {
            deliver();
        }
    });
}

void shard::hand(std::vector<publish_receipt> receipts) {
    asio::post(context_, [receipts = std::move(receipts)]() mutable {
        for (publish_receipt& receipt : receipts) {
            if (const auto to = receipt.request.from.lock()) {
                to->take_receipt(std::move(receipt));
            }
        }
    });
}

void shard::hand(policy_ptr policy) {
    asio::post(context_, [this, policy = std::move(policy)]() mutable {
        const policy_ptr before = std::exchange(policy_, std::move(policy));
        for (session* who : sessions_) {
            who->policy_changed(*before);
        }
    });
}

/// Fans out what was handed in, in order, giving way after every deliveries_per_turn.
void shard::deliver() {
    std::size_t made = 0;
    while (!batches_.empty()) {
        const batch& now = *batches_.front();
        if (!std::exchange(begun_, true)) {
            begin(now);
        }
        while (next_frame_ < now.frames.size()) {
            if (made >= deliveries_per_turn) {
                asio::post(context_, [this] { deliver(); });
                return;
            }
            const auto left = std::span(now.frames).subspan(next_frame_);
            const auto receivers = hub_.on(left.front()->channel());
            const std::size_t cost = 1 + receivers.size();
            const auto frames =
                same_channel(left, std::max<std::size_t>(deliveries_per_turn / cost, 1));
            next_frame_ += frames.size();
            position_ = frames.back()->seq();
            std::ranges::for_each(frames, [this](const auto& frame) { tail_.push(frame); });
            const bool worth_joining = receivers.size() > 1 && frames.size() > 1;
            const base::frame_run run{frames, worth_joining ? ws::join_frames(frames) : nullptr};
            // One after the other all of them: what belongs to a subscription is slow to fetch and
            // quick to use again.
            for (core::subscriber* const who : receivers) {
                who->offer(run);
            }
            made += frames.size() * cost;
        }
        position_ = now.position;
        next_frame_ = 0;
        begun_ = false;
        batches_.pop_front();
    }
}

/// What must be known before the batch's first frame.
void shard::begin(const batch& batch) {
    if (batch.restart) {
        const auto before = std::exchange(log_, batch.log);
        tail_.reset(batch.position);
        position_ = batch.position;
        const bool other = before && before->text() != log_->text();
        const base::seq good_upto = other ? log_->good_upto(before->text()) : position_;
        const auto otherwise = other ? base::reset_reason::epoch : base::reset_reason::ahead;
        for (session* who : sessions_) {
            who->log_changed(other, good_upto, otherwise);
        }
    }
    for (const removal& each : batch.removals) {
        tail_.lacks(each.channel, each.upto);
        hub_.removed(each.channel, each.upto);
    }
}

void shard::wake(session& who, core::session_clock::time_point before,
                 core::session_clock::time_point next) {
    constexpr auto never = core::session_clock::never;
    if (before == next) {
        return;
    }
    if (before != never) {
        waking_.erase({before, &who});
    }
    if (next != never) {
        waking_.insert({next, &who});
        set_alarm();
    }
}

/// An alarm that comes too early finds nothing due and is set again; none is ever late.
void shard::set_alarm() {
    if (waking_.empty() || waking_.begin()->first >= alarm_at_) {
        return;
    }
    alarm_at_ = waking_.begin()->first;
    alarm_.expires_at(alarm_at_);
    alarm_.async_wait([this](boost::system::error_code error) {
        if (!error) {
            alarm();
        }
    });
}

void shard::alarm() {
    alarm_at_ = core::session_clock::never;
    const auto now = core::session_clock::time_point::clock::now();
    while (!waking_.empty() && waking_.begin()->first <= now) {
        waking_.begin()->second->due(now);
    }
    set_alarm();
}

void shard::tell(consumer_news news) {
    news_.push_back(std::move(news));
    if (news_.size() == 1) {
        asio::post(context_, [this] { send_news(); });
    }
}

void shard::send_news() {
    if (!news_.empty()) {
        outlets_.consumers(std::exchange(news_, {}));
    }
}

void shard::publish(publish_request request) {
    request.shard = options_.number;
    published_.push_back(std::move(request));
    if (published_.size() == 1) {
        asio::post(context_, [this] { outlets_.publish(std::exchange(published_, {})); });
    }
}

base::shard_counts shard::snapshot() const {
    base::shard_counts now = counts_;
    now.sessions = sessions_.size();
    now.subscriptions = hub_.subscriptions();
    now.channels = hub_.channels();
    now.tail_bytes = tail_.bytes();
    return now;
}

asio::awaitable<std::size_t> shard::drain(std::chrono::steady_clock::time_point deadline) {
    draining_ = true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    for (session* who : sessions_) {
        who->close(wire::close_code::restart, left);
    }
    while (!sessions_.empty() && std::chrono::steady_clock::now() < deadline) {
        co_await pause(std::chrono::milliseconds(5));
    }
    const std::size_t cut = sessions_.size();
    for (session* who : sessions_) {
        who->abort();
    }
    send_news(); // before the consumers' side is told that this was all
    co_return cut;
}

} // namespace app
