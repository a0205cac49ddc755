#pragma once

#include <boost/system/result.hpp>

#include <string>
#include <string_view>

namespace pg {

/// Why something asked of Postgres did not work.
struct error {
    enum class kind {
        lost,    ///< the connection broke or timed out: whether it was done is unknown
        refused, ///< the server said no (sqlstate), nothing was done
    };
    kind what = kind::lost;
    std::string sqlstate;   ///< five characters, or empty when unknown
    std::string message;    ///< the server's or libpq's text, one line, without secrets
    bool of_notify = false; ///< it came from NOTIFY, not from storing the row
    std::string hint = {};  ///< what the server advises, one line, or empty; not for clients

    std::string with_hint() const { return hint.empty() ? message : message + ": " + hint; }

    /// What kind of "no" it is, by SQLSTATE class.
    bool is_data() const;       ///< 22xxx, 23xxx, P0001, other 54xxx: this row can't be stored
    bool is_permission() const; ///< 42501
    bool is_role() const;       ///< 0P000: the role to act as isn't fit for it at all
    bool is_schema() const;     ///< 42P01, 42703, 42883, 3F000, ...: the schema is missing or older
    bool is_read_only() const;  ///< 25006: a standby
    bool
    is_transient() const; ///< lost, 08xxx, 40xxx, 53xxx, 55P03, 57xxx, 54000 of NOTIFY: may pass
};

template <typename T>
using outcome = boost::system::result<T, error>;

[[noreturn]] void throw_exception_from_error(const error& error,
                                             const boost::source_location& where);

} // namespace pg
