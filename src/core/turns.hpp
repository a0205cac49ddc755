#pragma once

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstddef>

namespace core {

/// What a subscription needs to go on.
enum class need {
    nothing, ///< that could be given now: it is live, or waits for an answer or acknowledgement
    room,    ///< in the outbox
    page,    ///< from Postgres, and room for it
    head,    ///< from Postgres, for a reset; the frame that tells of it needs no room
};

/// Whose turn it is among the subscriptions of one session that need something. Each need has its
/// line: who is served and needs more goes to the end, who isn't keeps its place, so that a busy
/// channel is no brake on the others. Few questions to Postgres are under way at a time; who waits
/// for his is no brake on those who need only room. Nothing here takes longer where more wait.
/// Owner: app::session. Thread: the shard's. Lifetime: the session's, longer than its members'.
class turns {
    using hook = boost::intrusive::list_base_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

public:
    /// One subscription; leaves its line when it ends.
    class member : public hook {
        friend class turns;
        need waits_for_ = need::nothing;
    };

    /// `who` waits for that now. It keeps its place where it did before.
    void wait(member& who, need what);

    /// Whether that can be had now, while `room` says whether the outbox takes a frame.
    bool grants(need what, bool room) const;

    /// Takes out the next one that can be given what it waits for; null when there is none.
    member* next(bool room);

    /// Whether with room somebody could go on who can't without.
    bool wants_room() const;

    /// A question to Postgres begins, or ends.
    void asked() { ++under_way_; }
    void answered() { --under_way_; }

private:
    using line = boost::intrusive::list<member, boost::intrusive::constant_time_size<false>>;

    /// More would only wait for each other in front of the same few connections, and what they
    /// bring may all have to go into one outbox.
    static constexpr std::size_t most_under_way = 4;

    line& line_of(need what) { return lines_[static_cast<std::size_t>(what)]; }
    const line& line_of(need what) const { return lines_[static_cast<std::size_t>(what)]; }

    std::array<line, 4> lines_; ///< that of nothing stays empty
    std::size_t under_way_ = 0;
};

} // namespace core
