#pragma once

#include "base/frame.hpp"
#include "core/channel_hash.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace core {

/// One subscription as the hub sees it.
class subscriber {
public:
    /// New messages of its channel, in order. Must not add to or remove from the hub.
    virtual void offer(const base::frame_run& run) = 0;

    /// Messages of its channel up to `upto` were removed before they could be offered. As above.
    virtual void removed(base::seq upto) = 0;

    virtual ~subscriber() = default;

protected:
    subscriber() = default;
    subscriber(const subscriber&) = delete;
    subscriber& operator=(const subscriber&) = delete;

private:
    friend class hub;
    std::size_t slot_ = 0;
};

/// Channel -> subscriptions of one shard. Knows neither messages' order nor sockets.
/// Owner: app::shard. Thread: the shard's. Lifetime: the shard's; subscribers are not owned and
/// must be removed before they die.
class hub {
public:
    void add(std::string_view channel, subscriber& who);
    /// `who` must have been added to `channel`.
    void remove(std::string_view channel, subscriber& who);

    /// The subscriptions of the channel, until the next add() or remove().
    std::span<subscriber* const> on(std::string_view channel) const;

    /// Tells everybody on the channel that messages up to `upto` were removed.
    void removed(std::string_view channel, base::seq upto) const;

    std::size_t channels() const { return channels_.size(); }
    std::size_t subscriptions() const { return subscriptions_; }

private:
    boost::unordered_flat_map<std::string, std::vector<subscriber*>, channel_hash, std::equal_to<>>
        channels_;
    std::size_t subscriptions_ = 0;
};

} // namespace core
