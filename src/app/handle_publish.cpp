#include "app/session.hpp"

#include "core/uuid.hpp"

namespace app {

void session::handle(const wire::ref& ref, wire::publish verb) {
    const shard_options& options = shard_.options();
    const config::limits_section& limits = shard_.policy()->limits;
    if (too_fast(publishes_, limits.publishes_per_second, base::limit::publishes, ref) ||
        !may(auth::verb::publish, verb.channel, ref)) {
        return;
    }
    auto role = role_of(*shard_.policy(), who_.get());
    if (!role) {
        answer(ref, role.error());
        return;
    }
    if (verb.data.size() > options.max_publish_bytes) {
        answer(ref, {base::errc::too_large, "data is " + std::to_string(verb.data.size()) +
                                                " bytes, messages.max_delivery "
                                                "allows " +
                                                std::to_string(options.max_publish_bytes)});
        return;
    }
    if (publishes_in_flight_ >= limits.max_publishes_in_flight) {
        shard_.limited(base::limit::publishes_in_flight);
        answer(ref, {base::errc::rate_limited,
                     std::to_string(publishes_in_flight_) +
                         " publishes of this session are unanswered; wait for receipts"});
        return;
    }
    ++publishes_in_flight_;
    publish_request request;
    request.id =
        verb.id ? std::move(*verb.id) : core::make_uuid_at(std::chrono::system_clock::now());
    request.channel = std::move(verb.channel);
    request.data = std::move(verb.data);
    request.role = std::move(*role);
    if (who_ != nullptr && !who_->claims.subject.empty()) {
        request.sender = who_->claims.subject;
    }
    request.ref = ref;
    request.from = weak_from_this();
    request.arrived = std::chrono::steady_clock::now();
    shard_.publish(std::move(request));
}

void session::take_receipt(publish_receipt receipt) {
    --publishes_in_flight_;
    if (receipt.answer) {
        answer(*receipt.answer);
    } else {
        answer(receipt.request.ref, receipt.answer.error());
    }
}

} // namespace app
