#include "pg/result.hpp"

#include <charconv>
#include <stdexcept>

namespace pg {

namespace {

constexpr std::size_t longest_message = 500;

std::string_view field(const PGresult* raw, int which) {
    const char* text = PQresultErrorField(raw, which);
    return text ? text : "";
}

} // namespace

result::result(std::shared_ptr<const impl> inside) : impl_(std::move(inside)) {}

int result::rows() const {
    return PQntuples(impl_->raw());
}

bool result::is_null(int row, int column) const {
    return PQgetisnull(impl_->raw(), row, column) != 0;
}

std::string_view result::text(int row, int column) const {
    return {PQgetvalue(impl_->raw(), row, column),
            static_cast<std::size_t>(PQgetlength(impl_->raw(), row, column))};
}

std::int64_t result::integer(int row, int column) const {
    const std::string_view digits = text(row, column);
    std::int64_t number = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (failure != std::errc{} || end != digits.data() + digits.size()) {
        throw std::logic_error("not an integer: " + one_line(digits));
    }
    return number;
}

std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const bool blank = static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
        if (!blank) {
            line += c;
        } else if (!line.empty() && line.back() != ' ') {
            line += ' ';
        }
        if (line.size() > longest_message)
            break;
    }
    if (line.size() > longest_message) {
        std::size_t end = longest_message;
        while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80)
            --end;
        line.resize(end);
    }
    while (!line.empty() && line.back() == ' ')
        line.pop_back();
    return line;
}

error error_of(const PGresult* raw) {
    const std::string_view severity = field(raw, PG_DIAG_SEVERITY_NONLOCALIZED);
    const std::string_view primary = field(raw, PG_DIAG_MESSAGE_PRIMARY);
    const bool fatal = severity == "FATAL" || severity == "PANIC";
    return {fatal ? error::kind::lost : error::kind::refused,
            std::string(field(raw, PG_DIAG_SQLSTATE)),
            one_line(primary.empty() ? std::string_view(PQresultErrorMessage(raw)) : primary),
            field(raw, PG_DIAG_SOURCE_FILE) == "async.c", // nothing else tells it, in any language
            one_line(field(raw, PG_DIAG_MESSAGE_HINT))};
}

} // namespace pg
