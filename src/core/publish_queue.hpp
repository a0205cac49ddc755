#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace core {

/// What waits for the publisher, bounded in number and bytes. Knows nothing of what an item is, but
/// for its size.
/// Owner: app::publisher. Thread: the Postgres side's. Lifetime: the publisher's.
template <typename Item>
class publish_queue {
public:
    struct limits {
        std::size_t items = 32'768;
        std::size_t bytes = 64 * 1024 * 1024;
        std::size_t batch_items = 1'024;
        std::size_t batch_bytes = 4 * 1024 * 1024;
    };

    explicit publish_queue(limits limits = {}) : limits_(limits) {}

    bool empty() const { return waiting_.empty(); }
    std::size_t size() const { return waiting_.size(); }

    /// Whether an item of this size may be pushed. One always fits in an empty queue.
    bool has_room(std::size_t bytes) const {
        return empty() || (waiting_.size() < limits_.items && bytes_ + bytes <= limits_.bytes);
    }

    void push(Item item, std::size_t bytes) {
        bytes_ += bytes;
        waiting_.push_back({std::move(item), bytes});
    }

    /// The next batch, oldest first; at least one item when there is one.
    std::vector<Item> take() {
        std::vector<Item> batch;
        std::size_t batch_bytes = 0;
        while (!waiting_.empty() && batch.size() < limits_.batch_items &&
               (batch.empty() || batch_bytes + waiting_.front().second <= limits_.batch_bytes)) {
            batch_bytes += waiting_.front().second;
            bytes_ -= waiting_.front().second;
            batch.push_back(std::move(waiting_.front().first));
            waiting_.pop_front();
        }
        return batch;
    }

    /// Removes and returns the items at the front for which `expired` holds; stops at the first
    /// other one (items arrive in the order of their age).
    template <typename Predicate>
    std::vector<Item> take_while(Predicate expired) {
        std::vector<Item> taken;
        while (!waiting_.empty() && expired(waiting_.front().first)) {
            bytes_ -= waiting_.front().second;
            taken.push_back(std::move(waiting_.front().first));
            waiting_.pop_front();
        }
        return taken;
    }

private:
    limits limits_;
    std::deque<std::pair<Item, std::size_t>> waiting_;
    std::size_t bytes_ = 0;
};

} // namespace core
