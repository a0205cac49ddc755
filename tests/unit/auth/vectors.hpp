#pragma once

#include <string_view>

/// Keys and tokens that others made. Each private key was thrown away, but for those of the RFCs.
namespace vectors {

/// One token of a maker for each algorithm it knows.
struct token {
    std::string_view algorithm;
    std::string_view text;
};

namespace rfc7515 {

/// Appendix A.1: the key as base64url, and the token.
inline constexpr std::string_view a1_secret =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

inline constexpr std::string_view a1 =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsD"
    "QogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gF"
    "WFOEjXk";

/// A.2
inline constexpr std::string_view a2_jwk =
    R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp)"
    R"(-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soM)"
    R"(Zo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xs)"
    R"(mtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethF)"
    R"(kMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})";

inline constexpr std::string_view a2 =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtc"
    "GxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOi"
    "Zj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
    "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu"
    "sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywl"
    "VmtVrBp0igcN_IoypGlUPQGe77Rw";

/// A.3
inline constexpr std::string_view a3_jwk =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x)"
    R"(_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";

inline constexpr std::string_view a3 =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtc"
    "GxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djx"
    "La8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

} // namespace rfc7515

namespace rfc7517 {

/// A.1: a P-256 key for encryption, an RSA key.
inline constexpr std::string_view a1_jwks =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D)"
    R"(4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},{"kty")"
    R"(:"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7)"
    R"(aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN)"
    R"(5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1)"
    R"(n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44)"
    R"(-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]})";

} // namespace rfc7517

namespace rfc8037 {

inline constexpr std::string_view a2_jwk =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

/// A.4: its payload is "Example of Ed25519 signing".
inline constexpr std::string_view a4 =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-0"
    "9PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

} // namespace rfc8037

/// Node.js 20: generateKeyPairSync(), createHmac() and sign() with dsaEncoding "ieee-p1363".
namespace node {

inline constexpr std::string_view secret = "fifty-two bytes of a secret that no one ever keeps..";

/// Ids "node-rsa", "node-p256", "node-p384", "node-ed", as in the tokens.
inline constexpr std::string_view jwks =
    R"({"keys":[{"kty":"RSA","n":"taKcE0cNMSPO8MW7pEpDIE5NIKJYgqFEgZfk4BUrxpG-aoN1qyXjCoI)"
    R"(RAh1wed1JGkEwbGKKRtHR_BmexaO-WiMM95Z6REicsSKbZk7KGuISVhJmOQt31ijpXkU7eXjwXhtnrT-9p)"
    R"(vK4UHA6_ZMzq_zvLrFrmo654gpOtgGkO6ftDRnhilRDxY_WSkPmXPQ648VaoYwdjDcrUPWa0kks0eWAD2i)"
    R"(y8_2o8c3JNAea_ieXAwTwqKNsChKrjYQPVQDZMWCMHDuZ2YN1UHWc6RYWghEaG8CB67gfJ5rt_YEs-nnIQ)"
    R"(X3WeqtTfj3-Y5FGyPn_L3xQukLjfVKvi_hmY6X82w","e":"AQAB","kid":"node-rsa","use":"sig")"
    R"(},{"kty":"EC","x":"o0aLsCTn4ElJRP6KjZZN4MHD_WpV8-5oXIUyRC6VvGI","y":"ZmGggG4RXWhC-)"
    R"(f_Tuw8YNUK9OYYBBqFYOFDX0XL-h2c","crv":"P-256","kid":"node-p256","use":"sig"},{"kty)"
    R"(":"EC","x":"Eq273P0mF4scPTAhgasLYjFteVKy-W3YBNiv6oDFzktSB0U6EKRwhFYkTOa6J3qy","y":)"
    R"("iGzNC7cN-rq0IwRbHWPtUldeC1EcThXUHxZBjt5KJ5a6ULfnK1Md7z3iyndIJ1Az","crv":"P-384",")"
    R"(kid":"node-p384","use":"sig"},{"crv":"Ed25519","x":"szTD-UFy8q9eqxv0Nre0TCzXA54fWR)"
    R"(ZjFFQhGmroVl0","kty":"OKP","kid":"node-ed","use":"sig"}]})";

/// The same keys.
inline constexpr std::string_view rsa_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtaKcE0cNMSPO8MW7pEpD\n"
    "IE5NIKJYgqFEgZfk4BUrxpG+aoN1qyXjCoIRAh1wed1JGkEwbGKKRtHR/BmexaO+\n"
    "WiMM95Z6REicsSKbZk7KGuISVhJmOQt31ijpXkU7eXjwXhtnrT+9pvK4UHA6/ZMz\n"
    "q/zvLrFrmo654gpOtgGkO6ftDRnhilRDxY/WSkPmXPQ648VaoYwdjDcrUPWa0kks\n"
    "0eWAD2iy8/2o8c3JNAea/ieXAwTwqKNsChKrjYQPVQDZMWCMHDuZ2YN1UHWc6RYW\n"
    "ghEaG8CB67gfJ5rt/YEs+nnIQX3WeqtTfj3+Y5FGyPn/L3xQukLjfVKvi/hmY6X8\n"
    "2wIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

inline constexpr std::string_view p256_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEo0aLsCTn4ElJRP6KjZZN4MHD/WpV\n"
    "8+5oXIUyRC6VvGJmYaCAbhFdaEL5/9O7Dxg1Qr05hgEGoVg4UNfRcv6HZw==\n"
    "-----END PUBLIC KEY-----\n";

inline constexpr std::string_view p384_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEEq273P0mF4scPTAhgasLYjFteVKy+W3Y\n"
    "BNiv6oDFzktSB0U6EKRwhFYkTOa6J3qyiGzNC7cN+rq0IwRbHWPtUldeC1EcThXU\n"
    "HxZBjt5KJ5a6ULfnK1Md7z3iyndIJ1Az\n"
    "-----END PUBLIC KEY-----\n";

inline constexpr std::string_view ed_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAszTD+UFy8q9eqxv0Nre0TCzXA54fWRZjFFQhGmroVl0=\n"
    "-----END PUBLIC KEY-----\n";

/// {"iss":"https://issuer.example","sub":"ann","aud":["other","pgherald"],"iat":1700000000,
/// "nbf":1700000000,"exp":4102444800,"role":"writer","pgherald":{"subscribe":["sports",
/// "user.{sub}.*"],"publish":["chat.*"]}}
inline constexpr token tokens[] = {
    {"HS256",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViI"
     "joiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDA"
     "wMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIjp7InN1YnNjcmliZSI6WyJzc"
     "G9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.0BeoqwuRzINL2akb_Vn03hdCap"
     "OW5Bj8IOT1kWu9UD0"},
    {"HS384",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzM4NCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViI"
     "joiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDA"
     "wMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIjp7InN1YnNjcmliZSI6WyJzc"
     "G9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.nqg7I8GQvhEGMyjcPg1S4X34tU"
     "PwwKKjG2_S35GMhfzis1mSwEWj8I7Y8I0tp0iY"},
    {"HS512",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViI"
     "joiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDA"
     "wMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIjp7InN1YnNjcmliZSI6WyJzc"
     "G9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.CIM6tMFI4xuUAa4z-5GqyCb0eg"
     "aKNf9Z0-XR-v2VKgZt9KvMAi932vKkQv67NngiNavBTvg-7Ybtemks7nsp7A"},
    {"RS256",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6Im5vZGUtcnNhIn0.eyJpc3MiOiJodHRwczovL2lzc3"
     "Vlci5leGFtcGxlIiwic3ViIjoiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAw"
     "MDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIj"
     "p7InN1YnNjcmliZSI6WyJzcG9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.Q6K"
     "X-PTPnSUyuWdUO4AZMXT8qqJQnocomzQOQkebc_qp2-qOdAmoVrArqeYmdCWwKd2dO8jsXwAsnfWq-SjryvABb"
     "wsXPH81fBmZ4PYgJhj5xWdMIe_YKKQJWG-xxM0SzMZELLKQavSf5FRQWXz8Yp9Z2boh1Ze4e9rRMtuPH71Xtqk"
     "l4Y6dF8Jq3NWNPClhOW5tcjoq7UY0LvRR2-12PY21suYNlHghZ-LgkveXXaTFEU9LDISWsTcTdjcqdz-8oNbSp"
     "m_CftMkNgPNYPr9mNpkUENk9huaQgIm_k8SLmbNPwCx_Y6f0ZLQBNH41Y_L3Dh3VWi6i6YVn1hyJPRecA"},
    {"RS384",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzM4NCIsImtpZCI6Im5vZGUtcnNhIn0.eyJpc3MiOiJodHRwczovL2lzc3"
     "Vlci5leGFtcGxlIiwic3ViIjoiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAw"
     "MDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIj"
     "p7InN1YnNjcmliZSI6WyJzcG9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.qXn"
     "kcz_ukYKeOS5ly9n8bISraYT0jljQTQH-5Z_aQDhLk8Q-TcdA0JMIBNlB0PN6PyokpPEGs-Yc8ey0hSZ9r_mYa"
     "tNA9kGvAVPWIP-4sXhr8x1_SmzjZrCJPwYY11e4RhB-zHgcXPZYu02K5rQdqGhkybMJSUHAkZIvnOKJkMgCx0g"
     "zXeff4QaNdBs_AHra6BHyJQI3IIx8jMXq77ZYsiXP37Wi6DzDGbFhwYbSb8ePhSbNeGhsu2OohQ0E2vcftBRPp"
     "6dYu2TlKUkFpVbm-B9ninYbYMEPd2mXX3A8UDYwS54Tajml9GOT9Y0gXFtmZ70_PlowBGUfE8SvUmJ60A"},
    {"RS512",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzUxMiIsImtpZCI6Im5vZGUtcnNhIn0.eyJpc3MiOiJodHRwczovL2lzc3"
     "Vlci5leGFtcGxlIiwic3ViIjoiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAw"
     "MDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIj"
     "p7InN1YnNjcmliZSI6WyJzcG9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.m6Y"
     "dBv07_TEKXUkeJd8vjA9_uZ43InCEw-c3FjLJvMZoEmWd8Q7uWzepTk5Voi9KNAzLT0abAhWZBi22YlSUlnZeY"
     "j977a7hThzpFcwnfV-Zr26Ji_W1JpSGNJENYedJ1S48efC7uu9x87tDFqvcMzjpzMOjfDUfTFtssQSulA3G9Wq"
     "lFbnLxeDIkgGUV2_As0nfxtr7hqtez2ywxbNBCTziBzcVApfb4aFebKFOH4q768XY-cKM885v7ZNOGWj9fsFKR"
     "BG_lZ0I4YQ1YyrRN2wvcjkHzIIoXgI-lWJbIoFLjSbGFanu70_Zh6LUB4uePGElgnwIhv3Q1xY4WBcjBg"},
    {"ES256",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6Im5vZGUtcDI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc"
     "3Vlci5leGFtcGxlIiwic3ViIjoiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDA"
     "wMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkI"
     "jp7InN1YnNjcmliZSI6WyJzcG9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.hb"
     "EDkazpXbHWq8KyjX5rPCU-93316OVuQsQnlTaAt9NmLqNny8hmLZcWwEBU1C51hqFyfHInjRKNOXer2ifIvw"},
    {"ES384",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzM4NCIsImtpZCI6Im5vZGUtcDM4NCJ9.eyJpc3MiOiJodHRwczovL2lzc"
     "3Vlci5leGFtcGxlIiwic3ViIjoiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDA"
     "wMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkI"
     "jp7InN1YnNjcmliZSI6WyJzcG9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.L9"
     "XYiFwOCOsG_pgpa4Tl3imW2bqSsNU9qShL4BtLncSVZxatm1XzM_x6g_22w8v7kzhwS3FEPJusfKaGgpWrfa5t"
     "jYmOEHeB87PcrN_bkO5J74atSlukO02XtX-ecBAX"},
    {"EdDSA",
     "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6Im5vZGUtZWQifQ.eyJpc3MiOiJodHRwczovL2lzc3V"
     "lci5leGFtcGxlIiwic3ViIjoiYW5uIiwiYXVkIjpbIm90aGVyIiwicGdoZXJhbGQiXSwiaWF0IjoxNzAwMDAwM"
     "DAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMCwicm9sZSI6IndyaXRlciIsInBnaGVyYWxkIjp"
     "7InN1YnNjcmliZSI6WyJzcG9ydHMiLCJ1c2VyLntzdWJ9LioiXSwicHVibGlzaCI6WyJjaGF0LioiXX19.MwWT"
     "u7Wykmq6HqxWXZtOa6LxSP6besFLZgja_qi8Yb7GwQlmVYRxx0wqynNhveNL7TAFRrErsqQyQKO7SjwfCg"},
};

} // namespace node

/// Debian's jose 11 (`jose jwk gen`, `jose jwk pub -s`, `jose jws sig -c`). Its keys have no ids.
namespace jose {

/// As base64url.
inline constexpr std::string_view secret =
    "8xCnEm9Ex2FR54i7qoGx5IXngERdE4Djs6OnCh2Cjyetpv9QLAa7_jwHOtT5WFzT6U2CpB5dsdoJgqn4MZFpmQ";

inline constexpr std::string_view jwks =
    R"({"keys":[{"e":"AQAB","kty":"RSA","n":"rbc-oOsqT5KZeU1_T9i3Z7cbQ_6CfspX54YPuXnjT4V5)"
    R"(pqUEsyFpw4sXAybpuPGlGb7t1g6v0_SiC2dfFdNHs_p6eGqYGNEoM6Gg2wZXAleqdBNLNVU4LYhQr0TQb0)"
    R"(0YTJQgEv-mJ34VIN9L-OMI3IQ7wHv--xfxYUMG5hrd-_-EcaUIe12ha_wrgG9OpA4Xgk61jxROfTLMUcng)"
    R"(y85h3F-DIFS5Ykl2lekqcgD8NIN4vP4RB6Pajww1g2LmdMGPA0wkSVvxttLmKYIwf-pAEZ-hukoi-Hmu5l)"
    R"(5SfC3bHOslOu_dVgDVlCF9PcgwU0hD3NEpjkmbFZc8QoMxoHvgPQ"},{"alg":"ES256","crv":"P-256)"
    R"(","key_ops":["verify"],"kty":"EC","x":"axThlOxn3lb2YGT3kdjopAP6PgbZN3U3yB8nes-xaAg)"
    R"(","y":"www6gAjD37SpHpbqY4lZFbV4FNhMfWHlEwjWgUxzPOM"},{"alg":"ES384","crv":"P-384",)"
    R"("key_ops":["verify"],"kty":"EC","x":"yNnUhQUZ-yPDZKnrieX5UTAvox1cId45d53_3CUc1UI39)"
    R"(4FvCXTEiAEPEjWAC7HY","y":"oc8W2_2dIy4gLvx-OSKkO4paffFssfrV7d3eRYVEOqj7t6C4xmAMuZO9)"
    R"(QnCkVVt1"}]})";

/// {"iss":"https://issuer.example","sub":"ben","aud":"pgherald","iat":1700000000,
/// "exp":4102444800.5,"pgherald":{"subscribe":["*"]}}
inline constexpr token tokens[] = {
    {"HS256",
     "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.jmpU87bS0ozx4P6IEPYkmNxpckZFbURzGTJdJT90ORQ"},
    {"HS384",
     "eyJhbGciOiJIUzM4NCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.XXq7WipIA8MAgWFbaToBOXHL03sYK8Jbkxx1Np4AzvK7-lLebzPNoyOW0qBNW7JU"},
    {"HS512",
     "eyJhbGciOiJIUzUxMiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.fBxjlUVWVQ86puT7YRz5Pe5HmM-jY5T3ow1aeY1didUbOExtcmowGwBE0wq5goQMO"
     "SPqMkLe9JTTwzeBq5zYaA"},
    {"RS256",
     "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.pC4OcD4VG46bD9FLBpzmTRtHJNGyydbSrzrBqb0nbGjxfl25VRn7Oq9t-ZLTS5RB7"
     "qG2_FnPeSRnfWV5M5mc84S451_0u3102pM99qx5T0re3coyeCxRMq3prb6yXahCQyezNRLMfQ_pDZ7-axA4zpd"
     "xuwrfsZ2xzOJwxYe5MeEdu3sBgx5bz_LYbsZ8ZAdmFu8S42HzESMCvHQGKvIwZwTKoXr8MFHBs2liHGuepQWVX"
     "vBhiG8bcSmxmfXYTf35tio98KWSZnO5hGlwROJnhnDUNR2ay_-3VTMaMFGqnwFfE6Z6x6VbUbjPQDN_5naMpZ1"
     "h01RhAMAv_PCG108ljQ"},
    {"RS384",
     "eyJhbGciOiJSUzM4NCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.kJvXLW9PyZ6ZwH2aZtOH87Q4_pmctHtiEF0TrpfLYvobMZki9zYCOc8fkIs29BpVk"
     "3tWZ95ioHWhx1g8K0n4v7Buvl6Jsw1YdzzWY4JfxQyWsAYQ0nE9BngSA313hUcWItXLYgfg_49s0cs2Gr3ITPk"
     "K5l-9H3XCh1JpjII7TrOheZKZqFUH-sB8vd5Un3sc8JTHPyKVQke-TznNKbfybRiXBSRLbf15DmaDC475a5JfK"
     "49-dzFwh--PUPZSguSmTYCQJWhuAGI8E_zZii2rzNZF9UA34RlW4oLQn3QcgZt7MFfIes10F7I_JscYP8Xhe5e"
     "B9jr7K3VomHHLgIYuqQ"},
    {"RS512",
     "eyJhbGciOiJSUzUxMiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.ZQweizx4wsb83wFXHT-8u3hJesAjAgG5dWwDnB9F4VJJpglA_6-mtMMXopS0_GAjc"
     "_K4kzVIy37ApJDCCjx_nPaHRZvMGvBKDIDe1sR8HwathSMs-Lwa0W5E39V-zFPoZeXEqJPvp3W9orjr6ZHdsKc"
     "mYVXGnRpiStGs8RX0ckFpnWyEsio6J7c79T1l8gYqLplNX_JS9xKY-MFkxEBT_pQrDc4SV7g2de1h0ZY0Iiab5"
     "gsyt21jN_0Dp8zu9GI1HxTpVcIOwf3sXN_dBx75fclRd3iZsoCiiiuFTiXq-tRFBRZIoDCbaRP-0P6lRekWS0k"
     "KzvjUkcdYQoZjcsMvVA"},
    {"ES256",
     "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.gXiVQw8hU3goHS5qwEkCG4dXMvdQBXppRxLQO0aowT1HJWsYShuygoKpnxpfOL7p-"
     "dA_gr7uJgnrs_rG_szzOQ"},
    {"ES384",
     "eyJhbGciOiJFUzM4NCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYmVuIiwiYXVkI"
     "joicGdoZXJhbGQiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMC41LCJwZ2hlcmFsZCI6eyJzdWJ"
     "zY3JpYmUiOlsiKiJdfX0.-TiHwW1z3Ir0tUnikZeo3PP3MngSI1_RXZF0Ggf6_82l76bgBmc1fdHDgd-3dm8R8"
     "Q18GMg17VWOjpNNmzFcuzOIdlDvbo-oGwY5B_-7svlA3QyIc4pkTkh4Sj1HEpoW"},
};

} // namespace jose

/// OpenSSL's command line, and a few bytes changed by hand where it makes no such thing.
namespace pem {

inline constexpr std::string_view ed25519_private =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIF6L22trkmGGyZNsZjkcF4kpDw2PPt5HAG6ysZ7nxktr\n"
    "-----END PRIVATE KEY-----\n";

/// Of the private key above.
inline constexpr std::string_view ed25519_public =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAYfa/7oiVwwJ2Ih/7S26cks+htO2drcqESNSbBH8t/YI=\n"
    "-----END PUBLIC KEY-----\n";

/// P-256, self-signed.
inline constexpr std::string_view certificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUONHpapTnAAXTZB438PqL1L9QPoUwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBeDAgFw0yNjExMjMwMTE3MjJaGA8yMTI2MTAzMDAxMTcyMlow\n"
    "DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDtKOCl/0+wF\n"
    "EJu6Yt5aQsQr787xgrwdzklHwAl12fWeBQTHCGPc+rzmyWHGxbNvxcqVeZHGFzMb\n"
    "0x6x67SplIqjUzBRMB0GA1UdDgQWBBRKKbYwIbiG3yeFi20XoXaRucBkCDAfBgNV\n"
    "HSMEGDAWgBRKKbYwIbiG3yeFi20XoXaRucBkCDAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIHHIdc1+pvwFgcReOZy3sDBMOzoK4NulAUJK82cc5uaQ\n"
    "AiEArasQX6v4yLEf//RtjIvG3Q68MakhiElRYQ1DTBjBKz8=\n"
    "-----END CERTIFICATE-----\n";

/// Labelled RSA PUBLIC KEY.
inline constexpr std::string_view rsa_pkcs1 =
    "-----BEGIN RSA PUBLIC KEY-----\n"
    "MIIBCgKCAQEAvpX9cHl2ffd2dgVq+0JdE4MGEDrwgl0RG3+dqCAiXDJ4doPWB0G7\n"
    "xr6/bN1RBx1uX7Sat/8PcU7coB5Fcj7zzplKRp4s81Rj17lvZckW8uBjcg2OveRV\n"
    "DQ4tWxtQSALSNeY4i5TsFC8Yqx/VB7WCllRA3Jy0TP7sq4enlfubbCZQ/nXMZOv2\n"
    "ukI45xbGHeaoJh2FDOx35UWS9A6lgz0MFfrg+fDyo+u4Z7IxqYEuvmm/NSTVYnPz\n"
    "3FfiTFeDJjEqVUEK+B7q9OgjnfQTAP1XM84YAv7qhnXxHlmHFhTlAY/dWAZp4A8C\n"
    "frQYHnFsrsM5i6bIkmdqjHJseRxl6grGkQIDAQAB\n"
    "-----END RSA PUBLIC KEY-----\n";

inline constexpr std::string_view rsa_1024 =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC0mwemPwIBL28rdNgp4GdbKQHI\n"
    "+Nc04nrp+EiMwyfkMHp6St++greJqMWragoldi2YZ3Pqu1RfDLwTEr2NXZFwgFPd\n"
    "I5M2/g7rQhNAxa0U9cK8qphI9Du5nYLApnARvubrDl5/snMLgKKzuzzUWHMP5Wci\n"
    "1j13s7pLBdjxsI5JRQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

/// RSA-PSS: for PS* only.
inline constexpr std::string_view rsa_pss =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBALUE2m/5/03n0IvRjFRRWJJb\n"
    "AGJKFbUDSHep+fJnkxOdmAL0+1sCdjxioe34wEci6TjH0X1uTOVlsIhl2n6f1Sd5\n"
    "9lf09VrVJsG0RgQBnYxc3No08V85jsT2i0nTC/PAbLdsvSqqk3UMlUD4QccW0Nyr\n"
    "hrHpp5zKJUzQ7CFx6BFOcy02gZJS6PI//OVA4YQ4NFToc6+c4a+z9uZaJ64l960V\n"
    "CoclP9C8Nkfe9KPggwcCXbza1ih+U33J/iJ5d2c+6epGSr3FWzf8vabH+ShIZWUS\n"
    "jpcwVu8k6BsUUepMlntX8ADePTy76mfeR7wYoP8KpTELQYiGQrzEvD60meb2G88C\n"
    "AwEAAQ==\n"
    "-----END PUBLIC KEY-----\n";

inline constexpr std::string_view p521 =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAY4hAdvWJwS0c0DhDxrCja+i9SRY5\n"
    "7khBwwPb+4Z+pLMwhosCSG/hF5NIXkJOwACrUu2SUWzzrE24UPTy41yLrOAATWou\n"
    "2KzekdE+H71aGpX05ecNuYmt+ebcRJ6BhxCgn33B/81aZCZJwtEcI7PoKPvQHCqq\n"
    "rLesUv1f/nHpKBoKH/w=\n"
    "-----END PUBLIC KEY-----\n";

inline constexpr std::string_view secp256k1 =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEL9Xkrna979e2Uajk75XGqJsua8hKWOYn\n"
    "+RoPgx1gv6C73T4gk2lvGH4CHgaNxNh+cj5t1wz1lUQWwlF67X8Qtw==\n"
    "-----END PUBLIC KEY-----\n";

inline constexpr std::string_view x25519 =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VuAyEAllcW50YPt428wmY35RVk9I/o2QPD8JtLSholUeB5oxk=\n"
    "-----END PUBLIC KEY-----\n";

/// P-256's numbers spelt out, but with the public key for generator: everybody can sign.
inline constexpr std::string_view own_generator =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA\n"
    "AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////\n"
    "///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd\n"
    "NgiG5wSTamZ44ROdJreBn36QBEEEjm0KQKKltWLOZAcv63V2bVfL/KeDQ/jlq+FN\n"
    "Of8dhPE8LQ8zSvw3jIlCUGLkRqpTH1uwbb4OEmm8h+Kq8MexRQIhAP////8AAAAA\n"
    "//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABI5tCkCipbVizmQHL+t1dm1X\n"
    "y/yng0P45avhTTn/HYTxPC0PM0r8N4yJQlBi5EaqUx9bsG2+DhJpvIfiqvDHsUU=\n"
    "-----END PUBLIC KEY-----\n";

/// P-256, the point at infinity.
inline constexpr std::string_view infinity = "-----BEGIN PUBLIC KEY-----\n"
                                             "MBkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDAgAA\n"
                                             "-----END PUBLIC KEY-----\n";

} // namespace pem

} // namespace vectors
