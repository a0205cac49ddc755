#pragma once

#include "ws/tls_context.hpp"

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <string>

struct ssl_st;

namespace ws {

/// Codes are OpenSSL's; the messages are its reasons.
const boost::system::error_category& tls_category();

/// How far one step of a tls_stream came.
struct tls_step {
    enum class outcome {
        done,
        wants_read,  ///< again when the descriptor is readable
        wants_write, ///< again, or flush() where bytes were taken, when it is writable
        ended,       ///< the peer has ended the stream, politely or not
        failed,
    };

    outcome how = outcome::done;
    std::size_t bytes = 0;           ///< read, or taken to be written
    boost::system::error_code why{}; ///< of failed
};

/// The server's side of TLS on a non-blocking descriptor, in steps that never wait. Between steps
/// it holds no buffers but for a record that is half read or half written.
///
/// OpenSSL never sees a full kernel: what the kernel doesn't take is kept here, encrypted. (A write
/// that OpenSSL itself has to repeat must come with the same bytes, and before 3.2 it kills the
/// connection where the peer asks for new keys meanwhile.)
///
/// A closed descriptor may be another connection's by then: no step may be taken after the close.
/// Owner: transport. Thread: one at a time. Lifetime: may outlive the descriptor.
class tls_stream {
public:
    /// The most that is written in one step: two records.
    static constexpr std::size_t most_at_once = 32 * 1024;

    tls_stream(const tls_context& context, int descriptor);
    tls_stream(const tls_stream&) = delete;
    tls_stream& operator=(const tls_stream&) = delete;
    ~tls_stream();

    /// Before anything else, until it is done.
    tls_step handshake();

    /// Wants no read while there is something decrypted to be had.
    tls_step read_some(void* to, std::size_t size);

    /// Takes up to most_at_once, and wants to write where the kernel has not taken all of it. Only
    /// while nothing is owed.
    tls_step write_some(const void* from, std::size_t size);

    /// Encrypted bytes that the kernel doesn't have yet.
    std::size_t owed() const { return owed_.size(); }
    tls_step flush();

    /// Tells the peer that no more will come, if nothing is owed.
    void say_goodbye();

private:
    friend struct descriptor_bio; ///< through which OpenSSL reads and writes

    struct free {
        void operator()(ssl_st* stream) const;
    };

    long receive(char* to, std::size_t size);
    bool put(const char* from, std::size_t size);
    bool send(const char* from, std::size_t size);
    tls_step failed();
    tls_step result_of(int returned, std::size_t bytes);

    std::unique_ptr<ssl_st, free> stream_;
    std::string owed_;
    std::string* gathered_ = nullptr; ///< where records are put that leave together
    int descriptor_;
    int system_error_ = 0;   ///< of the last call to the kernel
    bool has_ended_ = false; ///< the peer's end has been read
    bool is_open_ = false;   ///< after the handshake, until it fails
};

} // namespace ws
