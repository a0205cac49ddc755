#include "app/read_certificate.hpp"

#include "config/file.hpp"

#include <utility>

namespace app {

namespace {

constexpr std::size_t largest_pem = 1024 * 1024;

} // namespace

boost::system::result<ws::tls_context::pointer, setting_problem>
read_certificate(const config::tls_section& settings) {
    if (settings.certificate.empty()) {
        return ws::tls_context::pointer();
    }
    auto chain = config::read_file(settings.certificate, largest_pem);
    if (!chain.problem.empty()) {
        return setting_problem{"tls.certificate",
                               "the file \"" + settings.certificate + "\" " + chain.problem};
    }
    auto key = config::read_file(settings.key, largest_pem);
    if (!key.problem.empty()) {
        return setting_problem{"tls.key", "the file \"" + settings.key + "\" " + key.problem};
    }
    ws::tls_options options;
    options.certificate = std::move(chain.text);
    options.key = std::move(key.text);
    options.min_version = settings.min_version == config::tls_version::v1_3 ? ws::tls_version::v1_3
                                                                            : ws::tls_version::v1_2;
    options.ciphers = settings.ciphers;
    auto made = ws::tls_context::make(options);
    if (!made) {
        const auto& why = made.error();
        const std::string file = why.option == "certificate" ? settings.certificate
                                 : why.option == "key"       ? settings.key
                                                             : std::string();
        return setting_problem{"tls." + std::string(why.option),
                               (file.empty() ? "" : "the file \"" + file + "\" ") + why.reason};
    }
    return std::move(*made);
}

} // namespace app
