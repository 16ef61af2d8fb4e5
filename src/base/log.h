// Log lines: a level, a text, and one place where they go.
//
// A process has one Log, made by its main(), and hands it on by reference. The monitor's writes to standard
// error; a child's sends the line to the monitor, which puts the child's role in front. Texts never contain
// secrets; control bytes are escaped by the monitor before anything reaches a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace localproxy {

// The numbers are those of -v: a line is written when its level is not above the chosen one.
enum class LogLevel : uint8_t {
  kOff = 0,
  kFatal = 1,
  kError = 2,
  kWarning = 3,
  kInfo = 4,
  kDebug = 5,
  kTrace = 6
};

std::string_view to_string(LogLevel level);

class Log {
 public:
  explicit Log(LogLevel level) : level_(level) {}
  virtual ~Log() = default;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void set_level(LogLevel level) { level_ = level; }
  LogLevel level() const { return level_; }
  bool wants(LogLevel level) const { return level <= level_; }
  void write(LogLevel level, std::string_view text) {
    if (wants(level)) emit(level, text);
  }
  void error(std::string_view text) { write(LogLevel::kError, text); }
  void warning(std::string_view text) { write(LogLevel::kWarning, text); }
  void info(std::string_view text) { write(LogLevel::kInfo, text); }
  void debug(std::string_view text) { write(LogLevel::kDebug, text); }
  void trace(std::string_view text) { write(LogLevel::kTrace, text); }

 private:
  virtual void emit(LogLevel level, std::string_view text) = 0;
  LogLevel level_;
};

// text in which \xNN stands for each byte of a control or format character, of a line or paragraph separator,
// and of what is not well-formed UTF-8; cut at limits::kMaxLogLine bytes.
std::string escape_for_log(std::string_view text);

// Writes to standard error which invariant of ours is broken, and ends the process with ExitStatus::kSystem.
// In a child standard error is a non-blocking socket to the monitor.
[[noreturn]] void fatal(std::string_view what);

// fatal() unless the invariant holds.
inline void check(bool holds, std::string_view what) {
  if (!holds) [[unlikely]]
    fatal(what);
}

}  // namespace localproxy
