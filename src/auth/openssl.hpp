#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

/// OpenSSL's objects with an owner.
namespace auth::openssl {

template <auto release>
struct releaser {
    template <typename T>
    void operator()(T* object) const {
        release(object);
    }
};

template <typename T, auto release>
using owned = std::unique_ptr<T, releaser<release>>;

using pkey = owned<EVP_PKEY, EVP_PKEY_free>;
using pkey_context = owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using digest_context = owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using number = owned<BIGNUM, BN_free>;
using ecdsa_signature = owned<ECDSA_SIG, ECDSA_SIG_free>;
using certificate = owned<X509, X509_free>;
using reader = owned<BIO, BIO_free>;
using parameter_builder = owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using parameters = owned<OSSL_PARAM, OSSL_PARAM_free>;

inline const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// Takes the errors of its scope off the thread's queue, where TLS would find them later.
/// Owner: a function's scope.
class error_scope {
public:
    error_scope() { ERR_set_mark(); }
    ~error_scope() { ERR_pop_to_mark(); }
    error_scope(const error_scope&) = delete;
    error_scope& operator=(const error_scope&) = delete;
};

} // namespace auth::openssl
