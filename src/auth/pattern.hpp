#pragma once

#include <string>
#include <string_view>

namespace auth {

/// A glob over channel names: `*` stands for any run of bytes, also none, and `{sub}` for the
/// token's subject, byte by byte. Everything else stands for itself.
/// Owner: a rule or a grant. Thread: any, it never changes. Lifetime: its owner's.
class pattern {
public:
    explicit pattern(std::string text) : text_(std::move(text)) {}

    /// With an empty subject a pattern that names {sub} matches nothing. Takes time in proportion
    /// to the lengths of both, whatever they hold.
    bool matches(std::string_view channel, std::string_view subject) const;

    const std::string& text() const { return text_; }

private:
    std::string text_;
};

} // namespace auth
