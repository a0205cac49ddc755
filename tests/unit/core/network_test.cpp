#include "core/network.hpp"

#include <gtest/gtest.h>

namespace {

core::address of(std::string_view text) {
    const auto parsed = core::parse_address(text);
    EXPECT_TRUE(parsed) << text;
    return parsed.value_or(core::address{});
}

bool contains(std::string_view network, std::string_view address) {
    const auto parsed = core::network::parse(network);
    EXPECT_TRUE(parsed) << network;
    return parsed && parsed->contains(of(address));
}

TEST(Address, IsReadAndWrittenInItsUsualForm) {
    for (const std::string text :
         {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "2001:db8::7", "::"}) {
        EXPECT_EQ(core::to_string(of(text)), text);
    }
    EXPECT_EQ(core::to_string(of("2001:DB8:0::0007")), "2001:db8::7");
}

TEST(Address, OfIPv4IsTheSameWhicheverWayItCame) {
    EXPECT_EQ(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    EXPECT_EQ(core::to_string(of("::ffff:192.0.2.1")), "192.0.2.1");
}

TEST(Address, NothingElseIsOne) {
    using std::string_view_literals::operator""sv;
    for (const auto text :
         {""sv, "localhost"sv, "1.2.3"sv, "1.2.3.4.5"sv, "1.2.3.256"sv, "01.2.3.4 "sv, "[::1]"sv,
          "1.2.3.4:80"sv, "fe80::1%eth0"sv, "unknown"sv, "1.2.3.4\0"sv, "::1\0x"sv}) {
        EXPECT_FALSE(core::parse_address(text)) << text;
    }
}

TEST(Address, IsLimitedByWhatOneSubscriberHas) {
    EXPECT_EQ(core::limited_as(of("192.0.2.1")), of("192.0.2.1"));
    EXPECT_EQ(core::limited_as(of("2001:db8:1:2:3:4:5:6")), of("2001:db8:1:2::"));
    EXPECT_NE(core::limited_as(of("2001:db8:1:2::1")), core::limited_as(of("2001:db8:1:3::1")));
}

TEST(Network, ContainsWhatItsBitsSay) {
    EXPECT_TRUE(contains("10.0.0.0/8", "10.255.255.255"));
    EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
    EXPECT_TRUE(contains("192.168.1.128/25", "192.168.1.200"));
    EXPECT_FALSE(contains("192.168.1.128/25", "192.168.1.127"));
    EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
    EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
    EXPECT_TRUE(contains("0.0.0.0/0", "8.8.8.8"));
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1")) << "all of IPv4 is not all";
    EXPECT_TRUE(contains("::/0", "8.8.8.8"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(Network, NothingElseIsOne) {
    for (const auto* text : {"", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x",
                             "::/129", "example.org/24", "10.0.0.0/4294967300"}) {
        EXPECT_FALSE(core::network::parse(text)) << text;
    }
}

class ClientAddress : public testing::Test {
protected:
    std::string through(std::string_view peer, core::forwarding headers) {
        const std::vector<core::network> trusted{*core::network::parse("10.0.0.0/8"),
                                                 *core::network::parse("2001:db8::/32")};
        const auto client = core::client_of(of(peer), headers, trusted);
        return core::to_string(client.from) + (client.is_hidden ? " hides it" : "");
    }
};

TEST_F(ClientAddress, IsThePeersWhateverAStrangerSays) {
    EXPECT_EQ(through("192.0.2.1", {{"203.0.113.9"}, {"for=203.0.113.9"}}), "192.0.2.1");
    EXPECT_EQ(through("10.0.0.1", {}), "10.0.0.1");
}

TEST_F(ClientAddress, IsTheLastOneThatNoTrustedProxyHas) {
    EXPECT_EQ(through("10.0.0.1", {{"203.0.113.9"}, {}}), "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{"198.51.100.1, 203.0.113.9"}, {}}), "203.0.113.9")
        << "what stands before was written by the client";
    EXPECT_EQ(through("10.0.0.1", {{"198.51.100.1, 203.0.113.9, 10.1.1.1"}, {}}), "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{"198.51.100.1", "203.0.113.9", "10.1.1.1"}, {}}), "203.0.113.9")
        << "several fields are one list";
    EXPECT_EQ(through("10.0.0.1", {{"10.2.2.2,10.1.1.1"}, {}}), "10.2.2.2");
}

TEST_F(ClientAddress, MayCarryAPort) {
    EXPECT_EQ(through("10.0.0.1", {{"203.0.113.9:4711"}, {}}), "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{"[2001:470::1]:4711"}, {}}), "2001:470::1");
    EXPECT_EQ(through("10.0.0.1", {{"2001:470::1"}, {}}), "2001:470::1");
}

TEST_F(ClientAddress, IsTheProxysWhereThatWroteNoAddress) {
    EXPECT_EQ(through("10.0.0.1", {{"198.51.100.1, unknown"}, {}}), "10.0.0.1 hides it");
    EXPECT_EQ(through("10.0.0.1", {{"198.51.100.1, , "}, {}}), "10.0.0.1 hides it");
    EXPECT_EQ(through("10.0.0.1", {{"[", "]", ":", "[]:"}, {}}), "10.0.0.1 hides it");
    EXPECT_EQ(through("10.0.0.1", {{}, {"for=_secret"}}), "10.0.0.1 hides it");
    EXPECT_EQ(through("10.0.0.1", {{}, {"for=\", for=203.0.113.9"}}), "10.0.0.1 hides it")
        << "a quote that the client has left open";
    EXPECT_EQ(through("192.0.2.1", {{"unknown"}, {}}), "192.0.2.1")
        << "who isn't trusted isn't asked";
}

TEST_F(ClientAddress, ReadsNoQuotesInXForwardedFor) {
    EXPECT_EQ(through("10.0.0.1", {{R"(", 203.0.113.9)"}, {}}), "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{R"("a\, 203.0.113.9)"}, {}}), "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{"x,", "203.0.113.9"}, {}}), "203.0.113.9");
}

TEST_F(ClientAddress, IsReadFromForwardedWhereThereIsNothingElse) {
    EXPECT_EQ(through("10.0.0.1", {{}, {"for=203.0.113.9;proto=https"}}), "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{}, {"proto=http; For=\"[2001:470::1]:4711\""}}), "2001:470::1");
    EXPECT_EQ(through("10.0.0.1", {{}, {"for=198.51.100.1, for=203.0.113.9;by=10.1.1.1"}}),
              "203.0.113.9");
    EXPECT_EQ(through("10.0.0.1", {{}, {"for=\"a,b\\\",for=c\", for=203.0.113.9"}}), "203.0.113.9")
        << "a comma in quotes parts nothing";
    EXPECT_EQ(through("10.0.0.1", {{}, {"for=_hidden"}}), "10.0.0.1 hides it");
    EXPECT_EQ(through("10.0.0.1", {{"198.51.100.1"}, {"for=203.0.113.9"}}), "198.51.100.1");
}

} // namespace
