#include "ws/inflater.hpp"

#include <boost/beast/zlib/error.hpp>
#include <boost/beast/zlib/inflate_stream.hpp>

#include <algorithm>

namespace ws {
namespace {

namespace zlib = boost::beast::zlib;

/// What a message's deflate stream ends with, and leaves out: an empty block without a length.
constexpr std::string_view unsent_end("\0\0\xff\xff", 4);

/// In z_params::data_type: the last thing read was the end of a block; and how many bits were read
/// and not used yet.
constexpr int between_blocks = 128;
constexpr int unused_bits = 63;

constexpr std::size_t piece_at_once = 4096;

} // namespace

struct inflater::state {
    zlib::inflate_stream stream;
    bool is_between_blocks = true;

    boost::system::error_code write(zlib::z_params& params);
};

boost::system::error_code inflater::state::write(zlib::z_params& params) {
    const std::size_t came = params.avail_in;
    boost::system::error_code error;
    stream.write(params, zlib::Flush::sync, error);
    if (error == zlib::error::end_of_stream) {
        // A block may say it is the last one; then another stream follows (RFC 7692 7.2.3.4). Its
        // first byte may have been read for this one's last bits.
        const auto bits = static_cast<std::size_t>(params.data_type & unused_bits);
        const std::size_t ahead = std::min(bits / 8, came - params.avail_in);
        params.next_in = static_cast<const char*>(params.next_in) - ahead;
        params.avail_in += ahead;
        stream.reset();
        is_between_blocks = true;
        return {};
    }
    if (!error) // otherwise nothing was done, and it says less
        is_between_blocks = (params.data_type & between_blocks) != 0;
    return error;
}

inflater::inflater(const deflate_terms& terms) : terms_(terms) {}

inflater::inflater(inflater&&) noexcept = default;
inflater::~inflater() = default;

inflater::outcome inflater::append(std::string_view piece, std::string& to, std::size_t most) {
    if (!state_)
        state_ = std::make_unique<state>();
    char out[piece_at_once];
    zlib::z_params params;
    params.next_in = piece.data();
    params.avail_in = piece.size();
    bool full = true; // there may be more where there was no room
    while (params.avail_in > 0 || full) {
        params.next_out = out;
        params.avail_out = sizeof out;
        const auto error = state_->write(params);
        const std::size_t made = sizeof out - params.avail_out;
        if (to.size() + made > most)
            return outcome::too_large;
        to.append(out, made);
        if (error == zlib::error::need_buffers)
            break; // all that came is used up
        if (error)
            return outcome::broken;
        full = params.avail_out == 0;
    }
    return outcome::fine;
}

inflater::outcome inflater::finish(std::string& to, std::size_t most) {
    const outcome how = append(unsent_end, to, most);
    if (how == outcome::fine && !state_->is_between_blocks)
        return outcome::broken;
    if (!terms_.keeps_window)
        state_.reset();
    return how;
}

} // namespace ws
