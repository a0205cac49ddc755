#pragma once

#include "config/config.hpp"

#include <span>
#include <string>

/// What only several keys together can get wrong. Keys that have a problem of their own are passed
/// over: what they are meant to be isn't known.
namespace config {

/// Puts what dsn_file and secret_file hold where dsn and secret would be.
void read_secret_files(loaded& to);

/// `rule_at`: where each of the rules stands. Opens the files that are used later.
void check_across(loaded& to, std::span<const std::string> rule_at);

} // namespace config
