#include "app/setting_files.hpp"

#include "app/read_certificate.hpp"

#include <utility>

namespace app {

boost::system::result<setting_files, setting_problem> read_files(const config::settings& settings) {
    auto certificate = read_certificate(settings.tls);
    if (!certificate) {
        return certificate.error();
    }
    auto keys = token_keys::read(settings.auth);
    if (!keys) {
        return keys.error();
    }
    return setting_files{std::move(*certificate), std::move(*keys)};
}

} // namespace app
