#include "tests/chaos/client.hpp"

#include <algorithm>

namespace chaos {

namespace {

constexpr milliseconds shortest_calm{200};
constexpr milliseconds handshake_patience{3'000};

} // namespace

std::string_view frame::raw(std::string_view key) const {
    const json::member* const member = object.find(key);
    return member == nullptr ? std::string_view() : member->raw;
}

std::string frame::text(std::string_view key) const {
    const json::member* const member = object.find(key);
    if (member == nullptr) {
        return "";
    }
    return member->kind == json::kind::string ? member->text : std::string(member->raw);
}

std::optional<seq> frame::number(std::string_view key) const {
    const json::member* const member = object.find(key);
    return member == nullptr || member->kind != json::kind::number ? std::nullopt
                                                                   : json::to_integer(member->raw);
}

std::string quoted(std::string_view text) {
    std::string out;
    json::append_string(out, text);
    return out;
}

void client::run() {
    while (!world_.done()) {
        if (connect()) {
            failures_ = 0;
            live();
            session_ended();
        }
        // The recipe's waiting, with less patience: a client that is away sees no joins.
        const milliseconds most(std::min(50 << std::min(failures_, 5U), 1'000));
        world_.pause(dice_.time(0ms, most));
        ++failures_;
    }
}

bool client::connect() {
    const std::size_t before = daemon_;
    daemon_ = dice_.below(world::daemons);
    const int receive_buffer = dice_.percent(40) ? 4'096 : 0;
    const int status = socket_.open(world_.ports[daemon_], receive_buffer, handshake_patience);
    if (status == 101 &&
        socket_.read(text_, steady::now() + handshake_patience) == socket::result::frame) {
        frame welcome;
        if (!json::parse_object(text_, welcome.object) && welcome.text("type") == "welcome") {
            epoch_ = welcome.text("epoch");
            world_.count.moved += daemon_ == before ? 0U : 1U;
            return true;
        }
        misanswered("wanted a welcome", welcome);
    }
    ++world_.count.not_let_in;
    socket_.abort();
    return false;
}

void client::live() {
    leave_ = false;
    auto calm_until = steady::now() + dice_.time(shortest_calm, world_.longest_calm);
    session_begins();
    while (!world_.done() && !leave_) {
        if (world_.loading() && steady::now() >= calm_until) {
            const std::int64_t what = dice_.between(1, 100);
            if (what <= 55) {
                drop();
                return;
            }
            if (what <= 80) {
                ++world_.count.slow;
                world_.pause(dice_.time(500ms, 4'000ms));
            } else {
                act();
            }
            calm_until = steady::now() + dice_.time(shortest_calm, world_.longest_calm);
        }
        switch (socket_.read(text_, steady::now() + 50ms)) {
        case socket::result::frame: {
            frame got;
            if (json::parse_object(text_, got.object)) {
                misanswered("not a JSON object", got);
                break;
            }
            const std::string type = got.text("type");
            take(got, type);
            break;
        }
        case socket::result::nothing:
            break;
        case socket::result::ended:
            ++(socket_.close_code() != 0 ? world_.count.sent_away : world_.count.cut_off);
            return;
        }
        tick();
        satisfied_ = is_satisfied();
    }
    socket_.abort();
}

void client::drop() {
    if (dice_.percent(60)) {
        ++world_.count.aborted;
        socket_.abort();
    } else {
        ++world_.count.closed;
        socket_.close(1'000ms);
    }
}

void client::send(const std::string& text) {
    // A dead socket is noticed by the next read.
    socket_.send(text);
}

void client::misanswered(const std::string& what, const frame&) {
    world_.found.add(offence::misanswered, name_ + " on daemon " + std::to_string(daemon_) + ": " +
                                               what + ": " + text_.substr(0, 300));
    leave_ = true;
}

void client::no_answer(const std::string& what) {
    world_.found.add(offence::unanswered, name_ + " on daemon " + std::to_string(daemon_) +
                                              ": no answer to " + what + " at " +
                                              std::to_string(world_.seconds()) + " s");
    leave_ = true;
}

join client::joined(std::size_t given, seq after) const {
    return {given, after, daemon_, world_.seconds()};
}

} // namespace chaos
