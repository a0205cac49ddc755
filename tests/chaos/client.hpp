#pragma once

#include "tests/chaos/socket.hpp"
#include "tests/chaos/world.hpp"

#include "json/reader.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace chaos {

/// A frame of the server, taken apart; its views point into the text it was made from.
struct frame {
    json::object object;

    std::string_view raw(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::optional<seq> number(std::string_view key) const;
};

std::string quoted(std::string_view text);

/// What followers, consumers and publishers have in common: a session on one of the daemons that
/// ends and is begun again. Thread: its own.
class client {
public:
    client(world& world, std::string name, std::uint64_t seed)
        : world_(world),
          dice_(seed),
          name_(std::move(name)) {}
    virtual ~client() = default;
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// Until the run is done.
    void run();

    const std::string& name() const { return name_; }
    /// Nothing is missing that must have come in the end.
    bool satisfied() const { return satisfied_; }

protected:
    /// Every fault is over by then, and what was waiting for it has been answered.
    static constexpr std::chrono::seconds answer_patience{30};

    /// After the welcome.
    virtual void session_begins() = 0;
    virtual void take(const frame& frame, std::string_view type) = 0;
    /// Between frames, at least ten times a second.
    virtual void tick() = 0;
    virtual bool is_satisfied() const = 0;
    /// What else a client may do to its session than end it; during the load, now and then.
    virtual void act() {}
    virtual void session_ended() {}

    void send(const std::string& text);
    void no_answer(const std::string& what);
    void misanswered(const std::string& what, const frame& frame);
    join joined(std::size_t given, seq after) const;

    world& world_;
    dice dice_;
    std::string epoch_; ///< of the session's welcome
    std::size_t daemon_ = 0;
    unsigned next_ref_ = 1;

private:
    bool connect();
    void live();
    void drop();

    std::string name_;
    socket socket_;
    std::string text_;
    bool leave_ = false;
    std::atomic<bool> satisfied_ = false;
    unsigned failures_ = 0;
};

/// Subscribes to channels, remembers a cursor and an epoch for each, and resumes with them.
class follower final : public client {
public:
    follower(world& world, std::string name, std::uint64_t seed,
             const std::vector<std::size_t>& channels);

    /// Everything it ever saw; only when its thread has ended.
    std::vector<trail> take_trails();

private:
    struct place {
        enum class state { off, asked, on, leaving };
        trail now;
        state is = state::off;
        unsigned ref = 0;
        steady::time_point ask_at{};
    };

    void session_begins() override;
    void take(const frame& frame, std::string_view type) override;
    void tick() override;
    bool is_satisfied() const override;
    void act() override;
    void session_ended() override;

    place* find(const frame& frame);
    void ask(place& at);
    void take_ok(const frame& frame);
    void take_message(place& at, const frame& frame);
    void take_reset(place& at, const frame& frame);
    void begin_anew(place& at);
    bool may_reread();

    std::vector<place> places_;
    std::vector<trail> past_;
};

/// A subscription whose progress Postgres keeps; acknowledges when it likes.
class consumer final : public client {
public:
    consumer(world& world, std::string name, std::uint64_t seed, std::size_t channel);
    ~consumer() override;

    const std::string& stored_as() const { return stored_as_; }
    consumer_trail take_trail() { return std::move(trail_); }

private:
    struct database;

    void session_begins() override;
    void take(const frame& frame, std::string_view type) override;
    void tick() override;
    bool is_satisfied() const override;
    void act() override;
    void session_ended() override;

    void ask();
    void take_message(const frame& frame);
    bool may_acknowledge() const;
    void acknowledge(seq upto);
    /// What queue.consumer says; nothing while Postgres is away.
    std::optional<seq> stored();

    consumer_trail trail_;
    std::string stored_as_;
    std::size_t window_;
    std::unique_ptr<database> database_;
    stint now_;
    std::vector<seq> unacknowledged_;
    bool subscribed_ = false;
    bool leaving_ = false;
    unsigned ref_ = 0;
    steady::time_point ask_at_{};
    steady::time_point last_ask_{};
    steady::time_point busy_until_{};
    bool stored_all_ = false;
    steady::time_point look_at_{};
    std::size_t seen_ = 0;
    seq highest_ = 0;
};

/// Publishes with ids of its own making and sends again what had no answer.
class publisher final : public client {
public:
    publisher(world& world, std::string name, std::uint64_t seed) : client(world, name, seed) {}

    std::vector<publication> take_publications() { return std::move(all_); }

private:
    void session_begins() override;
    void take(const frame& frame, std::string_view type) override;
    void tick() override;
    bool is_satisfied() const override;

    void make();
    void publish(std::size_t number);

    struct open {
        std::size_t number;
        steady::time_point again_at; ///< the end of time while it is under way
        steady::time_point since;
    };
    std::vector<publication> all_;
    std::vector<open> open_;
    steady::time_point next_at_{};
};

} // namespace chaos
