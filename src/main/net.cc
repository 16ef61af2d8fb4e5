// localproxy-net: one tunnel connection. It parses everything that comes from outside, and can connect to
// nothing.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/exit_status.h"
#include "base/locked_memory.h"
#include "base/secret.h"
#include "helper/helper_process.h"
#include "ipc/descriptors.h"
#include "net/net_process.h"
#include "tls/context.h"
#include "tls/memory.h"

namespace {

using namespace localproxy;

tls::Roots roots_of(const ipc::Setup& setup) {
  tls::Roots roots{.system = setup.load_roots};
  if (setup.has_cert_file) roots.system_file = setup.cert_file.value;
  const std::vector<std::string>& paths = setup.ca_paths.value;
  const auto further = paths.begin() + std::min<std::ptrdiff_t>(setup.cert_paths, std::ssize(paths));
  if (setup.has_cert_paths) roots.system_paths.emplace(paths.begin(), further);
  roots.paths.assign(further, paths.end());
  roots.file = setup.ca_file.value;
  roots.crl_file = setup.crl_file.value;
  return roots;
}

// Ends with the status that tells the monitor that another try would not help. No program that might run in
// place of this one ends with it.
[[noreturn]] void refuse(const std::string& why) {
  const std::string line = "fatal: TLS: " + escape_for_log(why) + "\n";
  // There is nothing left to do if the write fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(ipc::kNoRoots);
}

// Not inlined, so that wipe_stack() in main() overwrites its whole frame.
__attribute__((noinline)) int run() {
  helper::HelperProcess self(ipc::Role::kNet, sandbox::kNetPolicy);
  tls::wipe_freed_memory();
  // For the tokens: when they arrive, nothing can be locked any more.
  reserve_locked_memory();
  const ipc::Setup& setup = self.wait_for_setup();
  auto context = tls::Context::create(
      roots_of(setup), self.log(), setup.only_tls13 ? tls::LeastVersion::kTls13 : tls::LeastVersion::kTls12);
  if (!context) refuse(context.error().text());
  net::NetProcess process(self.loop(), self.log(), **context, self.monitor(), UniqueFd(ipc::kSiblingFd));
  // OpenSSL asks libc for the time when it checks a certificate, and libc reads the time zone when it is
  // first asked.
  ::tzset();
  self.enter_sandbox();
  return self.run();
}

}  // namespace

int main() {
  const int status = run();
  wipe_stack();
  return status;
}
