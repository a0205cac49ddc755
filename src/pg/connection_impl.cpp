#include "pg/connection_impl.hpp"

#include "core/uuid.hpp"
#include "pg/parameter_list.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pg {

/// Marks the connection busy, and its time as running, for the length of one operation.
class connection::impl::operation {
public:
    operation(impl& of, std::chrono::milliseconds allowed) : of_(of) {
        of_.busy_ = true;
        of_.timed_out_ = false;
        of_.allowed_ = allowed;
    }
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    ~operation() {
        ++of_.turn_;
        of_.timer_.cancel();
        of_.busy_ = false;
    }

    void start_clock() {
        of_.timer_.expires_after(of_.allowed_);
        of_.timer_.async_wait([weak = of_.weak_from_this(),
                               turn = ++of_.turn_](const boost::system::error_code& cancelled) {
            const auto self = cancelled ? nullptr : weak.lock();
            if (!self || self->turn_ != turn)
                return;
            self->timed_out_ = true;
            boost::system::error_code ignored;
            if (self->raw_)
                self->descriptor_.cancel(ignored);
        });
    }

private:
    impl& of_;
};

/// An operation whose time is the query timeout, and runs from the start.
class connection::impl::query_operation : operation {
public:
    explicit query_operation(impl& of) : operation(of, of.options_.query_timeout) {
        if (of.options_.query_timeout.count() > 0)
            start_clock();
    }
};

std::optional<error> connection::impl::unready() {
    if (busy_)
        return error{error::kind::refused, "", "an operation is under way on this connection"};
    if (!raw_)
        return lost();
    return std::nullopt;
}

connection::impl::impl(asio::io_context& context, pgconn_ptr raw, connect_options options)
    : descriptor_(context),
      timer_(context),
      options_(std::move(options)),
      raw_(std::move(raw)),
      statement_prefix_(core::make_uuid() + '_'),
      backend_pid_(PQbackendPID(raw_.get())),
      server_version_(PQserverVersion(raw_.get())) {
    PQsetNoticeReceiver(raw_.get(), &impl::on_notice, this);
    PQsetnonblocking(raw_.get(), 1);
    descriptor_.assign(PQsocket(raw_.get()));
}

connection::impl::~impl() {
    close();
}

void connection::impl::close() {
    if (!raw_)
        return;
    // The socket is libpq's to close. Releasing it ends the waits.
    descriptor_.release();
    raw_.reset();
}

bool connection::impl::alive() const {
    return raw_ && PQstatus(raw_.get()) == CONNECTION_OK;
}

// When a server hangs up on an idle connection, only its notice says why. That is FATAL, but a mere
// WARNING (57P01, 57P02) when the server crashes or is stopped at once.
void connection::impl::on_notice(void* self, const PGresult* notice) {
    error said = error_of(notice);
    if (said.what != error::kind::lost && !said.sqlstate.starts_with("57P"))
        return;
    static_cast<impl*>(self)->farewell_ = std::move(said.message);
    static_cast<impl*>(self)->farewell_state_ = std::move(said.sqlstate);
}

error connection::impl::lost() {
    error why{error::kind::lost, farewell_state_, farewell_};
    if (timed_out_) {
        why.message = "no answer within " + std::to_string(allowed_.count()) + " ms";
    } else if (why.message.empty() && raw_) {
        why.message = one_line(PQerrorMessage(raw_.get()));
    }
    if (why.message.empty())
        why.message = "the connection was closed";
    close();
    return why;
}

asio::awaitable<bool> connection::impl::wait(wait_type until) {
    if (!raw_ || timed_out_)
        co_return false;
    boost::system::error_code failed;
    co_await descriptor_.async_wait(until, asio::redirect_error(asio::use_awaitable, failed));
    co_return raw_ && !timed_out_ && (!failed || failed == asio::error::operation_aborted);
}

asio::awaitable<bool> connection::impl::flush() {
    for (;;) {
        const int left = PQflush(raw_.get());
        if (left <= 0)
            co_return left == 0;
        // Reading goes on meanwhile: a server that can't get rid of what it sends doesn't read.
        descriptor_.async_wait(wait_type::wait_read,
                               [weak = weak_from_this()](const boost::system::error_code& failed) {
                                   const auto self = failed ? nullptr : weak.lock();
                                   boost::system::error_code ignored;
                                   if (self && self->raw_)
                                       self->descriptor_.cancel(ignored);
                               });
        const bool going = co_await wait(wait_type::wait_write);
        if (!going)
            co_return false;
        descriptor_.cancel();
        if (!PQconsumeInput(raw_.get()))
            co_return false;
    }
}

asio::awaitable<outcome<result>> connection::impl::answer(int sent) {
    bool going = sent == 1;
    if (going)
        going = co_await flush();
    result_ptr last;
    std::optional<error> failure;
    for (;;) {
        while (going && PQisBusy(raw_.get())) {
            going = co_await wait(wait_type::wait_read);
            if (going)
                going = PQconsumeInput(raw_.get()) != 0;
        }
        if (!raw_ || timed_out_)
            co_return lost();
        // On a broken connection this doesn't block; it gives what had arrived, with the reason.
        result_ptr next(PQgetResult(raw_.get()));
        if (!next)
            break;
        switch (PQresultStatus(next.get())) {
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
            last = std::move(next);
            break;
        case PGRES_FATAL_ERROR:
            if (!failure)
                failure = error_of(next.get());
            break;
        default: // COPY, which nothing here speaks and which would never end
            close();
            co_return error{error::kind::lost, "", "COPY is not supported here"};
        }
    }
    const bool broken = !going || PQstatus(raw_.get()) != CONNECTION_OK;
    if (broken || (failure && failure->what == error::kind::lost)) {
        if (failure && farewell_.empty() && !failure->sqlstate.empty()) {
            farewell_ = std::move(failure->message);
            farewell_state_ = std::move(failure->sqlstate);
        }
        co_return lost();
    }
    if (failure)
        co_return std::move(*failure);
    if (!last)
        co_return lost();
    co_return result(std::make_shared<const result::impl>(std::move(last)));
}

asio::awaitable<outcome<result>> connection::impl::query(std::string_view statement,
                                                         std::span<const parameter> parameters,
                                                         bool prepare) {
    if (const auto why = unready())
        co_return *why;
    const query_operation now(*this);
    const parameter_list list(parameters);
    if (list.has_zero()) {
        co_return error{error::kind::refused, "22021", "a text parameter has a zero byte in it"};
    }

    if (prepare && !pooled_) {
        const auto known = prepared_.find(statement);
        std::string name = known != prepared_.end() ? known->second : "";
        std::optional<error> failure;
        if (name.empty()) {
            name = statement_prefix_ + std::to_string(++statements_);
            const std::string text(statement);
            auto made =
                co_await answer(PQsendPrepare(raw_.get(), name.c_str(), text.c_str(), 0, nullptr));
            if (made)
                prepared_.emplace(statement, name);
            else
                failure = made.error();
        }
        if (!failure) {
            auto answered = co_await answer(PQsendQueryPrepared(raw_.get(), name.c_str(),
                                                                list.size(), list.values(),
                                                                list.lengths(), list.formats(), 0));
            if (answered)
                co_return answered;
            failure = answered.error();
        }
        // 26000, 42P05: our statement isn't there, or is there already: behind a transaction pooler
        // each query may meet another session. 0A000: the table was altered.
        pooled_ = failure->sqlstate == "26000" || failure->sqlstate == "42P05";
        const bool stale = failure->sqlstate == "0A000" && prepared_.erase(statement) > 0;
        if (failure->what == error::kind::lost || !(pooled_ || stale))
            co_return std::move(*failure);
    }
    const std::string text(statement);
    co_return co_await answer(PQsendQueryParams(raw_.get(), text.c_str(), list.size(), nullptr,
                                                list.values(), list.lengths(), list.formats(), 0));
}

asio::awaitable<outcome<result>> connection::impl::script(std::string text) {
    if (const auto why = unready())
        co_return *why;
    const query_operation now(*this);
    auto answered = co_await answer(PQsendQuery(raw_.get(), text.c_str()));
    if (!answered && raw_ && PQtransactionStatus(raw_.get()) != PQTRANS_IDLE) {
        const auto undone = co_await answer(PQsendQuery(raw_.get(), "rollback"));
        if (!undone)
            co_return undone.error();
    }
    co_return answered;
}

std::vector<connection::ring> connection::impl::take_rings() {
    std::vector<ring> rings;
    while (PGnotify* arrived = PQnotifies(raw_.get())) {
        rings.push_back({arrived->relname, arrived->extra});
        PQfreemem(arrived);
    }
    return rings;
}

asio::awaitable<outcome<std::vector<connection::ring>>>
connection::impl::wait_rings(std::chrono::milliseconds timeout) {
    if (const auto why = unready())
        co_return *why;
    operation now(*this, timeout);
    auto rings = take_rings();
    if (rings.empty())
        now.start_clock();
    while (rings.empty()) {
        const bool going = co_await wait(wait_type::wait_read);
        if (!raw_)
            co_return lost();
        if (timed_out_)
            break;
        const bool consumed = going && PQconsumeInput(raw_.get());
        rings = take_rings();
        // Taking them has also read the server's farewell, if there is one. Rings that came with it
        // are dropped: whoever reconnects reads the table anyway.
        if (!consumed)
            co_return lost();
    }
    co_return rings;
}

outcome<std::string> connection::impl::quoted_identifier(std::string_view name) const {
    if (!raw_)
        return error{error::kind::lost, "", "the connection was closed"};
    char* quoted = PQescapeIdentifier(raw_.get(), name.data(), name.size());
    if (!quoted)
        return error{error::kind::refused, "42602", one_line(PQerrorMessage(raw_.get()))};
    std::string copy = quoted;
    PQfreemem(quoted);
    return copy;
}

} // namespace pg
