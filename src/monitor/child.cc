#include "monitor/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "monitor/sandbox_report.h"

namespace localproxy::monitor {

using ipc::Port;
using ipc::Role;

namespace {

// Bytes of a child's standard error that are kept until the line is complete.
constexpr size_t kMaxStderr = 8'192;
constexpr int kStderrTurn = 32;  // writes
// A child that is asked once more than this without an answer hangs.
constexpr int kMaxUnanswered = 2;
// What fatal() puts in front.
constexpr std::string_view kFatal = "fatal: ";
// A child that has closed its channel has this long to exit.
constexpr std::chrono::milliseconds kExitTime{1'000};

}  // namespace

std::string Exit::describe() const {
  switch (how) {
    case How::kStatus:
      return "ended with status " + std::to_string(number) + (why.empty() ? "" : ": " + why);
    case How::kNotStarted:
      return "was not started: " + why;
    case How::kSignal:
    case How::kTimeout:
      break;
  }
  const char* name = ::sigabbrev_np(number);
  std::string text =
      "was killed by SIG" + std::string(name != nullptr ? name : std::to_string(number).c_str());
  if (number == SIGSYS) text += " (sandbox violation: it made a system call that its policy forbids)";
  return text;
}

Child::Child(event::Loop& loop, Log& log, Log& lines, Role role, Ends ends, const ipc::Setup& setup,
             Launched launched, Events events)
    : log_(log),
      lines_(lines),
      role_(role),
      launched_(std::move(launched)),
      events_(std::move(events)),
      stderr_(std::move(ends.errors)),
      deadline_(loop, [this] { on_deadline(); }),
      alive_(loop, [this] { ask(); }),
      exit_task_(loop, [this] { events_.on_exit(exit_); }),
      port_(loop, std::move(ends.channel), Role::kMonitor, role,
            [this](Port::End end, const std::string& what) { on_end(end, what); }),
      stderr_watcher_(
          loop, stderr_.get(), [this] { on_stderr(); }, [] {}) {
  stderr_watcher_.want_read(true);
  port_.on_shortage([this](int error) { on_shortage(error); });
  port_.on<ipc::LogLine>([this](const ipc::LogLine& line) { on_line(line); });
  port_.on<ipc::Pong>([this](const ipc::Pong&) { on_pong(); });
  port_.on<ipc::Ready>([this](const ipc::Ready& ready) { on_ready(ready); });
  port_.send(setup);
  deadline_.start(limits::kChildStart);
}

Child::~Child() {
  if (running()) launched_.forget();
}

void Child::kill() {
  // Whatever it has already sent has no more effect.
  port_.give_up();
  alive_.stop();
  if (running()) launched_.kill();
}

void Child::end_within(std::chrono::milliseconds time) {
  due_ = Due::kEnd;
  deadline_.start(time);
}

void Child::on_deadline() {
  if (!ready() && launched_.is_delayed()) return deadline_.start(limits::kChildStart);
  late_ = due_ == Due::kEnd;
  kill_unanswering();
}

void Child::kill_unanswering() {
  log_.error("the " + std::string(to_string(role_)) + " process does not answer and is killed");
  kill();
}

void Child::ask() {
  alive_.start(limits::kAlive);
  const Clock::time_point last = std::exchange(asked_, Clock::now());
  // It need not answer while another deadline is at work, nor while messages cannot reach it, nor after this
  // process was stopped, perhaps together with it.
  if (deadline_.running() || port_.is_short() || asked_ - last > 2 * limits::kAlive) {
    unanswered_ = std::min(unanswered_, 1);
    return;
  }
  if (unanswered_ == kMaxUnanswered) return kill_unanswering();
  if (unanswered_++ == 0) port_.send(ipc::Ping{});
}

void Child::on_pong() {
  if (std::exchange(unanswered_, 0) > 0) return;
  log_.error("the " + std::string(to_string(role_)) + " process answered without being asked, and is killed");
  kill();
}

void Child::on_end(Port::End end, const std::string& what) {
  if (end == Port::End::kViolation) {
    log_.error(what);
    return kill();
  }
  due_ = Due::kExit;
  deadline_.start(kExitTime);
}

void Child::on_ready(const ipc::Ready& ready) {
  deadline_.stop();
  asked_ = Clock::now();
  alive_.start(limits::kAlive);
  reached_ = ready;
  port_.set_state(ipc::State::kReady);
  lines_.info(sandbox_line(ready));
  events_.on_ready();
}

void Child::exited(const Exit& exit) {
  running_ = false;
  deadline_.stop();
  alive_.stop();
  // Its last words.
  port_.drain();
  while (read_stderr()) {
  }
  log_stderr(true);
  exit_ = exit;
  if (exit.how == Exit::How::kStatus && exit.number != 0) exit_.why = last_words_;
  if (exit.how == Exit::How::kSignal && exit.number == SIGKILL && late_) exit_.how = Exit::How::kTimeout;
  exit_task_.start();
}

void Child::on_shortage(int error) {
  const std::string whom = "to the " + std::string(to_string(role_)) + " process";
  if (error != 0) {
    log_.error(
        system_error("cannot pass a descriptor " + whom + " now, and will until it works", error).text());
  } else {
    log_.info("descriptors can be passed " + whom + " again");
  }
}

void Child::on_line(const ipc::LogLine& line) {
  lines_.write(static_cast<LogLevel>(std::clamp<uint8_t>(line.level, 1, 6)), line.text.value);
}

// A few writes of the process in each turn of the loop: others get their turn, however fast it writes.
void Child::on_stderr() {
  for (int i = 0; i < kStderrTurn && read_stderr(); ++i) {
  }
}

bool Child::read_stderr() {
  char buffer[2'048];
  ssize_t size = ::recv(stderr_.get(), buffer, sizeof buffer, MSG_TRUNC);
  if (size > 0) {
    size = std::min(size, static_cast<ssize_t>(sizeof buffer));
    const size_t room = kMaxStderr - std::min(kMaxStderr, stderr_text_.size());
    stderr_text_.append(buffer, std::min(room, static_cast<size_t>(size)));
    log_stderr(false);
    return true;
  }
  if (size == 0 || (errno != EAGAIN && errno != EINTR)) stderr_watcher_.want_read(false);
  return false;
}

void Child::log_stderr(bool all) {
  size_t end = 0;
  while ((end = stderr_text_.find('\n')) != std::string::npos || (all && !stderr_text_.empty())) {
    end = std::min(end, stderr_text_.size());
    last_words_ = stderr_text_.substr(0, end);
    lines_.error(last_words_);
    if (last_words_.starts_with(kFatal)) last_words_.erase(0, kFatal.size());
    stderr_text_.erase(0, end + 1);
  }
}

}  // namespace localproxy::monitor
