// Every operation of operations.h, attempted from inside each role's sandbox. It is the sandbox of the real
// process, entered by the same enter(); a helper's is inside that of the launch process, as in a real run.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <set>

#include "base/fd.h"
#include "build_config.h"
#include "ipc/messages.h"
#include "sandbox/enter.h"
#include "sandbox/ids.h"
#include "tests/unit/sandbox/in_child.h"
#include "tests/unit/sandbox/operations.h"

namespace localproxy::sandbox {
namespace {

using test::Child;
using test::Ended;
using test::in_child;
using test::kDone;
using test::kKilled;
using test::leave_root;
using test::Operation;
using test::Outcome;
using test::World;

constexpr ipc::Role kRoles[] = {ipc::Role::kMonitor, ipc::Role::kLaunch, ipc::Role::kNet, ipc::Role::kBridge,
                                ipc::Role::kResolve};

bool enter_as(const Policy& policy, const PolicyInputs& inputs = {}) {
  return enter({.policy = &policy, .parent = ::getppid(), .landlock_rules = policy.landlock(inputs)}).ok();
}

// In a child: enters the sandbox of a role.
bool enter_role(ipc::Role role, int program) {
  if (!leave_root()) return false;
  if (role == ipc::Role::kMonitor) return enter_as(kMonitorPolicy, {.connect_ports = {443}});
  // The one program that launch may run; the operations try another one.
  const UniqueFd allowed(::open("/bin/cat", O_PATH | O_CLOEXEC));
  if (allowed.get() == program || !enter_as(kLaunchPolicy, {.programs = {allowed.get()}})) return false;
  switch (role) {
    case ipc::Role::kLaunch:
      return true;
    case ipc::Role::kNet:
      return enter_as(kNetPolicy);
    case ipc::Role::kBridge:
      return enter_as(kBridgePolicy);
    case ipc::Role::kResolve:
      return enter_as(kResolvePolicy);
    case ipc::Role::kMonitor:
      break;
  }
  return false;
}

Outcome expected(const Operation& operation, ipc::Role role) {
  switch (role) {
    case ipc::Role::kMonitor:
      return operation.monitor;
    case ipc::Role::kLaunch:
      return operation.launch;
    case ipc::Role::kNet:
      return operation.net;
    case ipc::Role::kBridge:
      return operation.bridge;
    case ipc::Role::kResolve:
      return operation.resolve;
  }
  return kDone;
}

std::string text_of(Outcome outcome) {
  if (outcome == kDone) return "done";
  return outcome == kKilled ? "killed" : ::strerrorname_np(outcome);
}

int tcp_socket() {
  return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

// The next connection, which a slow machine may take a while to make.
int accept_from(int listener) {
  pollfd wait{listener, POLLIN, 0};
  return ::poll(&wait, 1, 10'000) == 1 ? ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) : -1;
}

// The descriptors that every process of these tests holds. Created for each before it enters its sandbox.
World make_world(pid_t sibling, const std::string& path) {
  World w;
  w.path = path;
  w.sibling = sibling;
  w.parent = ::getppid();
  w.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, sibling, 0));
  w.file = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  w.program = ::open("/bin/true", O_PATH | O_CLOEXEC);
  w.directory = ::open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  w.terminal = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  int pair[2] = {-1, -1};
  if (::pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0 && ::write(pair[1], "bytes", 5) == 5) {
    w.pipe_read = pair[0];
    w.pipe_write = pair[1];
  }
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0) w.datagrams = pair[0];

  sockaddr_in address{};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  w.listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool listens = ::bind(w.listener, name, size) == 0 && ::listen(w.listener, 8) == 0 &&
                       ::getsockname(w.listener, name, &size) == 0;
  w.port = ntohs(address.sin_port);
  w.fresh_tcp = tcp_socket();
  w.closed_tcp = tcp_socket();
  w.tcp = tcp_socket();
  if (!listens || ::connect(w.closed_tcp, name, size) != 0) return w;
  UniqueFd peer(accept_from(w.listener));
  peer.reset();
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  ::connect(w.closed_tcp, &none, sizeof none);
  int error = 0;
  socklen_t error_size = sizeof error;
  ::getsockopt(w.closed_tcp, SOL_SOCKET, SO_ERROR, &error,
               &error_size);  // clears the error of the ended connection
  if (::connect(w.tcp, name, size) != 0) return w;
  // Stays open as long as the process lives.
  const int other = accept_from(w.listener);
  if (::write(other, "bytes", 5) != 5) w.tcp = -1;
  return w;
}

bool complete(const World& w) {
  const int needed[] = {w.file,     w.program,   w.directory, w.tcp,        w.closed_tcp, w.fresh_tcp,
                        w.listener, w.datagrams, w.pipe_read, w.pipe_write, w.pidfd};
  for (const int fd : needed)
    if (fd < 0) return false;
  return w.port != 0;
}

// The socket of another program, such as an agent.
class OpenSocket {
 public:
  OpenSocket() : path_("/tmp/localproxy-forbidden-" + std::to_string(::getpid())) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_.get(), 8), 0);
    EXPECT_EQ(::chmod(path_.c_str(), 0777), 0);
  }
  ~OpenSocket() { ::unlink(path_.c_str()); }
  OpenSocket(const OpenSocket&) = delete;
  OpenSocket& operator=(const OpenSocket&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  UniqueFd socket_;
};

class ForbiddenTest : public testing::TestWithParam<Operation> {
 protected:
  void SetUp() override {
    if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "a sanitizer makes system calls of its own";
    if (landlock_abi() < GetParam().landlock_abi)
      GTEST_SKIP() << "this kernel's Landlock refuses it from ABI " << GetParam().landlock_abi << " on";
  }
  // The outcome of the operation in the sandbox of a role.
  static std::string outcome(const Operation& operation, ipc::Role role, pid_t sibling,
                             const std::string& path) {
    const Ended ended = in_child([&](const Child::Say& say) {
      ::alarm(20);  // ends a call that would wait forever
      ::setpgid(0, 0);
      const World world = make_world(sibling, path);
      if (!complete(world)) return 2;
      if (!enter_role(role, world.program)) return 3;
      say("entered ");
      const long returned = operation.attempt(world);
      say(returned >= 0 ? text_of(kDone) : text_of(errno));
      return 0;
    });
    if (ended.signal == SIGSYS && ended.said == "entered ") return text_of(kKilled);
    // The output of a program that it executed means nothing.
    if (ended.status == 0 && ended.said == "entered ") return text_of(kDone);
    if (ended.status != 0 || !ended.said.starts_with("entered "))
      return "status " + std::to_string(ended.status) + ", signal " + std::to_string(ended.signal) + ", " +
             ended.said;
    return ended.said.substr(strlen("entered "));
  }
};

std::vector<Operation> all_operations() {
  std::vector<Operation> all;
  for (const auto operations : {test::file_operations(), test::socket_operations(),
                                test::process_operations(), test::kernel_operations()})
    all.insert(all.end(), operations.begin(), operations.end());
  return all;
}

std::string case_name(const testing::TestParamInfo<Operation>& info) {
  std::string name;
  for (const char c : info.param.name)
    name += ::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, ForbiddenTest, testing::ValuesIn(all_operations()), case_name);

TEST_P(ForbiddenTest, HasItsOutcomeInEveryRole) {
  // A process of the same user, so that only the sandbox separates them.
  Child sibling([](const Child::Say& say) {
    if (!leave_root()) return 1;
    say("here");
    ::pause();
    return 0;
  });
  ASSERT_EQ(sibling.hear(), "here");
  const OpenSocket other;
  for (const ipc::Role role : kRoles) {
    EXPECT_EQ(outcome(GetParam(), role, sibling.pid(), other.path()), text_of(expected(GetParam(), role)))
        << GetParam().name << ", in " << to_string(role);
  }
}

TEST(ForbiddenTableTest, HasManyOperationsThatDiffer) {
  std::set<std::string_view> names;
  size_t refused = 0;
  for (const Operation& operation : all_operations()) {
    EXPECT_TRUE(names.insert(operation.name).second) << operation.name;
    refused += operation.net != kDone && operation.bridge != kDone;
  }
  EXPECT_GE(refused, 150U);
}

}  // namespace
}  // namespace localproxy::sandbox
