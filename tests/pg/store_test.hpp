#pragma once

#include "pg/message_store.hpp"

#include "tests/pg/loop.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

/// The nth of ids that are all different.
inline std::string uuid(int n) {
    char text[37];
    std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%012x", n);
    return text;
}

/// A database of its own, a connection of the daemon's kind to it, and the store over that.
class store_test : public testing::Test {
protected:
    /// As at the daemon's first connection: a copied database gets its own epoch.
    store_test() { db.exec("select queue.current_epoch()"); }

    static constexpr std::size_t any_size = 64 << 20;

    pg::connection open(const std::string& conninfo) {
        pg::connect_options options;
        options.conninfo = conninfo;
        return loop::run(context, pg::connection::open(context, options)).value();
    }

    /// The value, or the test fails with the server's message.
    template <typename T>
    T done(boost::asio::awaitable<pg::outcome<T>> what) {
        return value_of(loop::run(context, std::move(what)));
    }
    template <typename T>
    T finished(loop::pending<pg::outcome<T>> what) {
        return value_of(loop::finish(context, std::move(what)));
    }

    pg::page read_after(base::seq after, int limit = 1000, std::size_t max_data = any_size) {
        return done(store.read_after(after, limit, max_data));
    }

    /// Turns the loop until the connection's session waits for a lock.
    bool waits_for_lock(const pg::connection& who) {
        return support::eventually(std::chrono::seconds(10), [&] {
            context.restart();
            context.poll();
            return db.value("select wait_event_type from pg_stat_activity where pid = $1",
                            who.backend_pid()) == "Lock";
        });
    }

    std::string count() { return *db.value("select count(*) from queue.message"); }

    support::database db;
    boost::asio::io_context context;
    pg::connection connection = open(db.conninfo());
    pg::message_store store{connection};

private:
    template <typename T>
    static T value_of(pg::outcome<T> outcome) {
        if (!outcome)
            throw std::runtime_error(outcome.error().sqlstate + " " + outcome.error().message);
        if constexpr (!std::is_void_v<T>)
            return std::move(*outcome);
    }
};
