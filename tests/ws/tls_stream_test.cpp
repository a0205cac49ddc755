#include "ws/tls_stream.hpp"

#include "tests/support/certificate.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>

namespace {

using outcome = ws::tls_step::outcome;

std::string noise(std::size_t size, unsigned seed) {
    std::string bytes(size, '\0');
    std::minstd_rand random(seed);
    for (auto& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

/// Our side and OpenSSL's client, at the two ends of a socket pair. Neither ever waits, so a test
/// says itself who takes the next step.
class TlsStream : public testing::Test {
protected:
    TlsStream() {
        const auto made = support::make_certificate("test");
        ws::tls_options options;
        options.certificate = made.pem;
        options.key = made.key;
        context_ = ws::tls_context::make(options).value();
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_) != 0)
            throw std::runtime_error("no socket pair");
        const int small = 8 * 1024;
        ::setsockopt(ends_[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        ours.emplace(*context_, ends_[0]);
        peer_context_.reset(SSL_CTX_new(TLS_client_method()));
    }
    ~TlsStream() override {
        ours.reset();
        ::close(ends_[0]);
        close_peer();
    }

    SSL* peer() {
        if (!peer_) {
            peer_.reset(SSL_new(peer_context_.get()));
            SSL_set_fd(peer_.get(), ends_[1]);
            SSL_set_connect_state(peer_.get());
        }
        return peer_.get();
    }

    /// How our handshake ended; the peer's view is in peer_is_connected.
    ws::tls_step shake_hands() {
        ws::tls_step came{outcome::wants_read};
        for (int step = 0; step < 20; ++step) {
            ERR_clear_error();
            peer_is_connected = SSL_do_handshake(peer()) == 1;
            if (came.how == outcome::wants_read || came.how == outcome::wants_write)
                came = ours->handshake();
            if (came.how == outcome::done && peer_is_connected)
                break;
        }
        return came;
    }

    std::string peer_read(std::size_t most = 1 << 20) {
        std::string bytes(most, '\0');
        ERR_clear_error();
        const int got = SSL_read(peer(), bytes.data(), static_cast<int>(bytes.size()));
        bytes.resize(static_cast<std::size_t>(std::max(got, 0)));
        return bytes;
    }
    int peer_write(std::string_view bytes) {
        ERR_clear_error();
        return SSL_write(peer(), bytes.data(), static_cast<int>(bytes.size()));
    }
    void raw_write(std::string_view bytes) const {
        ASSERT_EQ(::write(ends_[1], bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }
    void close_peer() {
        if (ends_[1] >= 0)
            ::close(ends_[1]);
        ends_[1] = -1;
    }

    std::string read(std::size_t most = 1 << 20) {
        std::string bytes(most, '\0');
        const auto came = ours->read_some(bytes.data(), bytes.size());
        last = came.how;
        why = came.why;
        bytes.resize(came.bytes);
        return bytes;
    }
    /// Each new key takes a step of its own.
    void read_beyond_keys() {
        for (int step = 0; step < 10; ++step) {
            read();
            if (last != outcome::wants_read)
                return;
        }
    }
    outcome write(std::string_view bytes) {
        const auto came = ours->write_some(bytes.data(), bytes.size());
        EXPECT_EQ(came.how == outcome::done ? bytes.size() : came.bytes, came.bytes);
        return came.how;
    }

    struct free_ssl {
        void operator()(SSL* one) const { SSL_free(one); }
        void operator()(SSL_CTX* one) const { SSL_CTX_free(one); }
    };

    std::optional<ws::tls_stream> ours;
    bool peer_is_connected = false;
    outcome last = outcome::done; ///< of the last read()
    boost::system::error_code why;
    ws::tls_context::pointer context_;
    std::unique_ptr<SSL_CTX, free_ssl> peer_context_;
    std::unique_ptr<SSL, free_ssl> peer_;
    int ends_[2];
};

TEST_F(TlsStream, CarriesBytesBothWays) {
    EXPECT_EQ(ours->handshake().how, outcome::wants_read);
    ASSERT_EQ(shake_hands().how, outcome::done);
    EXPECT_EQ(read(), "");
    EXPECT_EQ(last, outcome::wants_read);
    peer_write("from the peer");
    EXPECT_EQ(read(5), "from ");
    EXPECT_EQ(read(), "the peer"); // already decrypted: nothing to wait for
    EXPECT_EQ(write("from us"), outcome::done);
    EXPECT_EQ(peer_read(), "from us");
    EXPECT_EQ(ours->owed(), 0u);
    EXPECT_EQ(ours->write_some(nullptr, 0).how, outcome::done);
}

TEST_F(TlsStream, ReadsWhatCameWithTheEndOfTheHandshake) {
    EXPECT_EQ(SSL_do_handshake(peer()), -1);
    ours->handshake();
    EXPECT_EQ(SSL_do_handshake(peer()), 1);
    peer_write("at once");
    EXPECT_EQ(ours->handshake().how, outcome::done);
    EXPECT_EQ(read(), "at once");
}

TEST_F(TlsStream, TakesAtMostOneRecordAStep) {
    shake_hands();
    const std::string large(100'000, 'x');
    const auto came = ours->write_some(large.data(), large.size());
    EXPECT_EQ(came.bytes, ws::tls_stream::most_at_once);
}

TEST_F(TlsStream, OwesWhatItTookWhileTheKernelIsFull) {
    shake_hands();
    std::string sent;
    unsigned next = 0;
    while (ours->owed() == 0) {
        const auto piece = noise(5000, ++next);
        const auto came = ours->write_some(piece.data(), piece.size());
        ASSERT_EQ(came.bytes, piece.size()); // taken, in the kernel or not
        sent += piece;
        ASSERT_LT(next, 1000u);
    }
    EXPECT_LE(ours->owed(), 5100u);
    EXPECT_EQ(ours->flush().how, outcome::wants_write);
    EXPECT_EQ(ours->flush().bytes, 0u);
    peer_write("reading goes on meanwhile");
    EXPECT_EQ(read(), "reading goes on meanwhile");
    std::string received = peer_read(1000);
    while (ours->flush().how == outcome::wants_write)
        received += peer_read(1000);
    EXPECT_EQ(ours->owed(), 0u);
    while (received.size() < sent.size()) {
        const auto more = peer_read();
        ASSERT_NE(more, "");
        received += more;
    }
    EXPECT_TRUE(received == sent);
    EXPECT_EQ(write("and on"), outcome::done);
    EXPECT_EQ(peer_read(), "and on");
}

// OpenSSL answers a new key with a record of its own, whatever waits for the kernel at that time.
TEST_F(TlsStream, LosesNothingWhenThePeerChangesKeysAndReadsSlowly) {
    shake_hands();
    ASSERT_EQ(SSL_version(peer()), TLS1_3_VERSION);
    const auto all = noise(3'000'000, 7);
    std::minstd_rand random(11);
    std::string received;
    std::size_t taken = 0;
    unsigned while_owing = 0;
    while (received.size() < all.size()) {
        for (int step = 0; step < 8 && taken < all.size(); ++step) {
            if (ours->owed() > 0) {
                if (ours->flush().how != outcome::done)
                    break;
                continue;
            }
            const auto size = std::min<std::size_t>(1 + random() % 20'000, all.size() - taken);
            // From memory that is gone afterwards, as a frame's may be.
            const auto piece = all.substr(taken, size);
            const auto came = ours->write_some(piece.data(), piece.size());
            ASSERT_TRUE(came.how == outcome::done || came.how == outcome::wants_write);
            ASSERT_GT(came.bytes, 0u);
            taken += came.bytes;
        }
        if (ours->owed() > 0)
            ours->flush();
        if (random() % 4 == 0)
            SSL_key_update(peer(), SSL_KEY_UPDATE_REQUESTED);
        peer_write("x");
        while_owing += ours->owed() > 0;
        read_beyond_keys();
        ASSERT_EQ(last, outcome::done) << why.message();
        received += peer_read(1 + random() % 30'000);
    }
    EXPECT_TRUE(received == all);
    EXPECT_GT(while_owing, 10u) << "the case this test is for did not occur";
}

// Each takes a step of its own, or whoever sends them fast enough would have the thread to itself.
TEST_F(TlsStream, ManyNewKeysAreManySteps) {
    shake_hands();
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(SSL_key_update(peer(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ASSERT_EQ(SSL_do_handshake(peer()), 1);
    }
    peer_write("behind them");
    int steps = 0;
    std::string got;
    for (; got.empty() && steps < 100; ++steps) {
        got = read();
        ASSERT_TRUE(!got.empty() || last == outcome::wants_read);
    }
    EXPECT_EQ(got, "behind them");
    EXPECT_EQ(steps, 51);
}

TEST_F(TlsStream, EndsAPeerThatAsksWithoutReading) {
    shake_hands();
    while (ours->owed() == 0)
        write(std::string(16'000, 'x'));
    for (int i = 0; i < 10'000 && last != outcome::failed; ++i) {
        SSL_key_update(peer(), SSL_KEY_UPDATE_REQUESTED);
        peer_write("x");
        read_beyond_keys();
    }
    EXPECT_EQ(last, outcome::failed);
    EXPECT_LE(ours->owed(), 64u * 1024);
}

TEST_F(TlsStream, TellsHowThePeerEnds) {
    shake_hands();
    peer_write("last words");
    SSL_shutdown(peer());
    EXPECT_EQ(read(), "last words");
    read();
    EXPECT_EQ(last, outcome::ended);
    EXPECT_EQ(write("an answer"), outcome::done); // half open
    EXPECT_EQ(peer_read(), "an answer");
}

TEST_F(TlsStream, TakesASilentEndForAnEnd) {
    shake_hands();
    peer_read(); // else its end would be a reset
    peer_write("last words");
    close_peer();
    EXPECT_EQ(read(), "last words");
    read();
    EXPECT_EQ(last, outcome::ended);
    EXPECT_NE(write("nobody hears"), outcome::done);
}

TEST_F(TlsStream, TellsAReset) {
    shake_hands();
    close_peer(); // with the ticket unread
    char byte = 0;
    const auto came = ours->read_some(&byte, 1);
    EXPECT_EQ(came.how, outcome::failed);
    EXPECT_EQ(came.why, boost::system::errc::connection_reset);
}

TEST_F(TlsStream, EndsWhenThePeerGoesDuringTheHandshake) {
    SSL_do_handshake(peer());
    EXPECT_EQ(ours->handshake().how, outcome::wants_read);
    ::shutdown(ends_[1], SHUT_WR);
    EXPECT_EQ(ours->handshake().how, outcome::ended);
}

TEST_F(TlsStream, SaysGoodbye) {
    shake_hands();
    write("last words");
    ours->say_goodbye();
    ours->say_goodbye();
    EXPECT_EQ(peer_read(), "last words");
    EXPECT_EQ(peer_read(), "");
    EXPECT_EQ(SSL_get_error(peer(), 0), SSL_ERROR_ZERO_RETURN);
}

TEST_F(TlsStream, SaysNoGoodbyeInTheMiddleOfARecordOrAHandshake) {
    ours->say_goodbye();
    shake_hands();
    std::size_t sent = 0;
    while (ours->owed() == 0)
        sent += ours->write_some(noise(16'000, 1).data(), 16'000).bytes;
    ours->say_goodbye();
    while (ours->owed() > 0) {
        sent -= peer_read().size();
        ours->flush();
    }
    while (sent > 0) {
        const auto more = peer_read();
        ASSERT_NE(more, "");
        sent -= more.size();
    }
    EXPECT_EQ(peer_read(), "");
    EXPECT_EQ(SSL_get_shutdown(peer()), 0);
}

TEST_F(TlsStream, RefusesWhatIsNoTls) {
    raw_write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto came = ours->handshake();
    EXPECT_EQ(came.how, outcome::failed);
    EXPECT_EQ(came.why.category(), ws::tls_category());
    EXPECT_EQ(came.why.message(), "http request");
    EXPECT_NE(ours->handshake().how, outcome::done);
    EXPECT_EQ(std::string(ws::tls_category().name()), "tls");
}

TEST_F(TlsStream, RefusesNoiseAfterTheHandshake) {
    shake_hands();
    raw_write(std::string(1000, 'x'));
    read();
    EXPECT_EQ(last, outcome::failed);
    EXPECT_NE(write("anything"), outcome::done);
    ours->say_goodbye();
}

TEST_F(TlsStream, SpeaksHttp11Only) {
    const std::string both = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(peer(), reinterpret_cast<const unsigned char*>(both.data()),
                        static_cast<unsigned>(both.size()));
    ASSERT_EQ(shake_hands().how, outcome::done);
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(peer(), &chosen, &length);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), length), "http/1.1");
}

TEST_F(TlsStream, RefusesAClientOfAnotherProtocol) {
    const std::string other = "\x02h2";
    SSL_set_alpn_protos(peer(), reinterpret_cast<const unsigned char*>(other.data()),
                        static_cast<unsigned>(other.size()));
    EXPECT_EQ(shake_hands().why.message(), "no application protocol");
    EXPECT_FALSE(peer_is_connected);
}

TEST_F(TlsStream, RefusesOldVersions) {
    SSL_CTX_set_cipher_list(peer_context_.get(), "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(peer_context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(peer_context_.get(), TLS1_1_VERSION);
    EXPECT_EQ(shake_hands().why.message(), "unsupported protocol");
}

TEST_F(TlsStream, RefusesToNegotiateAgainAndGoesOn) {
    SSL_CTX_set_max_proto_version(peer_context_.get(), TLS1_2_VERSION);
    ASSERT_EQ(shake_hands().how, outcome::done);
    SSL_renegotiate(peer());
    SSL_do_handshake(peer());
    read();
    EXPECT_EQ(last, outcome::wants_read);
    ERR_clear_error();
    EXPECT_LE(SSL_do_handshake(peer()), 0); // told that it won't be
}

TEST_F(TlsStream, ResumesByTheClientsTicket) {
    for (const bool again : {false, true}) {
        std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(nullptr, SSL_SESSION_free);
        if (again) {
            session.reset(SSL_get1_session(peer()));
            SSL_shutdown(peer());
            ours.emplace(*context_, ends_[0]);
            char rest[1000];
            while (::read(ends_[0], rest, sizeof rest) > 0)
                continue;
            peer_.reset();
            SSL_set_session(peer(), session.get());
        }
        ASSERT_EQ(shake_hands().how, outcome::done);
        EXPECT_EQ(SSL_session_reused(peer()), again);
        write("x");
        EXPECT_EQ(peer_read(), "x"); // the ticket came before
    }
}

} // namespace
