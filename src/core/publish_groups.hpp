#pragma once

#include <cstddef>
#include <functional>
#include <map>

namespace core {

/// Which items of a batch go out together: those of equal key, but no item of a source before an
/// earlier one of it. The groups go out in the order of their numbers.
/// Owner: a function's scope. Lifetime: one batch.
template <typename Key, typename Source, typename KeyOrder = std::less<Key>,
          typename SourceOrder = std::less<Source>>
class publish_groups {
public:
    /// The group of the next item, in order of arrival; a new one has the number count() had.
    std::size_t place(const Key& key, const Source& source) {
        std::size_t& last_of_source = last_.try_emplace(source, 0).first->second;
        const auto latest = latest_.try_emplace(key, count_).first;
        if (latest->second < last_of_source)
            latest->second = count_;
        if (latest->second == count_)
            ++count_;
        return last_of_source = latest->second;
    }

    std::size_t count() const { return count_; }

private:
    std::size_t count_ = 0;
    std::map<Key, std::size_t, KeyOrder> latest_; ///< group of that key
    std::map<Source, std::size_t, SourceOrder> last_;
};

} // namespace core
