// The one place where log lines leave the program: standard error.
#pragma once

#include <string>

#include "base/log.h"

namespace localproxy::monitor {

// "[2026-11-22T23:50:00.123456Z] [info] net: text", or with systemd's journal at the other end "<6>net:
// text", to which it adds the time itself.
class StderrLog : public Log {
 public:
  explicit StderrLog(LogLevel level);

  // A line of a child, with its role in front. Text may be anything.
  void write_for(std::string_view role, LogLevel level, std::string_view text);

 private:
  void emit(LogLevel level, std::string_view text) override;

  bool journal_;
};

}  // namespace localproxy::monitor
