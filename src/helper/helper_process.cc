#include "helper/helper_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "base/exit_status.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "helper/ready.h"
#include "ipc/descriptors.h"
#include "sandbox/enter.h"
#include "sandbox/ids.h"

namespace localproxy::helper {
namespace {

// Lines that may wait for a busy monitor; any more are dropped and counted.
constexpr size_t kMaxQueuedLines = 256;

class MonitorLog : public Log {
 public:
  MonitorLog(ipc::Port& monitor, LogLevel level) : Log(level), monitor_(monitor) {}

 private:
  void emit(LogLevel level, std::string_view text) override {
    if (monitor_.queued() >= kMaxQueuedLines) {
      ++dropped_;
      return;
    }
    if (dropped_ > 0) {
      send(LogLevel::kWarning, std::to_string(dropped_) + " log lines were dropped");
      dropped_ = 0;
    }
    send(level, text);
  }
  void send(LogLevel level, std::string_view text) {
    monitor_.send(ipc::LogLine{static_cast<uint8_t>(level), {text}});
  }

  ipc::Port& monitor_;
  size_t dropped_ = 0;
};

bool is_channel(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

HelperProcess::HelperProcess(ipc::Role role, const sandbox::Policy& policy) : policy_(policy) {
  if (auto done = sandbox::forbid_inspection(); !done) fatal(done.error().text());
  if (!is_channel(ipc::kMonitorFd)) {
    (void)write_all(STDERR_FILENO, program_name(to_string(role)) +
                                       " is a part of localproxy, which starts it; it cannot be "
                                       "started by hand\n");
    ::_exit(static_cast<int>(ExitStatus::kSystem));
  }
  if (policy_.namespaces) trial_.emplace();
  monitor_ = std::make_unique<ipc::Port>(loop_, UniqueFd(ipc::kMonitorFd), role, ipc::Role::kMonitor,
                                         [](ipc::Port::End end, const std::string& what) {
                                           if (end != ipc::Port::End::kClosed) fatal(what);
                                           // The monitor is gone, and nobody is left to tell.
                                           ::_exit(static_cast<int>(ExitStatus::kSystem));
                                         });
  log_ = std::make_unique<MonitorLog>(*monitor_, LogLevel::kInfo);
  monitor_->on<ipc::Ping>([this](const ipc::Ping&) { monitor_->send(ipc::Pong{}); });
  monitor_->on<ipc::Setup>([this](ipc::Setup& setup) {
    setup_ = std::move(setup);
    has_setup_ = true;
    loop_.stop();
  });
}

const ipc::Setup& HelperProcess::wait_for_setup() {
  loop_.run();
  if (!has_setup_) fatal("no SETUP from the monitor");
  if (setup_.version != ipc::table_version())
    fatal("the monitor is of another version; install all parts together");
  log_->set_level(static_cast<LogLevel>(setup_.log_level));
  return setup_;
}

void HelperProcess::enter_sandbox(const sandbox::PolicyInputs& inputs) {
  // First, because finding out where links lead takes rights that this process is about to lose.
  sandbox::LandlockRules rules = policy_.landlock(inputs);
  if (setup_.user != 0) {
    if (auto done = sandbox::become({setup_.user, setup_.group}); !done) fatal(done.error().text());
  }
  auto status = sandbox::enter({.policy = &policy_,
                                .parent = static_cast<pid_t>(setup_.parent_pid),
                                .landlock_rules = std::move(rules),
                                .needs = inputs.needs,
                                .landlock = setup_.landlock,
                                .trial = trial_ ? &*trial_ : nullptr});
  trial_.reset();
  if (!status) fatal("the sandbox refused: " + status.error().text());
  monitor_->set_state(ipc::State::kReady);
  monitor_->send(ready_of(*status));
}

int HelperProcess::run() {
  loop_.run();
  return static_cast<int>(ExitStatus::kSuccess);
}

}  // namespace localproxy::helper
