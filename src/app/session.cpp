#include "app/session.hpp"

#include "app/message_frame.hpp"
#include "app/spawn.hpp"
#include "app/tell_fault.hpp"
#include "core/uuid.hpp"
#include "wire/decode.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace app {

session::session(shard& shard, ws::socket socket, std::string peer, identity_ptr who)
    : shard_(shard),
      socket_(std::move(socket)),
      id_(core::make_uuid()),
      peer_(std::move(peer)),
      who_(std::move(who)) {
    shard_.add(*this);
    const policy& policy = *shard_.policy();
    if (policy.limits.first_frame_timeout.count() > 0) {
        clock_.first_frame_by(std::chrono::steady_clock::now() + policy.limits.first_frame_timeout);
    }
    if (who_ != nullptr) {
        clock_.expires_at(who_->expires);
    } else {
        await_token();
    }
    set_clock();
    ++shard_.counts().sessions_total;
    shard_.observer().observe(base::observed::session_opened{id_, peer_});
}

session::~session() {
    for (const auto& [channel, who] : subscriptions_) {
        let_go(*who);
    }
    shard_.wake(*this, wakes_at_, core::session_clock::never);
    shard_.remove(*this);
    const ws::ending ending = socket_.ending();
    constexpr auto too_large = static_cast<std::uint16_t>(wire::close_code::frame_too_large);
    if (ending.code == too_large && !ending.by_peer) {
        shard_.limited(base::limit::frame_size);
    }
    shard_.observer().observe(base::observed::session_closed{id_, ending.code, ending.reason});
}

asio::awaitable<void> session::run() {
    welcome();
    if (shard_.draining()) {
        close(wire::close_code::restart); // it began while this one was on its way
    }
    while (true) {
        const auto incoming = co_await socket_.read();
        if (!incoming) {
            closing_ = true; // what is still under way for it asks for nothing more
            co_return;
        }
        ++shard_.counts().frames_in;
        shard_.counts().bytes_in += incoming->bytes.size();
        if (closing_) {
            continue; // what comes behind our close frame is not acted on, only the answer counts
        }
        clock_.heard();
        set_clock();
        if (incoming->binary) {
            bad_frame({}, {base::errc::malformed, "frames are text; this one is binary"});
        } else {
            auto rest = handle(incoming->bytes);
            if (rest) {
                co_await std::move(*rest);
            }
        }
        // A client that asks for much and reads nothing waits here; one that only reads its
        // messages slowly is still heard, since those alone never fill twice the outbox.
        if (holds_too_much()) {
            co_await asio::post(shard_.context(), asio::use_awaitable); // they leave with this turn
            if (holds_too_much()) {
                shard_.limited(base::limit::unread_replies);
                co_await socket_.room();
            }
        }
    }
}

bool session::holds_too_much() const {
    return socket_.held_bytes() > 2 * shard_.options().socket.outbox_bytes;
}

std::optional<asio::awaitable<void>> session::handle(std::string_view text) {
    auto frame = wire::decode(text);
    if (!frame) {
        bad_frame(frame.error().ref, frame.error().failure);
        return std::nullopt;
    }
    if (too_fast(frames_, shard_.policy()->limits.frames_per_second, base::limit::frames,
                 frame->ref)) {
        return std::nullopt;
    }
    const auto dispatch = [this, &frame](auto& verb) -> std::optional<asio::awaitable<void>> {
        if constexpr (std::is_void_v<decltype(handle(frame->ref, std::move(verb)))>) {
            handle(frame->ref, std::move(verb));
            return std::nullopt;
        } else {
            return handle(std::move(frame->ref), std::move(verb));
        }
    };
    return std::visit(dispatch, frame->verb);
}

void session::welcome() {
    const auto& options = shard_.options();
    wire::welcome frame;
    frame.session = id_;
    frame.epoch = shard_.log()->text();
    frame.head = shard_.position();
    frame.auth_required = shard_.policy()->needs_tokens && who_ == nullptr;
    frame.ping_interval_seconds = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::seconds>(options.socket.ping_interval).count());
    frame.max_frame = options.socket.max_frame;
    frame.server = options.server_name;
    send(make_frame([&](std::string& out) { wire::append_welcome(out, frame); }));
}

/// `frames`: how many were joined.
void session::send(base::frame_ptr frame, std::size_t frames) {
    shard_.counts().frames_out += frames;
    shard_.counts().bytes_out += frame->bytes().size();
    socket_.send(std::move(frame));
}

void session::answer(const wire::ok& ok) {
    send(make_frame([&](std::string& out) { wire::append_ok(out, ok); }));
}

void session::answer(const wire::ref& ref, const base::failure& failure) {
    ++shard_.counts().errors;
    if (failure.code == base::errc::unauthorized || failure.code == base::errc::forbidden) {
        ++shard_.counts().denied;
    }
    send(make_frame([&](std::string& out) { wire::append_error(out, ref, failure); }));
}

/// A bad frame is answered and costs nothing else, unless they keep coming.
void session::bad_frame(const wire::ref& ref, const base::failure& failure) {
    shard_.observer().observe(
        base::observed::bad_frame{id_, std::string(base::name_of(failure.code)), failure.message});
    answer(ref, failure);
    if (strikes_.strike(std::chrono::steady_clock::now())) {
        shard_.limited(base::limit::bad_frames);
        close(wire::close_code::too_many_malformed);
    }
}

void session::close(wire::close_code code, std::chrono::milliseconds flush_time) {
    if (closing_) {
        return;
    }
    closing_ = true;
    go_on(finish(shared_from_this(), code, flush_time));
}

/// Beside run(); what fails here ends the session, so that its client comes back and gets what it
/// lacks.
void session::go_on(asio::awaitable<void> work) {
    spawn(shard_.context(), std::move(work),
          [self = shared_from_this()](const std::exception_ptr& fault) {
              if (fault) {
                  tell_fault(self->shard_.observer(), fault);
                  self->abort();
              }
          });
}

asio::awaitable<void> session::finish(std::shared_ptr<session>, wire::close_code code,
                                      std::chrono::milliseconds flush_time) {
    std::string reason(wire::reason_of(code));
    co_await socket_.close(static_cast<std::uint16_t>(code), std::move(reason), flush_time);
}

} // namespace app
