#include "app/session.hpp"

#include "app/message_frame.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

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
    std::vector<std::string_view> messages;
    std::ranges::transform((*page)->frames, std::back_inserter(messages),
                           [](const base::frame_ptr& frame) { return ws::payload_of(*frame); });
    send(make_frame(
        [&](std::string& out) { wire::append_history(out, ref, messages, (*page)->more); }));
}

} // namespace app
