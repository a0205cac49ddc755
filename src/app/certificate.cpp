#include "app/certificate.hpp"

#include "config/file.hpp"

#include <utility>

namespace app {

namespace {

constexpr std::size_t largest_pem = 1024 * 1024;

} // namespace

bool certificate::load() {
    auto wrong = read();
    if (wrong) {
        observer_.observe(
            base::observed::setting_unusable{std::move(wrong->key), std::move(wrong->reason)});
    }
    return !wrong;
}

void certificate::reload() {
    if (auto wrong = read()) {
        observer_.observe(
            base::observed::reload_failed{std::move(wrong->key), std::move(wrong->reason)});
    }
}

std::optional<certificate::problem> certificate::read() {
    if (settings_.certificate.empty()) {
        return std::nullopt;
    }
    auto chain = config::read_file(settings_.certificate, largest_pem);
    if (!chain.problem.empty()) {
        return problem{"tls.certificate",
                       "the file \"" + settings_.certificate + "\" " + chain.problem};
    }
    auto key = config::read_file(settings_.key, largest_pem);
    if (!key.problem.empty()) {
        return problem{"tls.key", "the file \"" + settings_.key + "\" " + key.problem};
    }
    ws::tls_options options;
    options.certificate = std::move(chain.text);
    options.key = std::move(key.text);
    options.min_version = settings_.min_version == config::tls_version::v1_3
                              ? ws::tls_version::v1_3
                              : ws::tls_version::v1_2;
    options.ciphers = settings_.ciphers;
    auto made = ws::tls_context::make(options);
    if (!made) {
        const auto& why = made.error();
        const std::string file = why.option == "certificate" ? settings_.certificate
                                 : why.option == "key"       ? settings_.key
                                                             : std::string();
        return problem{"tls." + std::string(why.option),
                       (file.empty() ? "" : "the file \"" + file + "\" ") + why.reason};
    }
    now_ = std::move(*made);
    observer_.observe(base::observed::certificate_loaded{settings_.certificate, now_->expires()});
    return std::nullopt;
}

} // namespace app
