#pragma once

#include "pg/connection.hpp"

#include <span>
#include <string>
#include <vector>

namespace pg {

/// Parameters as libpq wants them. Text needs a terminating zero, which a view doesn't have.
class parameter_list {
public:
    explicit parameter_list(std::span<const parameter> parameters) {
        texts_.reserve(parameters.size());
        for (const parameter& each : parameters) {
            const bool copy = each.value && !each.binary;
            if (copy) {
                texts_.emplace_back(*each.value);
                has_zero_ = has_zero_ || texts_.back().find('\0') != std::string::npos;
            }
            values_.push_back(!each.value ? nullptr
                              : copy      ? texts_.back().c_str()
                                          : each.value->data());
            lengths_.push_back(each.value ? static_cast<int>(each.value->size()) : 0);
            formats_.push_back(each.binary ? 1 : 0);
        }
    }

    /// libpq would cut the text there.
    bool has_zero() const { return has_zero_; }
    int size() const { return static_cast<int>(values_.size()); }
    const char* const* values() const { return values_.data(); }
    const int* lengths() const { return lengths_.data(); }
    const int* formats() const { return formats_.data(); }

private:
    std::vector<std::string> texts_;
    std::vector<const char*> values_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
    bool has_zero_ = false;
};

} // namespace pg
