#include "auth/jwk.hpp"

#include "auth/base64url.hpp"
#include "json/reader.hpp"

#include <openssl/core_names.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace auth {

namespace {

/// Empty when there is no such text.
std::string_view text_of(const json::object& jwk, std::string_view name) {
    const auto* const found = jwk.find(name);
    return found == nullptr ? std::string_view() : std::string_view(found->text);
}

std::string bytes_of(const json::object& jwk, std::string_view name) {
    return decode_base64url(text_of(jwk, name)).value_or(std::string());
}

bool is_string_if_any(const json::object& jwk, std::string_view name) {
    const auto* const found = jwk.find(name);
    return found == nullptr || found->kind == json::kind::string;
}

bool is_for_verifying(const json::object& jwk) {
    if (const auto* const use = jwk.find("use"); use != nullptr && use->text != "sig")
        return false;
    const auto* const operations = jwk.find("key_ops");
    if (operations == nullptr)
        return true;
    const auto list = json::parse_array(operations->raw);
    return list &&
           std::ranges::any_of(*list, [](const json::member& one) { return one.text == "verify"; });
}

openssl::pkey from_parameters(const char* type, OSSL_PARAM* parameters) {
    const openssl::pkey_context context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* material = nullptr;
    if (!context || parameters == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &material, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        return nullptr;
    return openssl::pkey(material);
}

openssl::pkey rsa_from(const json::object& jwk) {
    const std::string n = bytes_of(jwk, "n");
    const std::string e = bytes_of(jwk, "e");
    const openssl::number modulus(
        BN_bin2bn(openssl::bytes_of(n), static_cast<int>(n.size()), nullptr));
    const openssl::number exponent(
        BN_bin2bn(openssl::bytes_of(e), static_cast<int>(e.size()), nullptr));
    const openssl::parameter_builder builder(OSSL_PARAM_BLD_new());
    if (!builder || n.empty() || e.empty() || !modulus || !exponent ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
        return nullptr;
    const openssl::parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    return from_parameters("RSA", parameters.get());
}

openssl::pkey ec_from(const json::object& jwk) {
    std::string curve(text_of(jwk, "crv"));
    const std::string x = bytes_of(jwk, "x");
    const std::string y = bytes_of(jwk, "y");
    // Full length each, leading zeros included (RFC 7518 6.2.1.2).
    const std::size_t length = curve == "P-256" ? 32 : curve == "P-384" ? 48 : 0;
    if (length == 0 || x.size() != length || y.size() != length)
        return nullptr;
    std::string point = "\x04" + x + y;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_end(),
    };
    return from_parameters("EC", parameters);
}

openssl::pkey ed25519_from(const json::object& jwk) {
    const std::string x = bytes_of(jwk, "x");
    if (text_of(jwk, "crv") != "Ed25519")
        return nullptr;
    return openssl::pkey(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr,
                                                        openssl::bytes_of(x), x.size()));
}

openssl::pkey material_from(const json::object& jwk) {
    const auto type = text_of(jwk, "kty");
    return type == "RSA"   ? rsa_from(jwk)
           : type == "EC"  ? ec_from(jwk)
           : type == "OKP" ? ed25519_from(jwk)
                           : nullptr;
}

} // namespace

boost::system::result<key_ptr, key_problem> key_from_jwk(std::string_view json) {
    const openssl::error_scope errors;
    const auto jwk = json::parse_object(json);
    if (!jwk || !is_string_if_any(*jwk, "kid") || !is_string_if_any(*jwk, "alg"))
        return key_problem{"a key is no JWK"};
    if (text_of(*jwk, "kty") == "oct")
        return key_problem{"secrets are not taken from a JWK Set"};
    if (jwk->find("d") != nullptr)
        return key_problem{"a key is a private one"};
    if (!is_for_verifying(*jwk))
        return key_problem{"a key is not for signatures"};
    key_labels labels;
    if (const auto* const id = jwk->find("kid"))
        labels.id = id->text;
    if (const auto* const alg = jwk->find("alg")) {
        labels.algorithm = algorithm_named(alg->text);
        if (!labels.algorithm)
            return key_problem{"a key is for an algorithm that is not used here"};
    }
    auto material = material_from(*jwk);
    if (!material)
        return key_problem{
            "a key is none of RSA, P-256, P-384 and Ed25519, or its numbers are wrong"};
    return make_key(std::move(material), std::move(labels));
}

} // namespace auth
