#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace ws {

/// A move-only function that is called at most once. (std::function wants copies; asio 1.81's
/// any_completion_handler wraps itself without end when moved in some ways.)
/// Owner: whoever holds it. Thread: any, one at a time. Lifetime: until called.
template <typename... Arguments>
class once {
public:
    once() = default;

    template <typename Function>
    requires(!std::is_same_v<Function, once>) explicit once(Function function)
        : inside_(std::make_unique<holder<Function>>(std::move(function))) {}

    void operator()(Arguments... arguments) {
        const auto inside = std::move(inside_);
        inside->call(std::move(arguments)...);
    }

private:
    struct base {
        virtual ~base() = default;
        virtual void call(Arguments... arguments) = 0;
    };

    template <typename Function>
    struct holder final : base {
        explicit holder(Function held) : function(std::move(held)) {}
        void call(Arguments... arguments) override {
            // As asio does: what the function holds is free before it runs.
            auto taken = std::move(function);
            taken(std::move(arguments)...);
        }
        Function function;
    };

    std::unique_ptr<base> inside_;
};

} // namespace ws
