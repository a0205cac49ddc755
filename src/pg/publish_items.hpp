#pragma once

#include "pg/binary_array.hpp"
#include "pg/message_store.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// What the statements that publish take. For publish.cpp and publish_as.cpp only.
namespace pg {

struct prepared_item {
    uuid_bytes id;
    std::string_view channel;
    std::string_view data;
    std::optional<std::string_view> sender;
    std::size_t place; ///< in the caller's items
};

inline outcome<std::vector<prepared_item>> prepare(std::span<const publish_item> items) {
    std::vector<prepared_item> prepared;
    prepared.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto id = parse_uuid(items[i].id);
        if (!id)
            return error{error::kind::refused, "22P02", "an id is not a uuid"};
        prepared.push_back({*id, items[i].channel, items[i].data, items[i].sender, i});
    }
    return prepared;
}

/// Items as arrays of ids, channels, data and senders.
class item_arrays {
public:
    explicit item_arrays(std::span<const prepared_item> items)
        : item_arrays(items, sizes_of(items)) {}

    std::array<parameter, 4> parameters() const {
        return {parameter::in_binary(ids_.bytes()), parameter::in_binary(channels_.bytes()),
                parameter::in_binary(data_.bytes()), parameter::in_binary(senders_.bytes())};
    }

private:
    static constexpr std::uint32_t of_json = 114; ///< type oid, fixed by Postgres

    struct sizes {
        std::size_t channels = 0;
        std::size_t data = 0;
        std::size_t senders = 0;
    };

    item_arrays(std::span<const prepared_item> items, const sizes& bytes)
        : ids_(binary_array::of_uuid, items.size(), items.size() * sizeof(uuid_bytes)),
          channels_(binary_array::of_text, items.size(), bytes.channels),
          data_(of_json, items.size(), bytes.data),
          senders_(binary_array::of_text, items.size(), bytes.senders) {
        for (const prepared_item& item : items) {
            ids_.add(std::string_view(item.id.data(), item.id.size()));
            channels_.add(item.channel);
            data_.add(item.data);
            if (item.sender)
                senders_.add(*item.sender);
            else
                senders_.add_null();
        }
    }

    static sizes sizes_of(std::span<const prepared_item> items) {
        sizes bytes;
        for (const prepared_item& item : items) {
            bytes.channels += item.channel.size();
            bytes.data += item.data.size();
            bytes.senders += item.sender ? item.sender->size() : 0;
        }
        return bytes;
    }

    binary_array ids_;
    binary_array channels_;
    binary_array data_;
    binary_array senders_;
};

/// An error that comes when something is committed already: "nothing was stored" is no longer true.
inline error after_commit(error why) {
    why.what = error::kind::lost;
    return why;
}

/// The others are stored, but that is safe to say: they have ids to be tried again by.
inline error row_dropped() {
    return {error::kind::refused, "23000", "a trigger or rule has dropped the row"};
}

} // namespace pg
