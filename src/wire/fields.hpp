#pragma once

#include "base/error.hpp"
#include "wire/frames.hpp"
#include "json/reader.hpp"

#include <cstdint>
#include <optional>
#include <string>

/// The keys of client frames, each read and checked on its own. For decode.cpp only. The messages
/// say what to do and hold nothing of what the client sent.
namespace wire {

base::failure malformed(std::string message);

/// "ref": a number or a short string, kept as it was written; empty if there is none.
base::outcome<ref> read_ref(const json::object& frame);
base::outcome<std::string> read_channel(const json::object& frame);
base::outcome<std::string> read_token(const json::object& frame);
base::outcome<std::string> read_data(const json::object& frame);
base::outcome<std::optional<std::string>> read_id(const json::object& frame);
base::outcome<std::optional<std::string>> read_epoch(const json::object& frame);
base::outcome<std::optional<std::string>> read_consumer(const json::object& frame);
base::outcome<std::optional<std::uint32_t>> read_window(const json::object& frame);
base::outcome<base::seq> read_seq(const json::object& frame);
/// "limit", cut to max_limit.
base::outcome<std::uint32_t> read_limit(const json::object& frame);
/// "after", or `otherwise` if there is none.
base::outcome<start> read_after(const json::object& frame, start otherwise);

} // namespace wire
