// Precompiled for the rooms below those that do I/O: what most of their files include anyway.
// Nobody includes this by name, every file still names what it uses.
#include <algorithm>
#include <array>
#include <boost/system/result.hpp>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
