#include "sandbox/ids.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cap-ng.h>
#include <vector>

namespace localproxy::sandbox {
namespace {

// What root may do can be taken from it, by a container or by whoever started this.
Error cannot_become(const std::string& call, int error) {
  return Error("root cannot become an ordinary user here (" + call + ": " + ::strerrordesc_np(error) +
               "): give it CAP_SETUID and CAP_SETGID, or start as an ordinary user");
}

// Whoever may not, or holds a right that the system does not honour, keeps the set: no-new-privs makes it
// meaningless. REQUIRES: libcap-ng has read this process.
Result<> empty_bounding_set_if_granted() {
  if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) return {};
  const int error = empty_bounding_set();
  if (error != 0 && error != EPERM) return system_error("cannot empty the capability bounding set", error);
  return {};
}

}  // namespace

int empty_bounding_set() {
  // The kernel says where its capabilities end.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
  }
  return 0;
}

Result<Ids> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16'384);
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0) return system_error("cannot look up the user '" + name + "'", error);
  if (found == nullptr) {
    return Error(
        "there is no user '" + name +
        "' to become: create it as a system user, name another with --user, or start as an ordinary user");
  }
  if (entry.pw_uid == 0 || entry.pw_gid == 0) {
    return Error("the user '" + name + "' is root or in root's group: name an unprivileged one with --user");
  }
  return Ids{entry.pw_uid, entry.pw_gid};
}

Result<> become(const Ids& ids) {
  if (capng_get_caps_process() != 0) return Error("cannot read the capabilities of this process");
  if (auto emptied = empty_bounding_set_if_granted(); !emptied) return emptied;
  if (::setgroups(0, nullptr) != 0) return cannot_become("setgroups", errno);
  if (::setresgid(ids.gid, ids.gid, ids.gid) != 0) return cannot_become("setresgid", errno);
  if (::setresuid(ids.uid, ids.uid, ids.uid) != 0) return cannot_become("setresuid", errno);

  uid_t real = 0, effective = 0, saved = 0;
  if (::getresuid(&real, &effective, &saved) != 0 || real != ids.uid || effective != ids.uid ||
      saved != ids.uid) {
    return Error("the user ids are not what was set");
  }
  if (::setresuid(0, 0, 0) == 0 || ::setresgid(0, 0, 0) == 0) return Error("root could be regained");
  return {};
}

Result<> drop_capabilities() {
  if (capng_get_caps_process() != 0) return Error("cannot read the capabilities of this process");
  if (auto emptied = empty_bounding_set_if_granted(); !emptied) return emptied;
  capng_clear(CAPNG_SELECT_ALL);
  const auto sets = static_cast<capng_select_t>(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
  if (capng_apply(sets) != 0) return Error("cannot drop the capabilities");
  if (capng_get_caps_process() != 0) return Error("cannot read the capabilities of this process");
  if (capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE) return Error("capabilities are left");
  return {};
}

}  // namespace localproxy::sandbox
