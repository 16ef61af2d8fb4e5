// The log lines of a source that must not be able to fill the log: of a helper, or of the monitor about what
// others do.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/token_bucket.h"
#include "event/loop.h"
#include "ipc/table.h"
#include "monitor/stderr_log.h"

namespace localproxy::monitor {

// A line that repeats the one before is counted and not written, and so is a line beyond the limits
// (limits::kLogLinesPerSecond and those after it). The counts follow when another line is written, or after
// limits::kLogSummary: "TEXT (... 5,213 more)" for repeats, "too many lines at once: 5,213 were dropped" for
// the others. Lines below a warning leave a quarter of the limits for warnings and errors.
class SourceLog : public Log {
 public:
  // role: stands in front of each line; empty: nothing does.
  SourceLog(event::Loop& loop, StderrLog& out, std::string role);
  // Writes the counts.
  ~SourceLog() override;

 private:
  void emit(LogLevel level, std::string_view text) override;
  bool is_within_limits(LogLevel level, std::string_view text);
  void put(LogLevel level, std::string_view text);
  void count_repeats();
  void summarize();

  StderrLog& out_;
  const std::string role_;
  TokenBucket lines_;
  TokenBucket bytes_;
  LogLevel last_level_ = LogLevel::kOff;
  std::optional<std::string> last_;  // the last line, unless a line was dropped after it
  uint64_t repeats_ = 0;             // of last_
  uint64_t dropped_ = 0;
  event::Timer timer_;
};

// One for each source, for the whole run: a process that takes the place of another gets no new limits.
class SourceLogs {
 public:
  SourceLogs(event::Loop& loop, StderrLog& out);

  // The lines of the helpers of this role. Role::kMonitor: our own about what others can cause at will.
  Log& of(ipc::Role role) { return *logs_[static_cast<size_t>(role)]; }

 private:
  std::array<std::unique_ptr<SourceLog>, static_cast<size_t>(ipc::Role::kLast) + 1> logs_;
};

}  // namespace localproxy::monitor
