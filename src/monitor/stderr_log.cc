#include "monitor/stderr_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace localproxy::monitor {
namespace {

// Whether standard error is what systemd says it made (systemd.exec(5), JOURNAL_STREAM).
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
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  char text[64];
  const size_t size = ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  ::snprintf(text + size, sizeof text - size, ".%06ldZ", now.tv_nsec / 1000);
  return text;
}

}  // namespace

StderrLog::StderrLog(LogLevel level) : Log(level), journal_(is_journal()) {}

void StderrLog::write_for(std::string_view role, LogLevel level, std::string_view text) {
  write(level, std::string(role) + ": " + std::string(text));
}

void StderrLog::emit(LogLevel level, std::string_view text) {
  std::string line = journal_ ? "<" + std::to_string(syslog_priority(level)) + ">"
                              : "[" + timestamp() + "] [" + std::string(to_string(level)) + "] ";
  line += escape_for_log(text);
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nowhere to say it
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace localproxy::monitor
