#include "auth/key.hpp"
#include "auth/key_set.hpp"

#include <openssl/pem.h>

#include <optional>
#include <utility>

namespace auth {

namespace {

constexpr std::size_t most_pem_bytes = 256 * 1024;

struct block {
    std::string label; ///< "PUBLIC KEY"
    std::string der;
};

/// Moves on to the next BEGIN; nothing at the text's end, or when a block is broken.
std::optional<block> read_block(BIO* from) {
    char* label = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_read_bio(from, &label, &header, &data, &length) != 1)
        return std::nullopt;
    block out{label, {data, data + length}};
    OPENSSL_free(label);
    OPENSSL_free(header);
    // It may be a private key.
    OPENSSL_clear_free(data, static_cast<std::size_t>(length));
    return out;
}

bool ended_well() {
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

openssl::pkey public_key_in(const block& block) {
    const unsigned char* at = openssl::bytes_of(block.der);
    const unsigned char* const end = at + block.der.size();
    const auto length = static_cast<long>(block.der.size());
    openssl::pkey material;
    if (block.label == "PUBLIC KEY") {
        material.reset(d2i_PUBKEY(nullptr, &at, length));
    } else if (block.label == "RSA PUBLIC KEY") {
        material.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, length));
    } else {
        const openssl::certificate certificate(d2i_X509(nullptr, &at, length));
        if (certificate)
            material.reset(X509_get_pubkey(certificate.get()));
    }
    return at == end ? std::move(material) : nullptr;
}

boost::system::result<key_ptr, key_problem> key_in(block& block) {
    if (block.label.ends_with("PRIVATE KEY")) {
        OPENSSL_cleanse(block.der.data(), block.der.size());
        return key_problem{"a private key must not be here: only public keys are needed"};
    }
    if (block.label != "PUBLIC KEY" && block.label != "RSA PUBLIC KEY" &&
        block.label != "CERTIFICATE")
        return key_problem{"a PEM block is neither a public key nor a certificate"};
    auto material = public_key_in(block);
    if (!material)
        return key_problem{"a PEM block holds no readable public key"};
    return make_key(std::move(material));
}

} // namespace

boost::system::result<key_set, key_problem> key_set::from_pem(std::string_view pem) {
    if (pem.size() > most_pem_bytes)
        return key_problem{"a PEM text must not be larger than 256 KiB"};
    const openssl::error_scope errors;
    const openssl::reader reader(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    key_set out;
    while (auto block = read_block(reader.get())) {
        auto made = key_in(*block);
        if (!made)
            return made.error();
        if (out.keys_.size() == most_keys)
            return key_problem{"a PEM text must not hold more than 100 keys"};
        out.keys_.push_back(std::move(*made));
    }
    if (!ended_well())
        return key_problem{"a PEM block is cut short or broken"};
    if (out.empty())
        return key_problem{"no PEM text: it holds no public key and no certificate"};
    return out;
}

} // namespace auth
