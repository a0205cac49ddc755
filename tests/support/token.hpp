#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

namespace support {

inline std::string base64url(std::string_view bytes) {
    std::string text(4 * (bytes.size() / 3 + 1) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    while (!text.empty() && text.back() == '=')
        text.pop_back();
    for (char& c : text)
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

inline long now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// One that daemons accept and tests sign with.
inline const std::string token_secret = "a secret of forty characters, at least..";

/// A token signed with HMAC; `header` is a JSON object that names the algorithm, or lies about it.
inline std::string hmac_token(std::string_view secret, const std::string& claims,
                              const std::string& header = R"({"alg":"HS256","typ":"JWT"})",
                              const EVP_MD* digest = EVP_sha256()) {
    const std::string text = base64url(header) + '.' + base64url(claims);
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(digest, secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), signature, &size);
    return text + '.' + base64url({reinterpret_cast<const char*>(signature), size});
}

/// A key pair that tokens are signed with (EdDSA), as an issuer has one.
class token_signer {
public:
    explicit token_signer(std::string id)
        : id_(std::move(id)),
          key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free) {}

    std::string sign(const std::string& claims) const {
        const std::string text =
            base64url(R"({"alg":"EdDSA","kid":")" + id_ + "\"}") + '.' + base64url(claims);
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                              &EVP_MD_CTX_free);
        unsigned char signature[64];
        std::size_t size = sizeof(signature);
        if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
            EVP_DigestSign(context.get(), signature, &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1)
            throw std::runtime_error("can't sign");
        return text + '.' + base64url({reinterpret_cast<const char*>(signature), size});
    }

    /// The public key as one of a JWK Set.
    std::string jwk() const {
        unsigned char point[32];
        std::size_t size = sizeof(point);
        EVP_PKEY_get_raw_public_key(key_.get(), point, &size);
        return R"({"kty":"OKP","crv":"Ed25519","use":"sig","kid":")" + id_ + R"(","x":")" +
               base64url({reinterpret_cast<const char*>(point), size}) + "\"}";
    }

private:
    std::string id_;
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

/// A folder for the files a daemon reads, removed at the end. Other users may read what is in it.
class folder {
public:
    folder() {
        std::string made = "/tmp/pgherald-test-XXXXXX";
        if (::mkdtemp(made.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        path_ = made;
    }
    ~folder() { std::filesystem::remove_all(path_); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;

    /// Replaces the file as a whole; returns its path.
    std::string put(const std::string& name, const std::string& text) const {
        const auto path = path_ / name;
        std::ofstream(path.string() + ".new") << text;
        std::filesystem::rename(path.string() + ".new", path);
        return path;
    }

private:
    std::filesystem::path path_;
};

} // namespace support
