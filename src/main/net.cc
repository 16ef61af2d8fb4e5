// localproxy-net: one tunnel connection. It parses everything that comes from outside, and can connect to
// nothing.
#include <time.h>

#include "base/locked_memory.h"
#include "base/secret.h"
#include "main/child.h"
#include "net/process.h"
#include "tls/context.h"
#include "tls/memory.h"

namespace {

using namespace localproxy;

// Not inlined, so that all of it is below main() when it is over.
__attribute__((noinline)) int run() {
  tls::wipe_freed_memory();
  // For the tokens, which come when nothing can be locked any more.
  reserve_locked_memory();
  Child child(ipc::Role::kNet, "localproxy-net");
  const ipc::Setup& setup = child.wait_for_setup();
  auto context = tls::Context::create(
      {.system = setup.load_roots != 0, .paths = setup.ca_paths.value, .file = setup.ca_file.value},
      child.log());
  if (!context) fatal(context.error().text());
  net::Process process(child.loop(), child.log(), **context, child.monitor(), UniqueFd(kSiblingFd));
  // OpenSSL's check of a certificate asks libc for the time, which reads the time zone when it is first
  // asked.
  ::tzset();
  child.enter_sandbox(sandbox::kNetPolicy, {});
  return child.run();
}

}  // namespace

int main() {
  const int status = run();
  wipe_stack();
  return status;
}
