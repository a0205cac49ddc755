#include "core/backoff.hpp"
#include "core/origin.hpp"
#include "core/publish_queue.hpp"
#include "core/strikes.hpp"
#include "core/uuid.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

TEST(Backoff, FirstAtOnceThenDoublingToTheCeiling) {
    core::backoff backoff(100ms, 1'000ms);
    EXPECT_EQ(backoff.next(0xFFFFFFFF), 0ms);
    EXPECT_EQ(backoff.next(0xFFFFFFFF), 100ms);
    EXPECT_EQ(backoff.next(0xFFFFFFFF), 200ms);
    EXPECT_EQ(backoff.next(0), 200ms) << "half of 400";
    for (int i = 0; i < 100; ++i) {
        EXPECT_LE(backoff.next(0xFFFFFFFF), 1'000ms);
    }
    backoff.succeeded();
    EXPECT_EQ(backoff.next(1), 0ms);
}

TEST(Strikes, TheTenthWithinAMinuteIsOneTooMany) {
    core::strikes strikes;
    core::strikes::time_point now{};
    for (int i = 0; i < 9; ++i) {
        EXPECT_FALSE(strikes.strike(now + 1s * i));
    }
    EXPECT_TRUE(strikes.strike(now + 30s));
}

TEST(Strikes, ForgetsAfterAMinute) {
    core::strikes strikes;
    core::strikes::time_point now{};
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(strikes.strike(now + 7s * i)) << i;
    }
}

TEST(Origin, AStarStandsForEveryHostBelowADomain) {
    const std::vector<std::string> allowed{"https://*.example.com", "http://*.test:8080"};
    const auto is_allowed = [&](std::string_view origin) {
        return core::origin_allowed(origin, "pgherald.example.com", allowed);
    };
    EXPECT_TRUE(is_allowed("https://app.example.com"));
    EXPECT_TRUE(is_allowed("https://a.b.example.com"));
    EXPECT_TRUE(is_allowed("HTTPS://App.Example.Com"));
    EXPECT_TRUE(is_allowed("http://x.test:8080"));
    for (const auto* origin :
         {"https://example.com", "https://.example.com", "https://evilexample.com",
          "http://app.example.com", "https://app.example.com:8443",
          "https://app.example.com.evil.example", "https://evil.example/.example.com",
          "https://evil.example@x.example.com", "https://evil.example:1.example.com",
          "https://evil.example?.example.com", "https://evil.example#.example.com", "null", "",
          "https://*.example.com.", "http://x.test"})
        EXPECT_FALSE(is_allowed(origin)) << origin;
}

TEST(Origin, EmptyListMeansTheSameHost) {
    EXPECT_TRUE(core::origin_allowed("http://example.com", "example.com", {}));
    EXPECT_TRUE(core::origin_allowed("https://example.com:443", "example.com", {}));
    EXPECT_TRUE(core::origin_allowed("http://EXAMPLE.com:8080", "example.com:8080", {}));
    EXPECT_FALSE(core::origin_allowed("http://example.com:8081", "example.com:8080", {}));
    EXPECT_FALSE(core::origin_allowed("https://example.com.evil.example", "example.com", {}));
    EXPECT_FALSE(core::origin_allowed("null", "example.com", {}));
    EXPECT_FALSE(core::origin_allowed("", "example.com", {}));
}

TEST(Origin, AListIsExact) {
    const std::vector<std::string> allowed = {"https://ok.example"};
    EXPECT_TRUE(core::origin_allowed("https://ok.example", "api.example", allowed));
    EXPECT_FALSE(core::origin_allowed("http://ok.example", "api.example", allowed));
    EXPECT_FALSE(core::origin_allowed("https://ok.example.evil.example", "api.example", allowed));
    EXPECT_FALSE(core::origin_allowed("https://api.example", "api.example", allowed));
    EXPECT_FALSE(core::origin_allowed("null", "api.example", allowed));
}

TEST(Origin, OnlySomeNamesCanBeNoOtherMachine) {
    for (const char* host : {"localhost", "LOCALHOST:8080", "app.localhost:8080", "127.0.0.1:8080",
                             "127.1.2.3", "[::1]:8080", "[::ffff:127.0.0.1]:80"})
        EXPECT_TRUE(core::is_this_machine(host)) << host;
    for (const char* host :
         {"", "evil.example:8080", "localhost.evil.example", "notlocalhost", ".localhost",
          "127.0.0.1.evil.example", "192.168.0.1", "[::2]:80", "::1:8080"})
        EXPECT_FALSE(core::is_this_machine(host)) << host;
}

TEST(PublishQueue, IsBoundedInNumberAndBytes) {
    core::publish_queue<int> queue({3, 100, 2, 1'000});
    EXPECT_TRUE(queue.has_room(500)) << "one always fits in an empty queue";
    queue.push(1, 500);
    EXPECT_FALSE(queue.has_room(1));
    EXPECT_EQ(queue.take(), std::vector<int>{1});
    for (const int item : {1, 2, 3}) {
        EXPECT_TRUE(queue.has_room(10));
        queue.push(item, 10);
    }
    EXPECT_FALSE(queue.has_room(10));
    EXPECT_EQ(queue.take(), (std::vector<int>{1, 2})) << "a batch has at most two";
    EXPECT_EQ(queue.take(), std::vector<int>{3});
    EXPECT_TRUE(queue.take().empty());
}

TEST(PublishQueue, ABatchStopsAtItsBytesButHasOneItem) {
    core::publish_queue<int> queue({100, 10'000, 100, 50});
    queue.push(1, 60);
    queue.push(2, 30);
    queue.push(3, 30);
    EXPECT_EQ(queue.take(), std::vector<int>{1});
    EXPECT_EQ(queue.take(), std::vector<int>{2});
}

TEST(PublishQueue, TakesTheExpiredFromTheFront) {
    core::publish_queue<int> queue;
    for (const int item : {1, 2, 9, 3}) {
        queue.push(item, 1);
    }
    EXPECT_EQ(queue.take_while([](int item) { return item < 5; }), (std::vector<int>{1, 2}));
    EXPECT_EQ(queue.size(), 2U);
}

TEST(Uuid, IsRandomVersionFour) {
    std::set<std::string> seen;
    for (int i = 0; i < 1'000; ++i) {
        const std::string id = core::make_uuid();
        ASSERT_EQ(id.size(), 36U);
        EXPECT_EQ(id[14], '4');
        seen.insert(id);
    }
    EXPECT_EQ(seen.size(), 1'000U);
}

TEST(Uuid, OfATimeBeginsWithItAndIsVersionSeven) {
    using std::chrono::system_clock;
    const system_clock::time_point time(std::chrono::milliseconds(0x0123'4567'89ab));
    const std::string id = core::make_uuid_at(time);
    EXPECT_EQ(id.substr(0, 15), "01234567-89ab-7");
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
    EXPECT_NE(id, core::make_uuid_at(time));
    EXPECT_LT(id, core::make_uuid_at(time + std::chrono::milliseconds(1)));
}

} // namespace
