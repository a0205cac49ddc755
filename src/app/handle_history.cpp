#include "app/session.hpp"

#include "app/message_frame.hpp"

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

namespace app {

asio::awaitable<void> session::handle(wire::ref ref, wire::history verb) {
    if (!may(auth::verb::subscribe, verb.channel, ref)) {
        co_return;
    }
    base::seq after = 0;
    if (const auto* given = std::get_if<wire::after_seq>(&verb.start)) {
        after = given->seq;
    }
    replay::request what{verb.channel, after, std::numeric_limits<base::seq>::max(),
                         static_cast<int>(verb.limit)};
    const auto page = co_await shard_.replay().history(std::move(what));
    if (!page) {
        answer(ref, page.error());
        co_return;
    }
    // Who asks and doesn't read costs his outbox: what is beyond it he asks for when he wants it.
    std::vector<std::string_view> messages;
    std::size_t bytes = 0;
    for (const base::frame_ptr& frame : (*page)->frames) {
        const std::string_view message = ws::payload_of(*frame);
        bytes += message.size();
        if (!messages.empty() && bytes > shard_.options().socket.outbox_bytes) {
            break;
        }
        messages.push_back(message);
    }
    const bool more = (*page)->more || messages.size() < (*page)->frames.size();
    send(make_frame([&](std::string& out) { wire::append_history(out, ref, messages, more); }));
}

} // namespace app
