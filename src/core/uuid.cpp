#include "core/uuid.hpp"

#include <boost/endian/conversion.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <limits>
#include <system_error>

namespace core {

namespace {

/// The system's random numbers, fetched for many uuids at a time: a publish without an id needs a
/// uuid, and asking for each costs more than the rest of it.
class entropy {
public:
    using result_type = std::uint32_t;

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

    result_type operator()() {
        if (next_ == pool_.size()) {
            fill();
        }
        return pool_[next_++];
    }

private:
    void fill() {
        // Up to 256 bytes come whole, or not at all.
        if (::getrandom(pool_.data(), sizeof pool_, 0) != sizeof pool_) {
            throw std::system_error(errno, std::system_category(), "getrandom");
        }
        next_ = 0;
    }

    std::array<result_type, 64> pool_{};
    std::size_t next_ = 64;
};

boost::uuids::uuid make_random() {
    thread_local boost::uuids::basic_random_generator<entropy> generator;
    return generator();
}

} // namespace

std::string make_uuid() {
    return boost::uuids::to_string(make_random());
}

std::string make_uuid_at(std::chrono::system_clock::time_point now) {
    boost::uuids::uuid made = make_random();
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
    boost::endian::store_big_u48(made.data, static_cast<std::uint64_t>(since_epoch.count()));
    made.data[6] = static_cast<std::uint8_t>(0x70 | (made.data[6] & 0x0f));
    return boost::uuids::to_string(made);
}

} // namespace core
