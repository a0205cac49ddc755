#pragma once

// What tests of cursors and consumers share: rows of the table, and the words of frames that name
// them.

#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/herald_client.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace support {

/// Then everything takes many times as long, and memory says nothing.
inline const bool sanitized = std::getenv("PGHERALD_SANITIZED") != nullptr;

using seqs = std::vector<std::int64_t>;

inline seqs seqs_in(const rows& table) {
    seqs out;
    for (const row& each : table) {
        out.push_back(std::stoll(each[0].value()));
    }
    return out;
}

/// A channel's seqs in the table, in order: the truth. For a `database` or a `connection`.
template <class Database>
seqs seqs_of(Database& db, const std::string& channel, std::int64_t after = 0) {
    return seqs_in(db.query("select seq from queue.message where channel = $1 and seq > $2 "
                            "order by seq",
                            channel, after));
}

/// The greatest committed seq.
template <class Database>
std::int64_t head_of(Database& db) {
    return std::stoll(db.value("select queue.head()").value());
}

/// Commits `count` messages of about `bytes` bytes in one statement; their seqs.
template <class Database>
seqs add(Database& db, const std::string& channel, int count = 1, std::size_t bytes = 10) {
    const std::int64_t before = head_of(db);
    db.query("insert into queue.message (channel, data) "
             "select $1, to_json(repeat('x', $2::int)) from generate_series(1, $3::int)",
             channel, bytes, count);
    return seqs_of(db, channel, before);
}

inline seqs from(const seqs& all, std::size_t first) {
    return {all.begin() + static_cast<std::ptrdiff_t>(std::min(first, all.size())), all.end()};
}

inline seqs upto(const seqs& all, std::size_t count) {
    return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(count, all.size()))};
}

/// "c7": one of several names.
inline std::string numbered(std::string name, std::size_t number) {
    return name += std::to_string(number);
}

// Keys of a subscribe frame.
inline constexpr auto from_start = R"(,"after":"start")";
inline std::string after(std::int64_t seq) {
    return ",\"after\":" + std::to_string(seq);
}
inline std::string after(std::int64_t seq, const std::string& epoch) {
    return after(seq) + ",\"epoch\":" + herald_client::quoted(epoch);
}
inline std::string as(const std::string& consumer, int window = 0) {
    return ",\"consumer\":" + herald_client::quoted(consumer) +
           (window > 0 ? ",\"window\":" + std::to_string(window) : "");
}

inline std::string ack(const std::string& channel, std::int64_t seq, const std::string& ref = "") {
    return R"({"type":"ack",)" + (ref.empty() ? "" : "\"ref\":" + ref + ",") +
           "\"channel\":" + herald_client::quoted(channel) + ",\"seq\":" + std::to_string(seq) +
           "}";
}

inline std::string unsubscribe(const std::string& channel) {
    return R"({"type":"unsubscribe","ref":9,"channel":)" + herald_client::quoted(channel) + "}";
}

/// A consumer's session that was given the `count` messages there are from the start.
inline herald_client consumer_given(const daemon& daemon, const std::string& channel,
                                    const std::string& consumer, std::size_t count) {
    herald_client client(daemon.port());
    client.subscribe(channel, as(consumer) + from_start);
    client.next_seqs(count);
    return client;
}

/// A consumer's progress in the table.
template <class Database>
std::optional<std::int64_t> acked(Database& db, const std::string& channel,
                                  const std::string& name) {
    const auto found = db.query("select acked_seq from queue.consumer where channel = $1 "
                                "and name = $2",
                                channel, name);
    return found.empty() ? std::nullopt : std::optional(std::stoll(found[0][0].value()));
}

/// A counter that isn't there yet stands at 0.
inline double count(const daemon& daemon, const std::string& metric) {
    return std::max(0.0, daemon.metric(metric));
}

inline double resets(const daemon& daemon, const std::string& reason) {
    return count(daemon, "pgherald_resets_total{reason=\"" + reason + "\"}");
}

inline bool ready(const daemon& daemon,
                  std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    return eventually(deadline, [&] { return daemon.status_of("/readyz") == 200; });
}

/// That the client is given nothing more (but `live` and `epoch`): what was under way would come
/// before the answer to a ping, and what is read from the table a moment later.
inline testing::AssertionResult quiet(herald_client& client) {
    const auto unwanted = [](const std::string& text) {
        return testing::AssertionFailure() << "came: " << text.substr(0, 300);
    };
    client.socket.send(R"({"type":"ping","ref":"quiet"})");
    const frame answer = client.next();
    if (answer.at("ref") != "quiet") {
        return unwanted(*answer.text);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    while (std::chrono::steady_clock::now() < end) {
        auto text = client.socket.read(std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now()));
        if (!text) {
            break;
        }
        const frame got(std::move(*text));
        if (got.type() != "live" && got.type() != "epoch") {
            return unwanted(*got.text);
        }
    }
    return client.socket.closed() ? testing::AssertionFailure() << "the session ended"
                                  : testing::AssertionSuccess();
}

} // namespace support
