#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace support {

/// A certificate, for 127.0.0.1 if nothing else is said, and its key, made when a test needs one.
struct certificate {
    std::string pem;
    std::string key;
};

namespace detail {

template <auto Free>
struct freed_by {
    template <typename T>
    void operator()(T* one) const {
        Free(one);
    }
};
using x509 = std::unique_ptr<X509, freed_by<X509_free>>;
using pkey = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using bio = std::unique_ptr<BIO, freed_by<BIO_free>>;

inline std::string text_of(const bio& from) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(from.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

inline void extend(X509* one, int what, const char* value) {
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
    X509_add_ext(one, made, -1);
    X509_EXTENSION_free(made);
}

} // namespace detail

/// Signed by `issuer`, or by itself. `passphrase` empty: the key is not encrypted.
inline certificate make_certificate(const std::string& name, const certificate* issuer = nullptr,
                                    const std::string& passphrase = {}, long valid = 3600,
                                    const char* hosts = "IP:127.0.0.1,DNS:localhost") {
    using namespace detail;
    const pkey key(EVP_EC_gen("P-256"));
    const x509 made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    static long serial = ::getpid();
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    extend(made.get(), NID_subject_alt_name, hosts);
    extend(made.get(), NID_basic_constraints, "critical,CA:TRUE");
    if (issuer) {
        const bio from(BIO_new_mem_buf(issuer->pem.data(), static_cast<int>(issuer->pem.size())));
        const bio key_from(
            BIO_new_mem_buf(issuer->key.data(), static_cast<int>(issuer->key.size())));
        const x509 above(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
        const pkey signing(PEM_read_bio_PrivateKey(key_from.get(), nullptr, nullptr, nullptr));
        X509_set_issuer_name(made.get(), X509_get_subject_name(above.get()));
        X509_sign(made.get(), signing.get(), EVP_sha256());
    } else {
        X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
        X509_sign(made.get(), key.get(), EVP_sha256());
    }
    const bio certificate_out(BIO_new(BIO_s_mem()));
    const bio key_out(BIO_new(BIO_s_mem()));
    const bool written =
        PEM_write_bio_X509(certificate_out.get(), made.get()) == 1 &&
        PEM_write_bio_PrivateKey(key_out.get(), key.get(),
                                 passphrase.empty() ? nullptr : EVP_aes_128_cbc(),
                                 reinterpret_cast<const unsigned char*>(passphrase.data()),
                                 static_cast<int>(passphrase.size()), nullptr, nullptr) == 1;
    if (!written)
        throw std::runtime_error("can't make a certificate");
    return {text_of(certificate_out), text_of(key_out)};
}

/// cert.pem and key.pem in a folder of their own, removed at the end.
class certificate_files {
public:
    explicit certificate_files(const certificate& first) {
        std::string folder = "/tmp/pgherald-tls-XXXXXX";
        if (::mkdtemp(folder.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        folder_ = folder;
        put(first);
    }
    ~certificate_files() { std::filesystem::remove_all(folder_); }
    certificate_files(const certificate_files&) = delete;
    certificate_files& operator=(const certificate_files&) = delete;

    void put(const certificate& next) const {
        std::ofstream(pem()) << next.pem;
        std::ofstream(key()) << next.key;
    }
    std::string pem() const { return folder_ / "cert.pem"; }
    std::string key() const { return folder_ / "key.pem"; }

private:
    std::filesystem::path folder_;
};

} // namespace support
