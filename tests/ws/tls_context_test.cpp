#include "ws/tls_context.hpp"

#include "tests/support/certificate.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using support::make_certificate;

ws::tls_options options_of(const support::certificate& one) {
    ws::tls_options options;
    options.certificate = one.pem;
    options.key = one.key;
    return options;
}

/// "option: reason", or nothing where it can be used.
std::string problem_of(const ws::tls_options& options) {
    const auto made = ws::tls_context::make(options);
    return made ? std::string() : std::string(made.error().option) + ": " + made.error().reason;
}

TEST(TlsContext, TellsWhenItsCertificateExpires) {
    const auto made = ws::tls_context::make(options_of(make_certificate("one", nullptr, {}, 5000)));
    ASSERT_TRUE(made);
    const auto in = made.value()->expires() - std::chrono::system_clock::now();
    EXPECT_GT(in, 4900s);
    EXPECT_LT(in, 5001s);
}

TEST(TlsContext, TakesAChainAndAKeyInOneFile) {
    const auto root = make_certificate("root");
    const auto leaf = make_certificate("leaf", &root);
    auto options = options_of(leaf);
    options.certificate = leaf.key + "some words\n" + leaf.pem + root.pem;
    options.key = options.certificate;
    EXPECT_EQ(problem_of(options), "");
}

TEST(TlsContext, SaysWhichOptionIsAtFault) {
    const auto one = make_certificate("one");
    const auto other = make_certificate("other");
    const auto good = options_of(one);

    auto options = good;
    options.certificate = "";
    EXPECT_EQ(problem_of(options), "certificate: holds no certificate in PEM: no start line");
    options.certificate = one.key;
    EXPECT_EQ(problem_of(options), "certificate: holds no certificate in PEM: no start line");
    options.certificate = one.pem + other.pem.substr(0, other.pem.size() / 2);
    EXPECT_EQ(problem_of(options).find("certificate: holds a broken certificate behind the first"),
              0u)
        << problem_of(options);

    options = good;
    options.key = "";
    EXPECT_EQ(problem_of(options).find("key: holds no private key in PEM"), 0u);
    options.key = other.key;
    EXPECT_EQ(problem_of(options), "key: is not that of the certificate: key values mismatch");

    options = good;
    options.ciphers = "NO-SUCH-CIPHER";
    EXPECT_EQ(problem_of(options), "ciphers: names no cipher that there is: no cipher match");
    options.ciphers = "ECDHE+AESGCM";
    EXPECT_EQ(problem_of(options), "");
}

// It would wait on the terminal for ever.
TEST(TlsContext, AsksNobodyForAPassphrase) {
    const auto locked = make_certificate("locked", nullptr, "secret");
    EXPECT_EQ(problem_of(options_of(locked))
                  .find("key: holds no private key in PEM without a passphrase"),
              0u);
}

} // namespace
