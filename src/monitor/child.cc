#include "monitor/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
// What fatal() puts in front.
constexpr std::string_view kFatal = "fatal: ";
// A child that has closed its channel has nothing left to do.
constexpr std::chrono::milliseconds kExitTime{1'000};

}  // namespace

std::string Exit::describe() const {
  if (!not_started.empty()) return "was not started: " + not_started;
  if (!by_signal) {
    return "ended with status " + std::to_string(number) + (last_words.empty() ? "" : ": " + last_words);
  }
  const char* name = ::sigabbrev_np(number);
  std::string text =
      "was killed by SIG" + std::string(name != nullptr ? name : std::to_string(number).c_str());
  if (number == SIGSYS) text += " (sandbox violation: it made a system call that its policy forbids)";
  return text;
}

ipc::Setup setup_of(const config::Config& config, pid_t parent) {
  ipc::Setup setup;
  setup.parent_pid = static_cast<uint32_t>(parent);
  setup.log_level = static_cast<uint8_t>(config.verbosity);
  setup.landlock = config.landlock;
  return setup;
}

void add_roots(const config::Config& config, ipc::Setup& setup) {
  setup.ca_paths.value = config.cert_paths.value_or(std::vector<std::string>());
  setup.cert_paths = static_cast<uint8_t>(setup.ca_paths.value.size());
  setup.ca_paths.value.insert(setup.ca_paths.value.end(), config.ca_paths.begin(), config.ca_paths.end());
  setup.ca_file.value = config.ca_file;
  setup.has_cert_file = config.cert_file.has_value();
  setup.cert_file.value = config.cert_file.value_or("");
  setup.has_cert_paths = config.cert_paths.has_value();
}

Child::Child(event::Loop& loop, StderrLog& log, Starter& starter, Role role, Events events)
    : log_(log),
      starter_(starter),
      role_(role),
      events_(std::move(events)),
      lines_(limits::kLogLinesPerSecond, limits::kLogLinesAtOnce),
      deadline_(
          loop,
          [this] {
            // It is not there yet.
            if (!ready() && starter_.is_short()) return deadline_.start(limits::kChildStart);
            log_.error("the " + std::string(to_string(role_)) + " process does not answer and is killed");
            kill();
          }),
      exit_task_(loop, [this] { events_.on_exit(exit_); }) {}

Result<std::unique_ptr<Child>> Child::start(event::Loop& loop, StderrLog& log, Starter& starter, Start start,
                                            Events events) {
  auto channel = make_socketpair(SOCK_SEQPACKET);
  if (!channel) return channel.error();
  // Sockets and not pipes: this process may not read().
  auto errors = make_socketpair(SOCK_SEQPACKET);
  if (!errors) return errors.error();
  std::unique_ptr<Child> child(new Child(loop, log, starter, start.role, std::move(events)));
  auto number = starter.start(*child, {start.role, std::move(channel->second), std::move(errors->second),
                                       std::move(start.sibling), start.standard_streams});
  if (!number) return number.error();
  child->number_ = *number;
  child->running_ = true;
  child->stderr_ = std::move(errors->first);
  child->stderr_watcher_ = std::make_unique<event::Watcher>(
      loop, child->stderr_.get(), [raw = child.get()] { raw->on_stderr(); }, [] {});
  child->stderr_watcher_->want_read(true);
  child->port_ = std::make_unique<Port>(loop, std::move(channel->first), Role::kMonitor, start.role,
                                        [raw = child.get()](Port::End end, const std::string& what) {
                                          if (end == Port::End::kClosed) return raw->end_within(kExitTime);
                                          raw->log_.error(what);
                                          raw->kill();
                                        });
  Child* raw = child.get();
  raw->port_->on_shortage([raw](int error) { raw->on_shortage(error); });
  raw->port_->on<ipc::LogLine>([raw](const ipc::LogLine& line) { raw->on_line(line); });
  raw->port_->on<ipc::Ready>([raw](const ipc::Ready& ready) {
    raw->deadline_.stop();
    raw->reached_ = ready;
    raw->port_->set_state(ipc::State::kReady);
    raw->log_.write_for(to_string(raw->role_), LogLevel::kInfo, sandbox_line(ready));
    raw->events_.on_ready();
  });
  raw->port_->send(start.setup);
  raw->deadline_.start(limits::kChildStart);
  return child;
}

Child::~Child() {
  if (running()) starter_.forget(number_);
}

void Child::kill() {
  // Nothing that it has still sent has any effect.
  port_->give_up();
  if (running()) starter_.kill(number_);
}

void Child::exited(const Exit& exit) {
  running_ = false;
  deadline_.stop();
  // Its last words.
  port_->drain();
  on_stderr();
  log_stderr(true);
  exit_ = exit;
  if (!exit.by_signal && exit.number != 0) exit_.last_words = last_words_;
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
  if (!lines_.take(TokenBucket::Clock::now())) {
    ++dropped_lines_;
    return;
  }
  const std::string_view role = to_string(role_);
  if (dropped_lines_ > 0) {
    log_.write_for(role, LogLevel::kWarning,
                   "said too much at once: " + std::to_string(std::exchange(dropped_lines_, 0)) +
                       " of its lines were dropped");
  }
  log_.write_for(role, static_cast<LogLevel>(std::clamp<uint8_t>(line.level, 1, 6)), line.text.value);
}

void Child::on_stderr() {
  char buffer[2'048];
  ssize_t size = 0;
  while ((size = ::recv(stderr_.get(), buffer, sizeof buffer, MSG_TRUNC)) > 0) {
    size = std::min(size, static_cast<ssize_t>(sizeof buffer));
    const size_t room = kMaxStderr - std::min(kMaxStderr, stderr_text_.size());
    stderr_text_.append(buffer, std::min(room, static_cast<size_t>(size)));
    log_stderr(false);
  }
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) stderr_watcher_->want_read(false);
}

void Child::log_stderr(bool all) {
  size_t end = 0;
  while ((end = stderr_text_.find('\n')) != std::string::npos || (all && !stderr_text_.empty())) {
    end = std::min(end, stderr_text_.size());
    last_words_ = stderr_text_.substr(0, end);
    log_.write_for(to_string(role_), LogLevel::kError, last_words_);
    if (last_words_.starts_with(kFatal)) last_words_.erase(0, kFatal.size());
    stderr_text_.erase(0, end + 1);
  }
}

}  // namespace localproxy::monitor
