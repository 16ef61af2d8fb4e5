// Calendar time in UTC, computed here: libc reads the time zone's file when it is first asked for a time, and
// no filter allows that.
#pragma once

#include <cstdint>
#include <string>

namespace localproxy {

struct Utc {
  int year;
  unsigned month;  // 1 to 12
  unsigned day;    // of the month, from 1
  unsigned hour;
  unsigned minute;
  unsigned second;
};

// From seconds since the beginning of 1970, not counting leap seconds (POSIX).
Utc utc_of(int64_t seconds);

// "2026-11-22" and "23:50:00".
std::string date_text(const Utc& time);
std::string clock_text(const Utc& time);

// A number with zeros in front: at least `width` digits.
std::string padded(uint64_t number, size_t width);

}  // namespace localproxy
