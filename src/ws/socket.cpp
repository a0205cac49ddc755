#include "ws/socket.hpp"

#include "ws/socket_impl.hpp"

#include <utility>

namespace ws {

socket::socket(std::shared_ptr<impl> inside) : impl_(std::move(inside)) {}
socket::socket(socket&&) noexcept = default;

socket& socket::operator=(socket&& other) noexcept {
    socket old(std::exchange(impl_, std::move(other.impl_)));
    return *this;
}

socket::~socket() {
    if (impl_)
        impl_->abort();
}

asio::awaitable<boost::system::result<incoming>> socket::read() {
    return impl_->read(impl_);
}
asio::awaitable<error_code> socket::room() {
    return impl_->room(impl_);
}
asio::awaitable<error_code> socket::flushed() {
    return impl_->flushed(impl_);
}

asio::awaitable<void> socket::close(std::uint16_t code, std::string reason,
                                    std::chrono::milliseconds flush_time) {
    return impl_->close(impl_, code, std::move(reason), flush_time);
}

void socket::send(base::frame_ptr frame) {
    impl_->send(std::move(frame));
}
bool socket::has_room(std::size_t bytes) const {
    return impl_->has_room(bytes);
}
std::size_t socket::queued_bytes() const {
    return impl_->queued_bytes();
}
std::size_t socket::held_bytes() const {
    return impl_->held_bytes();
}
void socket::abort() {
    impl_->abort();
}
ws::ending socket::ending() const {
    return impl_->how_it_ended();
}

} // namespace ws
