#pragma once

#include "base/seq.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace core {

/// Where a timeline of the server begins: numbers above `began_at` may mean other messages on it
/// than on the timelines before.
struct timeline_start {
    std::int64_t timeline;
    base::seq began_at;
};

/// Whose numbers the present ones are, and up to where those of an earlier timeline are the same.
/// Immutable; shared by shards. The text is '<uuid>.<timeline>' (queue.current_epoch()), opaque to
/// clients.
class log_epoch {
public:
    /// `starts` in order of timeline.
    log_epoch(std::string text, std::vector<timeline_start> starts);

    const std::string& text() const { return text_; }

    /// A cursor learned in epoch `text` is good up to this seq: all of them when it is this epoch,
    /// none (-1) when it is of another log or of a timeline nobody here knows, else where the
    /// lowest-beginning timeline after its own began: each one may have lost more than the last.
    base::seq good_upto(std::string_view text) const;

private:
    std::string text_;
    std::vector<timeline_start> starts_;
};

} // namespace core
