#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Clients for tests that wait for one thing after the other. Nothing here waits without an end.
namespace support {

constexpr std::chrono::milliseconds patience{10'000};

using header_list = std::vector<std::pair<std::string, std::string>>;

/// How a client speaks TLS.
struct tls_client {
    std::string trusted = {};                          ///< PEM; empty: any certificate will do
    std::vector<std::string> protocols = {"http/1.1"}; ///< for ALPN
    std::string min_version = {}; ///< "1.1", "1.2" or "1.3"; empty: the library's
    std::string max_version = {};
};

/// What the server showed and agreed to.
struct tls_facts {
    std::string certificate; ///< PEM, the first of the chain
    std::size_t chain = 0;   ///< certificates shown
    std::string protocol;    ///< of ALPN
    std::string version;     ///< "TLSv1.3"
};

/// The TLS handshake failed; what() says how.
class tls_refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct ws_options {
    std::string subprotocol = {};
    std::string origin = {};
    header_list headers = {};
    bool compression = false;
    int receive_buffer = 0; ///< SO_RCVBUF; 0: the kernel's choice
    std::optional<tls_client> tls = {};
};

/// The server answered the handshake with something other than 101.
class handshake_refused : public std::runtime_error {
public:
    explicit handshake_refused(unsigned answer)
        : std::runtime_error("handshake answered with " + std::to_string(answer)),
          status(answer) {}
    unsigned status;
};

/// One WebSocket. It reads, and answers pings, only inside its member functions: a client nobody
/// calls is a client that doesn't read.
class ws_client {
public:
    /// Throws handshake_refused, tls_refused, or std::runtime_error where there is no connection.
    ws_client(const std::string& host, std::uint16_t port, const std::string& path = "/ws",
              const ws_options& options = {});
    ws_client(ws_client&&) noexcept;
    ws_client& operator=(ws_client&&) noexcept;
    ~ws_client();

    /// Throw std::runtime_error when the message doesn't leave within `patience`.
    void send(std::string_view text);
    void send_binary(std::string_view bytes);
    void ping(std::string_view payload = {});

    /// The next message; nothing when none came in time, or when the socket is closed.
    std::optional<std::string> read(std::chrono::milliseconds wait = patience);
    bool last_was_binary() const;

    /// Whether reading has found the end, and what the server's close frame said (1006: none came).
    bool closed() const;
    std::uint16_t close_code() const;
    std::string close_reason() const;

    /// Reads (and drops) messages until the server closes; false: it didn't in time.
    bool wait_closed(std::chrono::milliseconds wait = patience);

    /// The closing handshake; false: the server didn't answer in time.
    bool close(std::uint16_t code = 1000, const std::string& reason = {});

    /// Resets the TCP connection.
    void abort();

    /// A field of the server's 101 answer; empty: not there.
    std::string answer_field(const std::string& name) const;

    /// Only with TLS.
    tls_facts tls() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// A connection for bytes that no library would send.
class raw_client {
public:
    raw_client(const std::string& host, std::uint16_t port, int receive_buffer = 0,
               const std::optional<tls_client>& tls = {});
    raw_client(raw_client&&) noexcept;
    ~raw_client();

    /// Writes what the server takes in time; false: not all of it.
    bool write(std::string_view bytes, std::chrono::milliseconds wait = patience);

    /// Everything up to and including `end`, or what came before the deadline or the end.
    std::string read_until(std::string_view end, std::chrono::milliseconds wait = patience);

    /// Exactly `count` bytes, or fewer as above.
    std::string read_exactly(std::size_t count, std::chrono::milliseconds wait = patience);

    /// All until the server closes; closed() tells whether it did.
    std::string read_to_end(std::chrono::milliseconds wait = patience);
    bool closed() const;

    /// Whether the server said in TLS that it ends.
    bool closed_politely() const;

    /// Says that no more will come; with TLS, also waits for the server to say the same. False: it
    /// didn't.
    bool end();

    /// The same in TCP only, where TLS would have more to say.
    void end_tcp();

    /// Resets the connection.
    void abort();

    /// Only with TLS.
    tls_facts tls() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

struct http_answer {
    unsigned status = 0; ///< 0: none came in time
    header_list headers; ///< names in lower case
    std::string body;

    std::string field(const std::string& lower_case_name) const;
};

/// One GET on a connection of its own.
http_answer http_get(const std::string& host, std::uint16_t port, const std::string& path,
                     const header_list& headers = {}, const std::optional<tls_client>& tls = {});

/// A valid handshake in plain text, ended by its empty line; `extra` are whole lines.
std::string plain_handshake(const std::string& path = "/ws", const std::string& extra = {});

/// One frame as a client sends it (masked), e.g. opcode 1 for text, 8 for close.
std::string client_frame(unsigned opcode, std::string_view payload, bool final = true);

} // namespace support
