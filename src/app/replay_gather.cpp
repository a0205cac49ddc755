// Many who ask the same at about the same time share a query.
#include "app/replay.hpp"
#include "app/spawn.hpp"

namespace app {

namespace {

/// A page stays for those who ask for it a little later, while there aren't too many. Whatever
/// happens to the table meanwhile, it was true after the seq it was asked for.
constexpr std::chrono::milliseconds keep_time{1'000};
constexpr std::size_t most_kept_bytes = 16 << 20;

std::string key_of(const replay::request& what) {
    return std::to_string(what.after) + ' ' + std::to_string(what.limit) + ' ' +
           std::to_string(reinterpret_cast<std::uintptr_t>(what.log.get())) + ' ' + what.channel;
}

} // namespace

/// One query with all who wait for its answer.
template <typename Answer>
struct replay::round {
    std::vector<std::shared_ptr<signal>> waiting;
    std::optional<Answer> answer;

    asio::awaitable<void> wait(asio::io_context& context) {
        const auto woken = std::make_shared<signal>(context);
        waiting.push_back(woken);
        while (!answer) {
            co_await woken->wait();
        }
    }
    void finish(Answer with) {
        answer = std::move(with);
        for (const auto& woken : waiting) {
            woken->notify();
        }
    }
};

/// A channel somebody asks about: whoever comes while a query is under way is answered by the next
/// one, since that one's snapshot may be older than what he has seen.
struct replay::asking {
    explicit asking(asio::io_context& context) : free(context) {}

    std::shared_ptr<round<base::outcome<pg::channel_state>>> next; ///< not sent yet
    signal free;
    bool busy = false;
};

asio::awaitable<replay::page_outcome> replay::read_shared(request what) {
    const std::string key = key_of(what);
    if (const auto found = pages_.find(key); found != pages_.end()) {
        const auto shared = found->second;
        if (!shared->answer) {
            co_await shared->wait(context_);
        }
        co_return *shared->answer;
    }
    const auto mine = std::make_shared<round<page_outcome>>();
    pages_.emplace(key, mine);
    const auto log = what.log; // part of the key by its address, so it must stay
    auto answer = co_await read_once(std::move(what));
    std::size_t bytes = 0;
    if (answer) {
        for (const base::frame_ptr& frame : (*answer)->frames) {
            bytes += frame->bytes().size();
        }
    }
    if (answer && kept_bytes_ + bytes <= most_kept_bytes) {
        spawn(context_, keep(key, log, bytes));
    } else {
        pages_.erase(key);
    }
    mine->finish(std::move(answer));
    co_return *mine->answer;
}

asio::awaitable<void> replay::keep(std::string key, std::shared_ptr<const core::log_epoch>,
                                   std::size_t bytes) {
    kept_bytes_ += bytes;
    co_await pause(keep_time);
    kept_bytes_ -= bytes;
    pages_.erase(key);
}

asio::awaitable<base::outcome<pg::channel_state>> replay::ask_channel(std::string name) {
    auto& entry = asked_[name];
    if (!entry) {
        entry = std::make_shared<asking>(context_);
    }
    const auto here = entry;
    if (here->next) {
        const auto shared = here->next;
        co_await shared->wait(context_);
        co_return *shared->answer;
    }
    const auto latest = deadline_from_now();
    const auto mine = std::make_shared<round<base::outcome<pg::channel_state>>>();
    here->next = mine;
    while (here->busy) {
        co_await here->free.wait();
    }
    here->busy = true;
    here->next.reset();
    auto answer = co_await ask_state(name, latest);
    here->busy = false;
    if (here->next) {
        here->free.notify();
    } else {
        asked_.erase(name);
    }
    mine->finish(std::move(answer));
    co_return *mine->answer;
}

} // namespace app
