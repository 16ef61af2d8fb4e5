#include "monitor/source_log.h"

#include <utility>

#include "base/limits.h"
#include "base/text.h"

namespace localproxy::monitor {
namespace {

// Bytes of a repeated line that are shown again with the count.
constexpr size_t kMaxRepeated = 256;
// The part of the limits that only warnings and errors may use.
constexpr double kReserve = 0.25;

}  // namespace

SourceLog::SourceLog(event::Loop& loop, StderrLog& out, std::string role)
    : Log(out.level()),
      out_(out),
      role_(std::move(role)),
      lines_(limits::kLogLinesPerSecond, limits::kLogLinesAtOnce),
      bytes_(limits::kLogBytesPerSecond, limits::kLogBytesAtOnce),
      timer_(loop, [this] { summarize(); }) {}

SourceLog::~SourceLog() {
  summarize();
}

void SourceLog::emit(LogLevel level, std::string_view text) {
  if (last_ && level == last_level_ && text == *last_) {
    ++repeats_;
  } else {
    count_repeats();
    if (is_within_limits(level, text)) {
      put(level, text);
      last_level_ = level;
      last_ = text;
    } else {
      ++dropped_;
      last_.reset();
    }
  }
  if ((repeats_ > 0 || dropped_ > 0) && !timer_.running()) timer_.start(limits::kLogSummary);
}

bool SourceLog::is_within_limits(LogLevel level, std::string_view text) {
  const auto now = TokenBucket::Clock::now();
  const double kept = level > LogLevel::kWarning ? kReserve : 0;
  return lines_.take(now, 1, kept * limits::kLogLinesAtOnce) &&
         bytes_.take(now, static_cast<double>(role_.size() + escape_for_log(text).size()),
                     kept * limits::kLogBytesAtOnce);
}

void SourceLog::put(LogLevel level, std::string_view text) {
  if (role_.empty()) return out_.write(level, text);
  out_.write_for(role_, level, text);
}

void SourceLog::count_repeats() {
  const uint64_t repeats = std::exchange(repeats_, 0);
  if (repeats == 0) return;
  const std::string line = last_->substr(0, kMaxRepeated) + " (... " + grouped(repeats) + " more)";
  if (is_within_limits(last_level_, line)) return put(last_level_, line);
  dropped_ += repeats;
}

// The count of dropped lines is outside the limits, since it comes at most once a summary.
void SourceLog::summarize() {
  count_repeats();
  if (dropped_ > 0)
    put(LogLevel::kWarning,
        "too many lines at once: " + grouped(dropped_) + (dropped_ == 1 ? " was" : " were") + " dropped");
  dropped_ = 0;
}

SourceLogs::SourceLogs(event::Loop& loop, StderrLog& out) {
  for (size_t i = 0; i < logs_.size(); ++i) {
    const auto role = static_cast<ipc::Role>(i);
    logs_[i] = std::make_unique<SourceLog>(loop, out,
                                           role == ipc::Role::kMonitor ? "" : std::string(to_string(role)));
  }
}

}  // namespace localproxy::monitor
