#pragma once

#include "tests/bench/process.hpp"
#include "tests/bench/swarm.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/postgres.hpp"

#include <map>
#include <memory>
#include <string>

namespace bench {

/// What is measured: a server that speaks pgherald.v1 (or what of it a measurement needs) on a
/// database of its own, in the Postgres that all share.
class subject {
public:
    virtual ~subject() = default;

    virtual std::string name() const = 0;
    virtual int port() const = 0;
    virtual pid_t pid() const = 0;
    virtual support::database& database() = 0;
};

class pgherald final : public subject {
public:
    /// `settings`: as environment variables without PGHERALD_. Two threads would be right here and
    /// wrong elsewhere, so the default is one for each core, as the daemon's own.
    pgherald(support::postgres_server& server, const std::string& binary,
             std::map<std::string, std::string> settings, swarm::transport over);

    std::string name() const override { return "pgherald"; }
    int port() const override { return daemon_->port(); }
    pid_t pid() const override { return daemon_->pid(); }
    support::database& database() override { return database_; }
    support::daemon& daemon() { return *daemon_; }

private:
    support::database database_;
    std::unique_ptr<support::daemon> daemon_;
};

/// The article's design: peers/node.
class node_peer final : public subject {
public:
    node_peer(support::postgres_server& server, const std::string& script);

    std::string name() const override { return "node"; }
    int port() const override { return port_; }
    pid_t pid() const override { return child_->pid(); }
    support::database& database() override { return database_; }

private:
    support::database database_;
    int port_;
    std::unique_ptr<child> child_;
};

} // namespace bench
