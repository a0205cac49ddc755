#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace chaos {

using seq = std::int64_t;

/// What must never happen.
enum class offence {
    lost,
    repeated,
    out_of_order,
    receipt_without_row, ///< or with another seq, channel or data than its row
    phantom,             ///< delivered, not in the table
    altered,             ///< delivered with another id or other data than the row's
    reset,               ///< nothing was removed and no log replaced, so none is due
    done_again,          ///< came to a consumer although its acknowledgement was stored
    overfilled,          ///< more unacknowledged than the window
    progress,            ///< a stored acknowledgement that went back, or that nobody gave
    unanswered,          ///< a frame in time, a publish at all
    misanswered,         ///< a frame that the protocol doesn't allow here
    daemon_died,         ///< by itself, or with another exit code than 0 after SIGTERM
    count,
};
std::string_view name_of(offence what);

/// Counts offences and keeps the first few of each kind. Thread: any.
class findings {
public:
    void add(offence what, std::string text);
    std::size_t count(offence what) const;
    bool any() const;
    std::vector<std::string> first(offence what) const;

private:
    struct found {
        std::size_t count = 0;
        std::vector<std::string> first;
    };
    mutable std::mutex mutex_;
    std::array<found, static_cast<std::size_t>(offence::count)> all_;
};

struct message {
    chaos::seq seq;
    std::uint64_t content; ///< of id and data
};
std::uint64_t content_of(std::string_view id, std::string_view data);

/// Where a client's memory of a channel came to a daemon, so that a finding can say how it came
/// about.
struct join {
    std::size_t given; ///< messages before it
    seq after;         ///< what was asked for; -1: from now
    std::size_t daemon;
    double at; ///< seconds since the beginning
};

/// One cursor's life: where a client began on a channel, and all it was given since, over as many
/// sessions as that took. Owner: a follower, at the end the comparison.
struct trail {
    std::string who;
    std::size_t channel = 0;
    bool from_start = false;
    std::optional<seq> begin; ///< all messages after it are owed; nothing: never subscribed
    seq cursor = 0;           ///< by the recipe of docs/protocol.md
    std::string epoch;
    std::vector<message> given;  ///< rising
    std::vector<message> strays; ///< at or below the cursor: offences, but not lost
    std::vector<join> joins;
    bool final = false; ///< followed to the end: everything up to the goal is owed

    /// The next message; what is wrong with it.
    std::optional<offence> take(const message& got);
};

/// One subscription of a consumer, from its ok to its end.
struct stint {
    seq stored = 0;       ///< the least it can begin after: what was stored before it asked
    seq acknowledged = 0; ///< the most it can begin after: what had ever been acknowledged
    join joined{};
    seq cursor = 0;             ///< of the last message or `live`
    std::vector<message> given; ///< rising

    /// The next message; what is wrong with it. Only one above the cursor is among the given.
    std::optional<offence> take(const message& got);
};

struct consumer_trail {
    std::string who;
    std::size_t channel = 0;
    std::vector<stint> stints;
    seq acknowledged = 0; ///< the last ack it sent
};

struct publication {
    std::string id;
    std::size_t channel = 0;
    std::string data;
    unsigned sent = 0;
    std::optional<seq> receipt;
};

/// A channel's rows in order, as the table has them.
struct table {
    std::vector<std::vector<message>> channels;
    struct row {
        std::size_t channel;
        chaos::seq seq;
        std::uint64_t content;
    };
    std::unordered_map<std::string, row> by_id; ///< those that were asked for
    std::size_t rows() const;
};

// Each compares what was seen with the table and adds what is wrong.
void compare(const trail& seen, const std::vector<std::string>& names, const table& truth, seq goal,
             findings& found);
void compare(const consumer_trail& seen, const std::vector<std::string>& names, const table& truth,
             seq goal, findings& found);
void compare(const publication& sent, const std::vector<std::string>& names, const table& truth,
             findings& found);

/// A channel's name for a report.
std::string shown(std::string_view channel);

} // namespace chaos
