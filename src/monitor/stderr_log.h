// The one place where log lines leave the program: standard error.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "base/log.h"
#include "event/loop.h"
#include "monitor/standard_streams.h"

namespace localproxy::monitor {

// Lines are "[2026-11-22T23:50:00.123456Z] [info] net: text" or, for systemd's journal, which adds the time
// itself, "<6>net: text".
//
// Writing a line never waits for its reader. Lines without room are kept, up to limits::kLogWaiting. Any more
// are dropped and counted, and the count is written when there is room again.
class StderrLog : public Log {
 public:
  explicit StderrLog(LogLevel level);
  // Waits for the reader, at most for limits::kLogFlush.
  ~StderrLog() override;

  // A line of a child, with its role in front. text may be anything.
  void write_for(std::string_view role, LogLevel level, std::string_view text);
  // A line without time and level, written at any chosen level: for errors at the start. The journal gets the
  // priority.
  void write_plain(LogLevel level, std::string_view text);

  // While it lives, waiting lines are written as soon as there is room, and not only with the next line.
  class Flush {
   public:
    Flush(event::Loop& loop, StderrLog& log);
    ~Flush();
    Flush(const Flush&) = delete;
    Flush& operator=(const Flush&) = delete;

   private:
    friend class StderrLog;
    StderrLog& log_;
    event::Timer timer_;
  };

 private:
  void emit(LogLevel level, std::string_view text) override;
  std::string line(LogLevel level, std::string_view text) const;
  void put(std::string line);
  void flush();
  bool write_front();
  bool write_dropped();
  void drop_all(int error_number);

  const StandardError out_;
  const bool journal_;
  // A terminal may be raw, as ssh(1) sets the one of its ProxyCommand.
  const char* const line_end_;
  std::deque<std::string> waiting_;
  size_t waiting_bytes_ = 0;
  uint64_t dropped_ = 0;
  std::string why_dropped_;
  bool full_ = false;  // the last write found no room
  Flush* flush_ = nullptr;
};

}  // namespace localproxy::monitor
