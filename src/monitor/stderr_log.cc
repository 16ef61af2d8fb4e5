#include "monitor/stderr_log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "base/limits.h"
#include "base/utc.h"

namespace localproxy::monitor {
namespace {

// Whether standard error is systemd's connection to the journal (systemd.exec(5), JOURNAL_STREAM).
bool is_journal() {
  const char* stream = ::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

// syslog(3).
int syslog_priority(LogLevel level) {
  switch (level) {
    case LogLevel::kOff:
    case LogLevel::kFatal:
      return 2;
    case LogLevel::kError:
      return 3;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kDebug:
    case LogLevel::kTrace:
      return 7;
  }
  return 7;
}

std::string timestamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const Utc utc = utc_of(now.tv_sec);
  return date_text(utc) + "T" + clock_text(utc) + "." + padded(static_cast<uint64_t>(now.tv_nsec / 1000), 6) +
         "Z";
}

std::string priority(LogLevel level) {
  return "<" + std::to_string(syslog_priority(level)) + ">";
}

}  // namespace

StderrLog::StderrLog(LogLevel level)
    : Log(level), journal_(is_journal()), line_end_(::isatty(STDERR_FILENO) == 1 ? "\r\n" : "\n") {}

StderrLog::~StderrLog() {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + limits::kLogFlush;
  for (Clock::time_point now; full_ && (now = Clock::now()) < end;) {
    if (!out_.wait_for_room(std::chrono::ceil<std::chrono::milliseconds>(end - now))) return;
    flush();
  }
}

void StderrLog::write_for(std::string_view role, LogLevel level, std::string_view text) {
  write(level, std::string(role) + ": " + std::string(text));
}

void StderrLog::write_plain(LogLevel level, std::string_view text) {
  put((journal_ ? priority(level) : "") + escape_for_log(text) + line_end_);
}

void StderrLog::emit(LogLevel level, std::string_view text) {
  put(line(level, text));
}

std::string StderrLog::line(LogLevel level, std::string_view text) const {
  const std::string front =
      journal_ ? priority(level) : "[" + timestamp() + "] [" + std::string(to_string(level)) + "] ";
  return front + escape_for_log(text) + line_end_;
}

// ---- what waits, and what is dropped ----

void StderrLog::put(std::string line) {
  flush();
  if (dropped_ > 0 || waiting_bytes_ + line.size() > limits::kLogWaiting) {
    if (full_) why_dropped_ = "standard error was not read";
    ++dropped_;
    return;
  }
  waiting_bytes_ += line.size();
  waiting_.push_back(std::move(line));
  // When full_, the line in front has just found no room.
  if (!full_) flush();
}

void StderrLog::flush() {
  while (waiting_.empty() ? write_dropped() : write_front()) {
  }
  if (full_ && flush_ != nullptr && !flush_->timer_.running()) flush_->timer_.start(limits::kLogRetry);
}

// Whether there may be more to write.
bool StderrLog::write_front() {
  std::string& front = waiting_.front();
  const ssize_t written = out_.write(front);
  full_ = written < 0 && errno == EAGAIN;
  if (full_) return false;
  if (written < 0) {
    drop_all(errno);
    return false;
  }
  waiting_bytes_ -= static_cast<size_t>(written);
  front.erase(0, static_cast<size_t>(written));
  if (front.empty()) waiting_.pop_front();
  return true;
}

bool StderrLog::write_dropped() {
  full_ = false;
  if (dropped_ == 0) return false;
  std::string text = line(LogLevel::kWarning, std::to_string(dropped_) +
                                                  (dropped_ == 1 ? " log line was" : " log lines were") +
                                                  " dropped: " + why_dropped_);
  const ssize_t written = out_.write(text);
  full_ = written < 0 && errno == EAGAIN;
  if (written < 0) return false;
  dropped_ = 0;
  text.erase(0, static_cast<size_t>(written));
  waiting_bytes_ += text.size();
  if (!text.empty()) waiting_.push_back(std::move(text));
  return true;
}

void StderrLog::drop_all(int error_number) {
  why_dropped_ = system_error("standard error", error_number).text();
  dropped_ += waiting_.size();
  waiting_.clear();
  waiting_bytes_ = 0;
}

// ---- when there is room again ----

// A timer and not readiness: a terminal may report that it has room and then not take the end of a line,
// again and again.
StderrLog::Flush::Flush(event::Loop& loop, StderrLog& log)
    : log_(log), timer_(loop, [this] { log_.flush(); }) {
  log_.flush_ = this;
  log_.flush();
}

StderrLog::Flush::~Flush() {
  log_.flush_ = nullptr;
}

}  // namespace localproxy::monitor
