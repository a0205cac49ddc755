#pragma once

#include "tests/support/daemon.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// For tests that send a real daemon what no client should, and ask each time whether it lives.
namespace conformance {

using settings = std::map<std::string, std::string>;

/// A daemon and a session that was there before anything bad came. One for a whole suite.
class service {
public:
    explicit service(settings set = {})
        : daemon({.dsn = db.conninfo(), .settings = std::move(set)}),
          witness(daemon.port()) {
        witness.subscribe("witness");
    }
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    std::uint16_t port() const { return static_cast<std::uint16_t>(daemon.port()); }

    /// Whether the witness gets what is published now.
    testing::AssertionResult still_serves() {
        if (!daemon.running()) {
            return testing::AssertionFailure() << "the daemon has ended:\n" << daemon.log();
        }
        const std::string number = std::to_string(++published_);
        db.exec("insert into queue.message (channel, data) values ('witness', '" + number + "')");
        try {
            const std::string got = witness.next("message").at("data");
            if (got != number) {
                return testing::AssertionFailure() << "the witness got " << got;
            }
        } catch (const std::exception& error) {
            return testing::AssertionFailure() << "the witness: " << error.what();
        }
        return testing::AssertionSuccess();
    }

    /// The daemon's, but for its connections to Postgres: readers come and go.
    long open_files() {
        const std::filesystem::directory_iterator files("/proc/" + std::to_string(daemon.pid()) +
                                                        "/fd");
        return std::distance(begin(files), end(files)) -
               std::stol(*db.value("select count(*) from pg_stat_activity "
                                   "where application_name like 'pgherald/%'"));
    }

    support::database db;
    support::daemon daemon;
    support::herald_client witness;

private:
    int published_ = 0;
};

/// A session in bytes, behind its handshake and the welcome.
class raw_session {
public:
    explicit raw_session(const service& at, const std::string& more_header = {},
                         int receive_buffer = 0, const std::string& behind = {})
        : client("127.0.0.1", at.port(), receive_buffer) {
        client.write(support::plain_handshake("/ws", more_header) + behind);
        answer = client.read_until("\r\n\r\n");
        EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 101") << answer;
        EXPECT_EQ(next(), "welcome");
    }

    /// The next frame of the server in few words: "ok 7", "error malformed", "pong PAYLOAD",
    /// "close 1002"; "end" where there is none any more, "nothing" where none came in time.
    std::string next(std::chrono::milliseconds wait = support::patience) {
        const std::string start = client.read_exactly(2, wait);
        if (start.size() < 2) {
            return client.closed() ? "end" : "nothing";
        }
        const unsigned opcode = static_cast<unsigned char>(start[0]) & 0x0fU;
        std::size_t length = static_cast<unsigned char>(start[1]);
        if (length == 126 || length == 127) {
            const std::string more = client.read_exactly(length == 126 ? 2 : 8, wait);
            length = 0;
            for (const char each : more) {
                length = length << 8U | static_cast<unsigned char>(each);
            }
        }
        return in_words(opcode, client.read_exactly(length, wait));
    }

    support::raw_client client;
    std::string answer; ///< to the handshake

private:
    static std::string in_words(unsigned opcode, const std::string& payload) {
        switch (opcode) {
        case 1: {
            const support::frame frame(payload);
            const std::string detail = frame.type() == "error" ? "code" : "ref";
            const std::string value = frame.at(detail);
            return value.empty() ? frame.type() : frame.type() + " " + value;
        }
        case 8:
            return payload.size() < 2
                       ? "close"
                       : "close " + std::to_string(static_cast<unsigned char>(payload[0]) * 256 +
                                                   static_cast<unsigned char>(payload[1]));
        case 9:
            return "ping";
        case 10:
            return "pong " + payload;
        default:
            return "opcode " + std::to_string(opcode);
        }
    }
};

/// A verb that is answered with "ok REF".
inline std::string verb(const std::string& ref) {
    return R"({"type":"ping","ref":")" + ref + "\"}";
}

inline constexpr std::size_t max_frame = 65'536; ///< the default

/// A text of `size` bytes that is answered with "ok big".
inline std::string padded(std::size_t size) {
    std::string text = R"({"type":"ping","ref":"big")";
    return text + std::string(size - text.size() - 1, ' ') + "}";
}

/// What a client sends, and what comes back. Where no close is among that, the session must go on.
struct frame_case {
    std::string name;
    std::string bytes;
    std::vector<std::string> answers;
};

inline bool ends(const frame_case& one) {
    return !one.answers.empty() && one.answers.back().starts_with("close");
}

/// Sends it whole or byte by byte; the answers must be the same.
inline void check(service& on, const frame_case& one, bool sliced, const std::string& header = {}) {
    SCOPED_TRACE(one.name + (sliced ? ", sliced" : ""));
    raw_session session(on, header);
    if (sliced) {
        for (const char each : one.bytes) {
            session.client.write(std::string_view(&each, 1));
        }
    } else {
        session.client.write(one.bytes);
    }
    for (const std::string& answer : one.answers) {
        EXPECT_EQ(session.next(), answer);
    }
    if (!ends(one)) {
        session.client.write(support::client_frame(1, verb("alive")));
        EXPECT_EQ(session.next(), "ok alive");
    } else {
        session.client.end_tcp();
        EXPECT_EQ(session.next(), "end");
    }
    EXPECT_TRUE(on.still_serves());
}

inline void check(service& on, const std::vector<frame_case>& cases,
                  const std::string& header = {}) {
    for (const frame_case& one : cases) {
        check(on, one, false, header);
        if (one.bytes.size() < 1'000) {
            check(on, one, true, header);
        }
    }
}

} // namespace conformance
