#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

/// Whose message it is and which of his: every message of a measurement carries both in its data.
struct stamp {
    std::uint32_t publisher = 0;
    std::uint64_t number = 0; ///< from 0, one more each time
};

/// The data of a message, `size` bytes long where that is enough for the stamp.
std::string stamped_data(stamp what, std::size_t size);

/// The stamp of a message frame; nothing for other frames. Remembers where it stood last time.
class stamp_finder {
public:
    std::optional<stamp> find(std::string_view frame);

private:
    std::size_t last_ = 0;
};

/// What one receiver missed, got twice or got in another order, per publisher.
class tally {
public:
    void take(stamp what);

    std::uint64_t taken() const { return taken_; }
    std::uint64_t missing() const; ///< numbers below the highest that never came
    std::uint64_t repeated() const { return repeated_; }
    std::uint64_t reordered() const { return reordered_; }

private:
    struct line {
        std::uint64_t next = 0;
        boost::unordered_flat_set<std::uint64_t> missing;
    };

    line& of(std::uint32_t publisher);

    line first_; ///< publisher 0: most measurements have no other
    boost::unordered_flat_map<std::uint32_t, line> others_;
    std::uint64_t taken_ = 0;
    std::uint64_t repeated_ = 0;
    std::uint64_t reordered_ = 0;
};

} // namespace bench
