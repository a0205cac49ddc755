#pragma once

#include "ws/outbox.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/buffers_iterator.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <memory>
#include <string>
#include <utility>

namespace ws {

/// Beast's next layer: reads go to the socket, writes into the outbox.
/// Owner: the Beast stream. Thread: the shard's. Lifetime: the stream's.
class outbox_layer {
public:
    using executor_type = tcp_socket::executor_type;
    using next_layer_type = tcp_socket;

    explicit outbox_layer(std::shared_ptr<outbox_core> core) : core_(std::move(core)) {}

    executor_type get_executor() noexcept { return core_->tcp().get_executor(); }
    next_layer_type& next_layer() noexcept { return core_->tcp(); }
    const next_layer_type& next_layer() const noexcept { return core_->tcp(); }
    outbox_core& core() { return *core_; }

    template <typename Buffers, typename Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [core = core_](auto handler, const Buffers& to) {
                const asio::mutable_buffer first = *asio::buffer_sequence_begin(to);
                const std::size_t taken = core->take_already_read(first.data(), first.size());
                if (taken == 0 && !core->over().is_secure())
                    return core->tcp().async_read_some(to, std::move(handler));
                if (taken == 0)
                    return transport::read_secure(std::shared_ptr<transport>(core, &core->over()),
                                                  first, std::move(handler));
                asio::post(core->tcp().get_executor(),
                           [handler = std::move(handler), taken]() mutable {
                               std::move(handler)(error_code(), taken);
                           });
            },
            token, buffers);
    }

    /// The bytes are copied: they are few (control frames, the handshake's answer), and no buffer
    /// of Beast's has to outlive anything.
    template <typename Buffers, typename Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [core = core_](auto handler, const Buffers& from) {
                core->control(std::string(asio::buffers_begin(from), asio::buffers_end(from)),
                              outbox_core::written_handler(std::move(handler)));
            },
            token, buffers);
    }

private:
    std::shared_ptr<outbox_core> core_;
};

/// Found by Beast when it has sent and received close frames. Beast's own reads on without yielding
/// while the peer keeps sending, so one peer could hold the shard.
template <typename Handler>
void async_teardown(boost::beast::role_type, outbox_layer& layer, Handler&& handler) {
    layer.core().tear_down(outbox_core::torn_down_handler(std::forward<Handler>(handler)));
}

} // namespace ws
