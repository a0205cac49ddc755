#include "auth/signature.hpp"

#include <array>
#include <cstddef>
#include <string>

namespace auth {

namespace {

/// Null for EdDSA, which hashes by itself.
const EVP_MD* digest_of(algorithm which) {
    switch (which) {
    case algorithm::hs256:
    case algorithm::rs256:
    case algorithm::es256:
        return EVP_sha256();
    case algorithm::hs384:
    case algorithm::rs384:
    case algorithm::es384:
        return EVP_sha384();
    case algorithm::hs512:
    case algorithm::rs512:
        return EVP_sha512();
    case algorithm::eddsa:
        break;
    }
    return nullptr;
}

bool is_hmac(algorithm which) {
    return which == algorithm::hs256 || which == algorithm::hs384 || which == algorithm::hs512;
}

/// Of each of the two numbers of an ECDSA signature; 0 for other algorithms.
std::size_t coordinate_bytes(algorithm which) {
    return which == algorithm::es256 ? 32 : which == algorithm::es384 ? 48 : 0;
}

/// JWS puts r and s one after the other, OpenSSL wants them in DER. Empty when `raw` is of another
/// length.
std::string to_der(std::string_view raw, std::size_t bytes) {
    if (raw.size() != 2 * bytes)
        return {};
    const auto length = static_cast<int>(bytes);
    const openssl::ecdsa_signature signature(ECDSA_SIG_new());
    openssl::number r(BN_bin2bn(openssl::bytes_of(raw), length, nullptr));
    openssl::number s(BN_bin2bn(openssl::bytes_of(raw) + bytes, length, nullptr));
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1)
        return {};
    (void)r.release();
    (void)s.release();
    std::array<unsigned char, 128> der{};
    unsigned char* end = der.data();
    if (i2d_ECDSA_SIG(signature.get(), nullptr) > static_cast<int>(der.size()) ||
        i2d_ECDSA_SIG(signature.get(), &end) <= 0)
        return {};
    return {der.data(), end};
}

} // namespace

bool hmac_holds(algorithm which, std::string_view secret, std::string_view text,
                std::string_view signature) {
    if (!is_hmac(which))
        return false;
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    std::size_t length = 0;
    if (EVP_Q_mac(nullptr, "HMAC", nullptr, EVP_MD_get0_name(digest_of(which)), nullptr,
                  secret.data(), secret.size(), openssl::bytes_of(text), text.size(), mac.data(),
                  mac.size(), &length) == nullptr)
        return false;
    return length == signature.size() && CRYPTO_memcmp(mac.data(), signature.data(), length) == 0;
}

bool signature_holds(algorithm which, EVP_PKEY& key, std::string_view text,
                     std::string_view signature) {
    if (is_hmac(which))
        return false;
    std::string der;
    if (const auto bytes = coordinate_bytes(which); bytes != 0) {
        der = to_der(signature, bytes);
        signature = der;
    }
    const openssl::digest_context context(EVP_MD_CTX_new());
    return context && !signature.empty() &&
           EVP_DigestVerifyInit(context.get(), nullptr, digest_of(which), nullptr, &key) == 1 &&
           EVP_DigestVerify(context.get(), openssl::bytes_of(signature), signature.size(),
                            openssl::bytes_of(text), text.size()) == 1;
}

} // namespace auth
