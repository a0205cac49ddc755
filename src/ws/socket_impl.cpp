#include "ws/socket_impl.hpp"

#include "ws/text_frame.hpp"
#include "ws/utf8_tail.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/zlib/error.hpp>

#include <algorithm>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

namespace ws {
namespace {

namespace websocket = boost::beast::websocket;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// The same without a coroutine frame of its own: an idle socket waits in a read.
constexpr auto as_small_result = asio::as_tuple(asio::deferred);

constexpr std::size_t first_growth = 4096;

/// Of a large message's memory, while the socket waits for the next.
constexpr std::size_t much_to_keep = 16 * 1024;

/// RFC 6455 5.5: a control frame's payload is at most 125 bytes, two of them the code.
constexpr std::size_t max_reason = 123;

/// An empty ping. It goes through the outbox as data does: Beast's own would need an operation of
/// its own, and needs to know nothing of pings.
base::frame_ptr make_ping() {
    return std::make_shared<const base::frame>(std::string("\x89\x00", 2), 0);
}

/// The answer to bytes that don't inflate. RFC 7692 asks for the end and names no code.
constexpr char bad_payload_close[] = {'\x88', '\x02', '\x03', '\xef'}; // 1007

bool is_of_inflating(const error_code& error) {
    namespace zlib = boost::beast::zlib;
    return error.category() == zlib::make_error_code(zlib::error::general).category();
}

/// Gives whole pages back; what they held is lost.
void release_pages(char* begin, std::size_t size) {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* first = begin;
    if (std::align(page, page, first, size))
        ::madvise(first, size / page * page, MADV_DONTNEED);
}

std::string shortened(std::string reason) {
    if (reason.size() <= max_reason)
        return reason;
    std::size_t end = max_reason;
    while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80)
        --end;
    reason.resize(end);
    return reason;
}

} // namespace

socket::impl::impl(std::shared_ptr<outbox_core> core, const socket_options& options)
    : core_(std::move(core)),
      stream_(core_),
      timer_(core_->tcp().get_executor()),
      options_(options) {
    core_->set_owner(this);
}

socket::impl::~impl() {
    core_->set_owner(nullptr);
    core_->cut(asio::error::operation_aborted);
}

void socket::impl::set_options(const std::string& subprotocol, const std::string& server_name) {
    stream_.read_message_max(options_.max_frame);
    stream_.set_option(websocket::stream_base::decorator([&](websocket::response_type& answer) {
        answer.set(boost::beast::http::field::server, server_name);
        if (!subprotocol.empty())
            answer.set(boost::beast::http::field::sec_websocket_protocol, subprotocol);
        inflates_ = answer.count(boost::beast::http::field::sec_websocket_extensions) > 0;
    }));
    if (options_.compression) {
        websocket::permessage_deflate deflate;
        deflate.server_enable = true;
        deflate.server_no_context_takeover = true;
        stream_.set_option(deflate);
    }
}

asio::awaitable<error_code> socket::impl::accept(self_ptr, const request& handshake,
                                                 const std::string& subprotocol,
                                                 const std::string& server_name) {
    set_options(subprotocol, server_name);
    start_deadline();
    const auto [error] = co_await stream_.async_accept(handshake, as_result);
    // The decorator refers to this coroutine's arguments.
    stream_.set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));
    if (error) {
        abort();
        co_return error;
    }
    stream_.control_callback(
        [this](websocket::frame_type kind, boost::beast::string_view) { heard_control(kind); });
    deadline_ = false;
    start_timer(options_.ping_interval);
    co_return error_code();
}

void socket::impl::heard_control(websocket::frame_type kind) {
    heard_ = true;
    if (kind != websocket::frame_type::close)
        return;
    const auto& reason = stream_.reason();
    note_ending(reason.code, {reason.reason.data(), reason.reason.size()});
}

asio::mutable_buffer socket::impl::space_for_more(std::size_t have) {
    if (inflates_) {
        // Beast before 1.90 loses its way when an inflated message doesn't fit into one buffer, so
        // it gets all of it from the start, and keeps it. Pages nobody writes to cost no memory.
        big_size_ = options_.max_frame + 1;
        if (!big_)
            big_ = std::make_unique_for_overwrite<char[]>(big_size_);
        return asio::buffer(big_.get() + have, big_size_ - have);
    }
    if (!big_ && have < small_.size())
        return asio::buffer(small_.data() + have, small_.size() - have);
    if (have < big_size_)
        return asio::buffer(big_.get() + have, big_size_ - have);
    // The length a client announces is only believed as far as it has shown itself.
    const std::size_t believed = std::max(first_growth, have);
    const std::size_t more = std::min(stream_.read_size_hint(first_growth), believed);
    auto larger = std::make_unique_for_overwrite<char[]>(have + more);
    std::copy_n(big_ ? big_.get() : small_.data(), have, larger.get());
    big_ = std::move(larger);
    big_size_ = have + more;
    return asio::buffer(big_.get() + have, more);
}

asio::awaitable<boost::system::result<incoming>> socket::impl::read(self_ptr self) {
    if (!inflates_) {
        big_.reset();
        big_size_ = 0;
    } else if (last_size_ > much_to_keep) {
        release_pages(big_.get(), last_size_);
    }
    last_size_ = 0;
    if (over_ || closing_)
        co_return error_code(asio::error::operation_aborted);
    std::size_t have = 0;
    is_reading_ = true;
    heard_ = true; // what the peer may have said meanwhile is only read now
    do {
        const auto [error, more] =
            co_await stream_.async_read_some(space_for_more(have), as_small_result);
        if (error) {
            is_reading_ = false;
            if (closing_)
                co_return error; // the end is close()'s business
            if (is_of_inflating(error))
                co_await refuse_payload();
            else
                abort();
            co_return error;
        }
        heard_ = true;
        have += more;
    } while (!stream_.is_message_done());
    is_reading_ = false;
    last_size_ = have;
    const std::string_view bytes(big_ ? big_.get() : small_.data(), have);
    // Beast checks UTF-8, but not that a message whose last fragment is empty ends between
    // characters.
    if (stream_.got_text() && ends_inside_character(bytes)) {
        co_await close(self, websocket::close_code::bad_payload, {}, true);
        co_return error_code(websocket::error::bad_frame_payload);
    }
    co_return incoming{stream_.got_binary(), bytes};
}

/// Beast fails then without a word to the peer, and sends nothing more itself.
asio::awaitable<void> socket::impl::refuse_payload() {
    closing_ = true;
    core_->close_behind_data(false);
    auto& layer = stream_.next_layer();
    const auto [error, count] =
        co_await layer.async_write_some(asio::buffer(bad_payload_close), as_result);
    if (!error) {
        const auto tear_down = [this](auto handler) {
            core_->tear_down(outbox_core::torn_down_handler(std::move(handler)));
        };
        co_await asio::async_initiate<decltype(as_result), void(error_code)>(tear_down, as_result);
    }
    abort();
}

void socket::impl::send(base::frame_ptr frame) {
    if (!closing_ && !over_)
        core_->append(std::move(frame));
}

asio::awaitable<error_code> socket::impl::room(self_ptr) {
    co_return co_await core_->shrunk_to(options_.outbox_bytes / 2);
}

asio::awaitable<error_code> socket::impl::flushed(self_ptr) {
    co_return co_await core_->flushed();
}

asio::awaitable<void> socket::impl::close(self_ptr, std::uint16_t code, std::string reason,
                                          bool at_once) {
    if (over_ || closing_ || core_->is_sealed())
        co_return;
    closing_ = true;
    reason = shortened(std::move(reason));
    note_ending(code, reason);
    core_->close_behind_data(!at_once);
    start_deadline();
    const websocket::close_reason words(static_cast<websocket::close_code>(code), reason);
    co_await stream_.async_close(words, as_result);
    abort();
}

void socket::impl::abort() {
    if (over_)
        return;
    over_ = true;
    timer_.cancel();
    core_->cut(asio::error::operation_aborted);
}

void socket::impl::sealed(std::uint16_t code, std::string_view reason) {
    note_ending(code, reason);
    start_deadline(); // Beast 1.81 itself would wait for minutes, whoever closes first
}

void socket::impl::note_ending(std::uint16_t code, std::string_view reason) {
    if (ended_)
        return;
    ended_ = true;
    ending_.code = code;
    ending_.reason = reason;
}

void socket::impl::start_deadline() {
    if (deadline_)
        return;
    deadline_ = true;
    start_timer(options_.close_timeout);
}

void socket::impl::start_timer(std::chrono::milliseconds delay) {
    timer_.expires_after(delay);
    timer_.async_wait([weak = weak_from_this()](error_code error) {
        if (error)
            return;
        if (const auto self = weak.lock())
            self->timer_fired();
    });
}

void socket::impl::timer_fired() {
    // Set anew while this call was already under way: another one comes.
    if (over_ || timer_.expiry() > std::chrono::steady_clock::now())
        return;
    if (deadline_)
        return abort();
    // A peer that takes bytes out of a full kernel buffer is slow, and a ping would wait behind
    // those bytes. A peer whose frames nobody reads at the moment can't make itself heard.
    const bool alive = heard_ || core_->take_progress() || !is_reading_;
    if (!alive && asked_) {
        note_ending(1006, "no answer to a ping");
        return abort();
    }
    asked_ = true;
    heard_ = false;
    if (core_->is_idle())
        core_->append(make_ping());
    start_timer(options_.ping_interval);
}

} // namespace ws
