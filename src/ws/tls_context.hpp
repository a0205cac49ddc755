#pragma once

#include <boost/system/result.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;

namespace ws {

enum class tls_version { v1_2, v1_3 };

struct tls_options {
    std::string certificate; ///< PEM: the certificate, then those between it and the root
    std::string key;         ///< PEM, without a passphrase
    tls_version min_version = tls_version::v1_2;
    std::string ciphers; ///< OpenSSL cipher list for TLS 1.2; empty: OpenSSL's
};

/// Which option can't be worked with, e.g. "key", and why.
struct tls_problem {
    std::string_view option;
    std::string reason;
};

/// What all TLS streams of a listener share: certificate, key, versions. Never changes; a new
/// certificate is a new context, and streams made before keep the old one.
/// Owner: app::server and the connections on their way in. Thread: any. Lifetime: the last of them.
class tls_context {
public:
    using pointer = std::shared_ptr<const tls_context>;

    static boost::system::result<pointer, tls_problem> make(const tls_options& options);

    /// When the certificate expires.
    std::chrono::sys_seconds expires() const { return expires_; }

    ssl_ctx_st* native() const { return context_.get(); }

private:
    struct free {
        void operator()(ssl_ctx_st* context) const;
    };
    using owned = std::unique_ptr<ssl_ctx_st, free>;

    explicit tls_context(owned context);

    owned context_;
    std::chrono::sys_seconds expires_;
};

/// Needed by boost::system::result for value() on a problem; reached only through a defect.
[[noreturn]] void throw_exception_from_error(const tls_problem& problem,
                                             const boost::source_location& where);

} // namespace ws
