#pragma once

/// What the process ends with besides 0, by the numbers of sysexits.h; docs/config.md lists them.
namespace base::exit_code {

inline constexpr int usage = 64;         ///< a wrong command line
inline constexpr int unreachable = 69;   ///< Postgres, or server.listen, isn't to be had now
inline constexpr int internal = 70;      ///< a fault of the program
inline constexpr int configuration = 78; ///< settings, or the database, that must be changed first

} // namespace base::exit_code
