#include "pg/conninfo.hpp"

#include "pg/result.hpp"

#include <cstdlib>
#include <utility>

namespace pg {

namespace {

struct options_deleter {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

/// libpq quotes the part it can't make sense of, which is a piece of the password where that has an
/// unquoted space in it.
std::string without_quotations(std::string_view message) {
    const std::size_t first = message.find('"');
    const std::size_t last = message.rfind('"');
    if (first == last)
        return one_line(message.substr(0, first));
    return one_line(std::string(message.substr(0, first)) + "\"...\"" +
                    std::string(message.substr(last + 1)));
}

/// What the conninfo or, failing that, the environment says.
const char* given(const PQconninfoOption& option) {
    if (option.val)
        return option.val;
    return option.envvar ? std::getenv(option.envvar) : nullptr;
}

} // namespace

outcome<conninfo> complete_conninfo(const connect_options& options) {
    char* complaint = nullptr;
    const std::unique_ptr<PQconninfoOption, options_deleter> parsed(
        PQconninfoParse(options.conninfo.c_str(), &complaint));
    if (!parsed) {
        const std::string message = without_quotations(complaint ? complaint : "out of memory");
        PQfreemem(complaint);
        return error{error::kind::refused, "", "the connection string is not valid: " + message};
    }

    // A dead peer must be noticed within seconds, in the middle of a query too; keepalives cover
    // the idle connection and tcp_user_timeout the one that has sent something.
    const std::pair<std::string_view, std::string> defaults[] = {
        {"fallback_application_name", options.application_name},
        {"connect_timeout", std::to_string(options.connect_timeout.count())},
        {"keepalives_idle", "2"},
        {"keepalives_interval", "1"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "4000"},
        {"target_session_attrs", "read-write"},
    };
    conninfo made{{}, {}, options.connect_timeout};
    const auto add = [&made](std::string_view keyword, std::string_view value) {
        made.keywords.emplace_back(keyword);
        made.values.emplace_back(value);
    };
    for (const PQconninfoOption* option = parsed.get(); option->keyword; ++option) {
        const std::string_view keyword = option->keyword;
        const char* value = given(*option);
        if (keyword == "connect_timeout" && value) {
            made.connect_timeout = std::chrono::seconds(std::atoi(value));
        }
        // What only the environment says, libpq finds there by itself.
        if (option->val && keyword != "client_encoding")
            add(keyword, option->val);
        if (value)
            continue;
        for (const auto& [key, standard] : defaults) {
            if (key == keyword)
                add(keyword, standard);
        }
    }
    // The daemon's text is UTF-8, whatever anyone says.
    add("client_encoding", "UTF8");
    return made;
}

} // namespace pg
