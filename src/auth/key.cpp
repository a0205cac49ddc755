#include "auth/key.hpp"

#include "auth/signature.hpp"

#include <openssl/core_names.h>

#include <array>
#include <utility>

namespace auth {

namespace {

constexpr int least_rsa_bits = 2048;
/// Longer ones cost more time with each token than they are worth.
constexpr int most_rsa_bits = 8192;

bool is_for(key_type type, algorithm which) {
    switch (which) {
    case algorithm::hs256:
    case algorithm::hs384:
    case algorithm::hs512:
        return type == key_type::secret;
    case algorithm::rs256:
    case algorithm::rs384:
    case algorithm::rs512:
        return type == key_type::rsa;
    case algorithm::es256:
        return type == key_type::p256;
    case algorithm::es384:
        return type == key_type::p384;
    case algorithm::eddsa:
        return type == key_type::ed25519;
    }
    return false;
}

/// With an exponent of 1 everybody could sign.
bool has_sound_exponent(const EVP_PKEY* rsa) {
    BIGNUM* exponent = nullptr;
    if (EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1)
        return false;
    const openssl::number owner(exponent);
    return BN_is_odd(exponent) && !BN_is_one(exponent);
}

bool lies_on_its_curve(EVP_PKEY* ec) {
    const openssl::pkey_context context(EVP_PKEY_CTX_new_from_pkey(nullptr, ec, nullptr));
    return context && EVP_PKEY_public_check(context.get()) == 1;
}

boost::system::result<key_type, key_problem> check_rsa(const EVP_PKEY* material) {
    const int bits = EVP_PKEY_get_bits(material);
    if (bits < least_rsa_bits || bits > most_rsa_bits)
        return key_problem{"an RSA key must have 2048 to 8192 bits, not " + std::to_string(bits)};
    if (!has_sound_exponent(material))
        return key_problem{"an RSA key's exponent must be odd and above 1"};
    return key_type::rsa;
}

boost::system::result<key_type, key_problem> check_ec(EVP_PKEY* material) {
    std::array<char, 64> curve{};
    (void)EVP_PKEY_get_group_name(material, curve.data(), curve.size(), nullptr);
    const std::string_view name = curve.data();
    if (name != "prime256v1" && name != "secp384r1")
        return key_problem{"an EC key must be of the curve P-256 or P-384"};
    if (!lies_on_its_curve(material))
        return key_problem{"an EC key is no point of its curve"};
    return name == "prime256v1" ? key_type::p256 : key_type::p384;
}

boost::system::result<key_type, key_problem> check(EVP_PKEY* material) {
    if (EVP_PKEY_is_a(material, "RSA"))
        return check_rsa(material);
    if (EVP_PKEY_is_a(material, "EC"))
        return check_ec(material);
    if (EVP_PKEY_is_a(material, "ED25519"))
        return key_type::ed25519;
    return key_problem{"a key must be RSA, EC or Ed25519"};
}

} // namespace

key::key(std::string_view secret) : type_(key_type::secret), secret_(secret) {}

key::key(key_type type, openssl::pkey material, key_labels labels)
    : type_(type),
      public_(std::move(material)),
      labels_(std::move(labels)) {}

key::~key() {
    OPENSSL_cleanse(secret_.data(), secret_.size());
}

bool key::fits(algorithm which) const {
    return is_for(type_, which) && labels_.algorithm.value_or(which) == which;
}

bool key::verifies(algorithm which, std::string_view text, std::string_view signature) const {
    if (!fits(which))
        return false;
    const openssl::error_scope errors;
    return type_ == key_type::secret ? hmac_holds(which, secret_, text, signature)
                                     : signature_holds(which, *public_, text, signature);
}

boost::system::result<key_ptr, key_problem> make_key(openssl::pkey material, key_labels labels) {
    const openssl::error_scope errors;
    if (!material)
        return key_problem{"a key's numbers are not those of a key"};
    const auto type = check(material.get());
    if (!type)
        return type.error();
    const bool has_use = !labels.algorithm || is_for(*type, *labels.algorithm);
    if (!has_use)
        return key_problem{"a key's alg is not for its type"};
    return key_ptr(std::make_shared<const key>(*type, std::move(material), std::move(labels)));
}

} // namespace auth
