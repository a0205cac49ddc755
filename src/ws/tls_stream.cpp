#include "ws/tls_stream.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <new>
#include <utility>

namespace ws {
namespace {

using outcome = tls_step::outcome;

/// What OpenSSL may add of itself while a record is owed: answers to new keys, alerts. A peer that
/// asks for more of them without reading any is none we want to keep.
constexpr std::size_t most_owed = 64 * 1024;

/// RFC 8446 5.1: the largest piece of plain text in one record.
constexpr std::size_t record_size = 16 * 1024;

bool is_full(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor" // nobody deletes one
class category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "tls"; }
    std::string message(int code) const override {
        const char* const text = ERR_reason_error_string(static_cast<unsigned>(code));
        return text ? text : "TLS error " + std::to_string(code);
    }
};
#pragma GCC diagnostic pop

} // namespace

const boost::system::error_category& tls_category() {
    static const category one;
    return one;
}

/// OpenSSL's way to a tls_stream's descriptor.
struct descriptor_bio {
    static tls_stream& owner(BIO* bio) { return *static_cast<tls_stream*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* to, int size) {
        BIO_clear_retry_flags(bio);
        auto& stream = owner(bio);
        const long got = stream.receive(to, static_cast<std::size_t>(size));
        if (got < 0 && is_full(stream.system_error_))
            BIO_set_retry_read(bio);
        return static_cast<int>(got);
    }

    static int write(BIO* bio, const char* from, int size) {
        BIO_clear_retry_flags(bio);
        return owner(bio).put(from, static_cast<std::size_t>(size)) ? size : -1;
    }

    static long control(BIO* bio, int what, long, void*) {
        if (what == BIO_CTRL_EOF)
            return owner(bio).has_ended_ ? 1 : 0;
        return what == BIO_CTRL_FLUSH ? 1 : 0;
    }

    static BIO_METHOD* make_method() {
        BIO_METHOD* const made =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "descriptor");
        if (!made)
            throw std::bad_alloc();
        BIO_meth_set_read(made, read);
        BIO_meth_set_write(made, write);
        BIO_meth_set_ctrl(made, control);
        return made;
    }

    static BIO* make(tls_stream& owner) {
        static const BIO_METHOD* const method = make_method();
        BIO* const made = BIO_new(method);
        if (!made)
            throw std::bad_alloc();
        BIO_set_data(made, &owner);
        BIO_set_init(made, 1);
        return made;
    }
};

void tls_stream::free::operator()(ssl_st* stream) const {
    SSL_free(stream);
}

tls_stream::tls_stream(const tls_context& context, int descriptor)
    : stream_(SSL_new(context.native())),
      descriptor_(descriptor) {
    if (!stream_)
        throw std::bad_alloc();
    BIO* const both = descriptor_bio::make(*this);
    SSL_set_bio(stream_.get(), both, both); // owns it now
    SSL_set_accept_state(stream_.get());
}

tls_stream::~tls_stream() = default;

long tls_stream::receive(char* to, std::size_t size) {
    const auto got = ::recv(descriptor_, to, size, 0);
    system_error_ = got < 0 ? errno : 0;
    has_ended_ = got == 0;
    return got;
}

/// What OpenSSL writes: to the kernel, or to where records are gathered.
bool tls_stream::put(const char* from, std::size_t size) {
    if (!gathered_)
        return send(from, size);
    gathered_->append(from, size);
    return true;
}

/// Takes all of it, if the connection stands.
bool tls_stream::send(const char* from, std::size_t size) {
    std::size_t sent = 0;
    if (owed_.empty()) {
        const auto went = ::send(descriptor_, from, size, MSG_NOSIGNAL);
        system_error_ = went < 0 ? errno : 0;
        if (went < 0 && !is_full(system_error_))
            return false;
        sent = went < 0 ? 0 : static_cast<std::size_t>(went);
    }
    if (owed_.size() + size - sent > most_owed) {
        system_error_ = ENOBUFS;
        return false;
    }
    owed_.append(from + sent, size - sent);
    return true;
}

/// The kernel's doing.
tls_step tls_stream::failed() {
    is_open_ = false;
    return {outcome::failed, 0, {system_error_, boost::system::system_category()}};
}

tls_step tls_stream::result_of(int returned, std::size_t bytes) {
    if (returned > 0)
        return {outcome::done, bytes};
    switch (SSL_get_error(stream_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
        return {outcome::wants_read};
    case SSL_ERROR_WANT_WRITE:
        return {outcome::wants_write};
    case SSL_ERROR_ZERO_RETURN:
        return {outcome::ended};
    case SSL_ERROR_SYSCALL:
        if (system_error_ != 0)
            return failed();
        is_open_ = false;
        return {outcome::ended};
    default:
        is_open_ = false;
        const auto code = static_cast<int>(ERR_peek_error());
        ERR_clear_error();
        return {outcome::failed, 0, {code, tls_category()}};
    }
}

tls_step tls_stream::handshake() {
    if (const auto step = flush(); step.how != outcome::done)
        return step;
    ERR_clear_error(); // else SSL_get_error finds what another stream left on this thread
    const auto step = result_of(SSL_do_handshake(stream_.get()), 0);
    if (step.how != outcome::done && step.how != outcome::wants_read)
        return step;
    if (owed() > 0)
        return {outcome::wants_write};
    is_open_ = step.how == outcome::done;
    return step;
}

tls_step tls_stream::read_some(void* to, std::size_t size) {
    ERR_clear_error();
    std::size_t bytes = 0;
    const int returned = SSL_read_ex(stream_.get(), to, size, &bytes);
    return result_of(returned, bytes);
}

tls_step tls_stream::write_some(const void* from, std::size_t size) {
    assert(owed() == 0);
    if (size == 0)
        return {outcome::done};
    static thread_local std::string records;
    if (size > record_size)
        gathered_ = &records;
    std::size_t bytes = 0;
    const int returned = SSL_write_ex(stream_.get(), from, std::min(size, most_at_once), &bytes);
    auto step = result_of(returned, bytes);
    if (std::exchange(gathered_, nullptr)) {
        const bool stands = send(records.data(), records.size());
        records.clear();
        if (!stands && step.how == outcome::done)
            step = failed();
    }
    if (step.how == outcome::done && owed() > 0)
        step.how = outcome::wants_write;
    return step;
}

tls_step tls_stream::flush() {
    if (owed() == 0)
        return {outcome::done};
    const auto went = ::send(descriptor_, owed_.data(), owed_.size(), MSG_NOSIGNAL);
    if (went < 0 && is_full(errno))
        return {outcome::wants_write};
    if (went < 0)
        return {outcome::failed, 0, {errno, boost::system::system_category()}};
    owed_.erase(0, static_cast<std::size_t>(went));
    if (owed() > 0)
        return {outcome::wants_write};
    std::string().swap(owed_);
    return {outcome::done};
}

void tls_stream::say_goodbye() {
    if (!is_open_ || owed() > 0)
        return;
    is_open_ = false;
    ERR_clear_error();
    SSL_shutdown(stream_.get());
    ERR_clear_error();
}

} // namespace ws
