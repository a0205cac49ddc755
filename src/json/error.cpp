#include "json/reader.hpp"

#include <string>

namespace json {

namespace {

// GCC overlooks that the base's destructor is protected.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class error_category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "json"; }
    std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
        case errc::syntax:
            return "not valid JSON in UTF-8";
        case errc::too_deep:
            return "nested too deep";
        case errc::not_an_object:
            return "not a JSON object";
        case errc::not_an_array:
            return "not a JSON array";
        case errc::duplicate_key:
            return "a key occurs twice";
        case errc::too_many_keys:
            return "too many keys";
        }
        return "unknown error";
    }
};
#pragma GCC diagnostic pop

} // namespace

const boost::system::error_category& category() {
    static const error_category instance;
    return instance;
}

boost::system::error_code make_error_code(errc e) {
    return {static_cast<int>(e), category()};
}

} // namespace json
