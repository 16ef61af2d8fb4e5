#include "monitor/enter_helpers.h"

#include <sys/socket.h>

#include <memory>
#include <string>

#include "base/fd.h"
#include "monitor/child.h"

namespace localproxy::monitor {

using ipc::Role;

Result<std::vector<std::pair<Role, ipc::Ready>>> enter_helpers(const config::Config& config,
                                                               event::Loop& loop, StderrLog& log,
                                                               Launcher& launcher) {
  std::vector<std::pair<Role, ipc::Ready>> entered{{Role::kLaunch, launcher.reached()}};
  const ipc::Setup setup = setup_of(config, launcher.pid());
  for (const Role role : {Role::kNet, Role::kBridge, Role::kResolve}) {
    auto sibling = make_socketpair(SOCK_SEQPACKET);
    if (!sibling) return sibling.error();
    std::string end;
    auto child = Child::start(loop, log, launcher,
                              {.role = role, .setup = setup, .sibling = std::move(sibling->first)},
                              {.on_ready = [&loop] { loop.stop(); },
                               .on_exit =
                                   [&loop, &end](const Exit& exit) {
                                     end = exit.describe();
                                     loop.stop();
                                   }});
    if (!child) return child.error();
    loop.run();
    if (!(*child)->ready()) return Error("the " + std::string(to_string(role)) + " process " + end);
    entered.emplace_back(role, (*child)->reached());
  }
  return entered;
}

}  // namespace localproxy::monitor
