// The one place where log lines leave the program: standard error.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "base/log.h"
#include "event/loop.h"
#include "monitor/standard_streams.h"

namespace localproxy::monitor {

// "[2026-11-22T23:50:00.123456Z] [info] net: text", or with systemd's journal at the other end "<6>net:
// text", to which it adds the time itself.
//
// No line waits for its reader. What there is no room for is kept, up to limits::kLogWaiting; what is over is
// dropped and counted, and the count is written when there is room again.
class StderrLog : public Log {
 public:
  explicit StderrLog(LogLevel level);
  // Waits for the reader, for limits::kLogFlush at most.
  ~StderrLog() override;

  // A line of a child, with its role in front. Text may be anything.
  void write_for(std::string_view role, LogLevel level, std::string_view text);
  // A line without time and level, whatever the chosen level is: what the start of a program says. The
  // journal gets the priority.
  void write_plain(LogLevel level, std::string_view text);

  // For as long as it lives, lines that wait leave when there is room, and not only with the next one.
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
  std::deque<std::string> waiting_;
  size_t waiting_bytes_ = 0;
  uint64_t dropped_ = 0;
  std::string why_dropped_;
  bool full_ = false;  // the last write found no room
  Flush* flush_ = nullptr;
};

}  // namespace localproxy::monitor
