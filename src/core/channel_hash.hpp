#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace core {

/// For maps by channel that are asked with a part of a text.
struct channel_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view channel) const {
        return std::hash<std::string_view>{}(channel);
    }
};

} // namespace core
