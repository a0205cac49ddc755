#include "auth/pattern.hpp"

#include <cstddef>

namespace auth {

namespace {

/// A subject is put in where this stands; stars of its own are no wildcards, since patterns are cut
/// at theirs before.
constexpr std::string_view placeholder = "{sub}";

/// What stands between two stars of a pattern.
/// Lifetime: the pattern's and the subject's.
class run {
public:
    run(std::string_view text, std::string_view subject) : text_(text), subject_(subject) {}

    /// With the subject filled in.
    std::size_t length() const {
        std::size_t length = text_.size();
        for (auto at = text_.find(placeholder); at != text_.npos;
             at = text_.find(placeholder, at + placeholder.size()))
            length += subject_.size() - placeholder.size();
        return length;
    }

    bool stands_before(std::string_view channel) const {
        for (std::string_view rest = text_; !rest.empty();) {
            const auto at = rest.find(placeholder);
            const auto literal = rest.substr(0, at);
            if (!take(channel, literal))
                return false;
            rest.remove_prefix(literal.size());
            if (at == rest.npos)
                break;
            if (!take(channel, subject_))
                return false;
            rest.remove_prefix(placeholder.size());
        }
        return true;
    }

private:
    static bool take(std::string_view& channel, std::string_view part) {
        if (!channel.starts_with(part))
            return false;
        channel.remove_prefix(part.size());
        return true;
    }

    std::string_view text_;
    std::string_view subject_;
};

/// Moves `channel` behind the first place where the run stands: since what follows is a star, no
/// later place could match more.
bool skip_past(std::string_view& channel, const run& wanted) {
    const std::size_t length = wanted.length();
    for (; channel.size() >= length; channel.remove_prefix(1)) {
        if (wanted.stands_before(channel)) {
            channel.remove_prefix(length);
            return true;
        }
        if (channel.empty())
            break;
    }
    return false;
}

} // namespace

bool pattern::matches(std::string_view channel, std::string_view subject) const {
    std::string_view rest = text_;
    if (subject.empty() && rest.find(placeholder) != rest.npos)
        return false;
    auto star = rest.find('*');
    const run first(rest.substr(0, star), subject);
    if (!first.stands_before(channel))
        return false;
    channel.remove_prefix(first.length());
    if (star == rest.npos)
        return channel.empty();
    for (;;) {
        rest.remove_prefix(star + 1);
        star = rest.find('*');
        if (star == rest.npos)
            break;
        if (!skip_past(channel, run(rest.substr(0, star), subject)))
            return false;
    }
    const run last(rest, subject);
    const std::size_t length = last.length();
    return channel.size() >= length && last.stands_before(channel.substr(channel.size() - length));
}

} // namespace auth
