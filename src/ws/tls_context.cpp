#include "ws/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <optional>
#include <stdexcept>
#include <utility>

namespace ws {
namespace {

using problem = std::optional<tls_problem>;

template <auto Free>
struct freed_by {
    template <typename T>
    void operator()(T* one) const {
        Free(one);
    }
};
using bio = std::unique_ptr<BIO, freed_by<BIO_free>>;
using x509 = std::unique_ptr<X509, freed_by<X509_free>>;
using private_key = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;

/// The only protocol spoken, as it stands in a ClientHello: a length, then the name.
constexpr std::string_view http_1_1("\x08http/1.1", 9);

/// Why the last call failed, in OpenSSL's words; forgets it.
std::string last_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* const text = ERR_reason_error_string(code);
    return text ? text : "OpenSSL doesn't say why";
}

bio reader_of(const std::string& text) {
    return bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// A passphrase would be asked for on the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

/// A client that offers protocols, but not ours, expects something else behind this port.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_length, void*) {
    unsigned char* found = nullptr;
    const auto* const ours = reinterpret_cast<const unsigned char*>(http_1_1.data());
    if (SSL_select_next_proto(&found, length, ours, http_1_1.size(), offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

problem use_certificate(SSL_CTX* context, const std::string& pem) {
    const auto from = reader_of(pem);
    const x509 own(PEM_read_bio_X509_AUX(from.get(), nullptr, no_passphrase, nullptr));
    if (!own)
        return tls_problem{"certificate", "holds no certificate in PEM: " + last_error()};
    if (SSL_CTX_use_certificate(context, own.get()) != 1)
        return tls_problem{"certificate",
                           "holds a certificate that can't be used: " + last_error()};
    while (x509 next{PEM_read_bio_X509(from.get(), nullptr, no_passphrase, nullptr)})
        if (SSL_CTX_add0_chain_cert(context, next.get()) == 1)
            static_cast<void>(next.release()); // the context's now
        else
            return tls_problem{"certificate", "holds a chain that can't be used: " + last_error()};
    const auto end = ERR_peek_last_error();
    if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
        return tls_problem{"certificate",
                           "holds a broken certificate behind the first: " + last_error()};
    ERR_clear_error();
    return std::nullopt;
}

problem use_key(SSL_CTX* context, const std::string& pem) {
    const auto from = reader_of(pem);
    const private_key key(PEM_read_bio_PrivateKey(from.get(), nullptr, no_passphrase, nullptr));
    if (!key)
        return tls_problem{"key",
                           "holds no private key in PEM without a passphrase: " + last_error()};
    // Also compares it with the certificate.
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
        return tls_problem{"key", "is not that of the certificate: " + last_error()};
    return std::nullopt;
}

std::chrono::sys_seconds end_of(const X509* certificate) {
    std::tm parts{};
    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
        return {};
    return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

void set_up(SSL_CTX* context, tls_version least) {
    SSL_CTX_set_min_proto_version(context,
                                  least == tls_version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    // All ciphers are good, so the cheapest for us: AES-128. A client without AES in its processor
    // puts ChaCha20 first, and gets it.
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                      "TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     // WebSocket and HTTP say themselves where they end.
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); // an idle socket holds none
    SSL_CTX_set_read_ahead(context, 0);
    // One record a step: a peer that sends new keys without end would otherwise not let a read
    // return.
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    // Clients that come back resume by a ticket that they hold, not by memory of ours.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
}

} // namespace

void tls_context::free::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

tls_context::tls_context(owned context)
    : context_(std::move(context)),
      expires_(end_of(SSL_CTX_get0_certificate(context_.get()))) {}

boost::system::result<tls_context::pointer, tls_problem>
tls_context::make(const tls_options& options) {
    ERR_clear_error();
    owned context(SSL_CTX_new(TLS_server_method()));
    if (!context)
        return tls_problem{"certificate", "can't be used: " + last_error()};
    set_up(context.get(), options.min_version);
    if (!options.ciphers.empty() &&
        SSL_CTX_set_cipher_list(context.get(), options.ciphers.c_str()) != 1)
        return tls_problem{"ciphers", "names no cipher that there is: " + last_error()};
    if (auto wrong = use_certificate(context.get(), options.certificate))
        return std::move(*wrong);
    if (auto wrong = use_key(context.get(), options.key))
        return std::move(*wrong);
    return pointer(new tls_context(std::move(context)));
}

void throw_exception_from_error(const tls_problem& problem, const boost::source_location&) {
    throw std::runtime_error(std::string(problem.option) + ": " + problem.reason);
}

} // namespace ws
