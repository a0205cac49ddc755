#include "tests/bench/load.hpp"

#include <stdexcept>
#include <utility>

namespace bench {

load::load(int port, std::size_t receivers, std::size_t publishers, swarm::transport over)
    : swarm_(over),
      tallies_(receivers),
      publishers_(publishers) {
    swarm_.on_frame([this](std::size_t who, std::string_view text) { take(who, text); });
    swarm_.open(port, receivers + publishers);
}

void load::take(std::size_t who, std::string_view text) {
    if (who < tallies_.size()) {
        if (const auto what = finder_.find(text)) {
            ++deliveries_;
            tallies_[who].take(*what);
            if (delivered)
                delivered(who, *what);
        } else if (text.starts_with(R"({"type":"ok")")) {
            --unconfirmed_;
        } else if (text.starts_with(R"({"type":"error")")) {
            throw std::runtime_error("a receiver got " + std::string(text));
        }
        return;
    }
    if (who >= tallies_.size() + publishers_.size())
        return;
    if (text.starts_with(R"({"type":"ok")")) {
        ++acknowledgements_;
        if (acknowledged)
            acknowledged(who - tallies_.size());
    } else if (text.starts_with(R"({"type":"error")")) {
        throw std::runtime_error("a publisher got " + std::string(text));
    }
}

void load::subscribe(std::size_t who, const std::string& channel) {
    swarm_.send(who, R"({"type":"subscribe","ref":1,"channel":")" + channel + R"("})");
    ++unconfirmed_;
}

void load::subscribe_all(const std::string& channel) {
    for (std::size_t who = 0; who < tallies_.size(); ++who)
        subscribe(who, channel);
    confirm();
}

void load::confirm() {
    if (!swarm_.run_until(clock::now() + patience, [this] { return unconfirmed_ == 0; }))
        throw std::runtime_error("subscriptions were not confirmed in time");
}

void load::lanes(std::size_t who, std::vector<std::string> channels) {
    for (std::string& channel : channels)
        publishers_[who].lanes.push_back({std::move(channel), last_lane_++});
}

void load::publish(std::size_t who) {
    publisher& from = publishers_[who];
    lane& to = from.lanes[from.at];
    from.at = (from.at + 1) % from.lanes.size();
    std::string text = R"({"type":"publish","ref":1,"channel":")" + to.channel + R"(","data":)";
    text += stamped_data({to.number, to.next++}, data_bytes_) + "}";
    swarm_.send(tallies_.size() + who, text);
    ++published_;
}

void load::finish(measurement& into, std::uint64_t deliveries_expected) {
    swarm_.run_until(clock::now() + std::chrono::seconds(10),
                     [&] { return deliveries_ >= deliveries_expected; });
    count(into);
    const std::uint64_t distinct = deliveries_ - into.repeated;
    into.lost = deliveries_expected > distinct ? deliveries_expected - distinct : 0;
}

void load::count(measurement& into) const {
    for (const tally& each : tallies_)
        into.add(each);
}

closed_loop::closed_loop(load& on, std::size_t window)
    : load_(on),
      window_(window),
      arrived_(std::max<std::size_t>(4 * window, 1024)) {
    load_.delivered = [this](std::size_t, const stamp& what) {
        std::uint32_t& have = arrived_[what.number % arrived_.size()];
        if (++have == 1)
            first_arrival_ = clock::now();
        if (have == load_.receivers()) {
            have = 0;
            --in_flight_;
            spreading_ += clock::now() - first_arrival_;
            spread_ += load_.receivers();
        }
    };
    load_.swarm().after_turn([this] { refill(); });
}

closed_loop::~closed_loop() {
    load_.delivered = nullptr;
    load_.swarm().after_turn(nullptr);
}

void closed_loop::refill() {
    for (; going_ && in_flight_ < window_; ++in_flight_)
        load_.publish(0);
}

double closed_loop::run(std::chrono::milliseconds time) {
    going_ = true;
    refill();
    const auto before = load_.deliveries();
    const auto begun = clock::now();
    load_.swarm().run_for(time);
    const double seconds = std::chrono::duration<double>(clock::now() - begun).count();
    return static_cast<double>(load_.deliveries() - before) / seconds;
}

void closed_loop::finish(measurement& into) {
    going_ = false;
    load_.finish(into, load_.published() * load_.receivers());
}

double closed_loop::take_fan_out_rate() {
    const double seconds = std::chrono::duration<double>(std::exchange(spreading_, {})).count();
    return static_cast<double>(std::exchange(spread_, 0)) / seconds;
}

publishing::publishing(load& on, std::size_t publishers, std::size_t window)
    : load_(on),
      free_(publishers, window) {
    load_.acknowledged = [this](std::size_t who) { ++free_[who]; };
    load_.swarm().after_turn([this] {
        if (each_turn_)
            each_turn_();
        for (std::size_t who = 0; going_ && who < free_.size(); ++who)
            for (; free_[who] > 0; --free_[who])
                load_.publish(who);
    });
}

publishing::~publishing() {
    load_.acknowledged = nullptr;
    load_.swarm().after_turn(nullptr);
}

double publishing::run(std::chrono::milliseconds time) {
    going_ = true;
    const auto before = load_.acknowledgements();
    const auto begun = clock::now();
    load_.swarm().run_for(time);
    const double seconds = std::chrono::duration<double>(clock::now() - begun).count();
    return static_cast<double>(load_.acknowledgements() - before) / seconds;
}

void publishing::finish() {
    going_ = false;
    if (!load_.swarm().run_until(clock::now() + patience,
                                 [this] { return load_.acknowledgements() == load_.published(); }))
        throw std::runtime_error("publishes got no receipt");
}

} // namespace bench
