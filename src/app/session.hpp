#pragma once

#include "app/policy.hpp"
#include "app/shard.hpp"
#include "core/hub.hpp"
#include "core/rate_limit.hpp"
#include "core/session_clock.hpp"
#include "core/strikes.hpp"
#include "core/subscription.hpp"
#include "core/turns.hpp"
#include "wire/close_code.hpp"
#include "wire/frames.hpp"
#include "ws/socket.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace app {

/// One client's life on one socket: reads frames, answers them, gives its subscriptions what their
/// cursors lack (session_pump.cpp), and as much as its token allows (session_access.cpp). The verbs
/// are in handle_*.cpp, one file each.
/// Owner: its connection's coroutine (app/connection.cpp). Thread: the shard's. Lifetime: run();
/// work still under way elsewhere holds it weakly.
class session : public std::enable_shared_from_this<session> {
public:
    /// `who` null: no token came with the handshake.
    session(shard& shard, ws::socket socket, std::string peer, identity_ptr who);
    ~session();
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// From welcome to the end of the socket.
    asio::awaitable<void> run();

    void take_receipt(publish_receipt receipt);

    /// The shard's log is another one, or ends earlier: cursors are good up to `good_upto`.
    void log_changed(bool other_epoch, base::seq good_upto, base::reset_reason otherwise);

    /// The shard's policy is another one.
    void policy_changed(const policy& before);

    /// What was asked of shard::wake().
    void due(core::session_clock::time_point now);

    /// Closes once, the first code wins; run() returns soon after. `flush_time`: for what was sent
    /// before.
    void close(wire::close_code code, std::chrono::milliseconds flush_time = {});
    void abort() { socket_.abort(); }

private:
    struct held;
    using subscriptions = std::map<std::string, std::unique_ptr<held>, std::less<>>;

    /// A subscription with what ties it to this session.
    struct held final : core::subscriber, core::turns::member {
        held(session& owner, std::string_view channel, core::subscription state)
            : owner(owner),
              channel(channel),
              state(std::move(state)),
              ticket(++owner.last_ticket_) {}

        void offer(const base::frame_run& run) override;
        void removed(base::seq upto) override;

        session& owner;
        std::string channel;
        std::string consumer; ///< empty: none
        core::subscription state;
        std::uint64_t ticket; ///< tells it from a later subscription on the same channel
    };

    bool holds_too_much() const;

    /// Does what a frame asks for. Returns what is left to be awaited before the next frame: most
    /// verbs never wait, and are spared a coroutine.
    std::optional<asio::awaitable<void>> handle(std::string_view text);
    void handle(const wire::ref& ref, wire::unsubscribe verb);
    void handle(const wire::ref& ref, wire::publish verb);
    void handle(const wire::ref& ref, wire::ack verb);
    void handle(const wire::ref& ref, wire::ping verb);
    asio::awaitable<void> handle(wire::ref ref, wire::auth verb);
    asio::awaitable<void> handle(wire::ref ref, wire::history verb);
    asio::awaitable<void> handle(wire::ref ref, wire::subscribe verb);
    asio::awaitable<void> subscribe_consumer(const wire::ref& ref, wire::subscribe verb);

    void welcome();
    void send(base::frame_ptr frame, std::size_t frames = 1);
    void answer(const wire::ok& ok);
    void answer(const wire::ref& ref, const base::failure& failure);
    void bad_frame(const wire::ref& ref, const base::failure& failure);
    void go_on(asio::awaitable<void> work);
    asio::awaitable<void> finish(std::shared_ptr<session> self, wire::close_code code,
                                 std::chrono::milliseconds flush_time);

    // session_access.cpp
    bool may(auth::verb verb, const std::string& channel, const wire::ref& ref);
    bool too_fast(core::rate_limit& rate, unsigned per_second, base::limit which,
                  const wire::ref& ref);
    void become(identity_ptr who);
    void await_token();
    void review();
    subscriptions::iterator review(subscriptions::iterator which);
    void set_clock();

    // session_pump.cpp
    held& hold(const std::string& channel, core::subscription state);
    void let_go(held& who);
    /// Returns the subscription behind it.
    subscriptions::iterator end(subscriptions::iterator which);
    void tell(const held& who, consumer_news::kind what, base::seq seq);
    void line_up(held& who);
    void line_up_for_later(held& who);
    void pump();
    void serve(held& who);
    asio::awaitable<void> pump_later(std::shared_ptr<session> self);
    asio::awaitable<void> pump_when_room(std::shared_ptr<session> self);
    asio::awaitable<void> read_page(std::shared_ptr<session> self, std::string channel,
                                    std::uint64_t ticket, core::subscription::read_page ask);
    asio::awaitable<base::outcome<pg::channel_state>> ask_table(std::string channel);
    asio::awaitable<void> reset(std::shared_ptr<session> self, std::string channel,
                                std::uint64_t ticket, base::reset_reason reason);
    held* find(const std::string& channel, std::uint64_t ticket);

    shard& shard_;
    ws::socket socket_;
    std::string id_;
    std::string peer_;
    core::turns turns_;
    subscriptions subscriptions_;
    identity_ptr who_; ///< null: nobody known
    core::session_clock clock_;
    core::session_clock::time_point wakes_at_ = core::session_clock::never;
    core::rate_limit frames_;
    core::rate_limit publishes_;
    core::rate_limit tokens_;
    core::refusals refusals_;
    core::strikes strikes_;
    std::uint64_t last_ticket_ = 0;
    std::size_t publishes_in_flight_ = 0;
    bool pumps_later_ = false;
    bool waiting_for_room_ = false;
    bool closing_ = false;
};

} // namespace app
