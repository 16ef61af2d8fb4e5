// Amounts as people read them in the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace localproxy {

// "0 B", "999 B", "18 kB", "1.2 MB", "88 MB": in powers of 1000, with two digits at least from a megabyte on.
std::string size_text(uint64_t bytes);

// "0 s", "2.4 s", "26 s", "2 min 31 s", "3 h", "2 h 14 min": in two units at most, rounded down.
std::string duration_text(std::chrono::milliseconds duration);

}  // namespace localproxy
