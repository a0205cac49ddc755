#include "ws/deadline.hpp"

namespace ws {

deadline::deadline(tcp_socket& socket) : state_(std::make_shared<state>(socket)) {}

deadline::~deadline() {
    state_->socket = nullptr;
    state_->timer.cancel();
}

void deadline::start(std::chrono::milliseconds delay, action then) {
    state_->then = then;
    state_->passed = false;
    state_->timer.expires_after(delay);
    state_->timer.async_wait([state = state_](error_code error) {
        const bool set_anew = state->timer.expiry() > std::chrono::steady_clock::now();
        if (error || set_anew || !state->socket)
            return;
        state->passed = true;
        error_code ignored;
        if (state->then == action::close)
            state->socket->close(ignored);
        else
            state->socket->cancel(ignored);
    });
}

void deadline::stop() {
    state_->timer.expires_at(asio::steady_timer::time_point::max());
}

} // namespace ws
