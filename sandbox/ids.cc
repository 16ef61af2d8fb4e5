#include "sandbox/ids.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cap-ng.h>
#include <optional>
#include <vector>

#include "base/text.h"

namespace localproxy::sandbox {
namespace {

// A container, or the process that started this one, can take rights from root.
Error cannot_become(const std::string& call, int error) {
  return Error("root cannot become an ordinary user here (" + call + ": " + error_text(error) +
               "): give it CAP_SETUID and CAP_SETGID, or start as an ordinary user");
}

// A process without the right, or on a system that does not honour it, keeps the set: no-new-privs makes it
// meaningless. REQUIRES: libcap-ng has read this process.
Result<> empty_bounding_set_if_granted() {
  if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) return {};
  const int error = empty_bounding_set();
  if (error != 0 && error != EPERM) return system_error("cannot empty the capability bounding set", error);
  return {};
}

// The ids of an entry of the user database, found by getpwnam_r() or getpwuid_r(); empty: there is no such
// entry.
template <typename Find>
Result<std::optional<Ids>> look_up(Find find) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16'384);
  if (const int error = find(&entry, buffer.data(), buffer.size(), &found); error != 0)
    return system_error("user database", error);
  if (found == nullptr) return std::optional<Ids>();
  return std::optional<Ids>(Ids{entry.pw_uid, entry.pw_gid});
}

Result<Ids> unprivileged(const std::string& name, const Ids& ids) {
  // To setresuid(2) this means: leave the id unchanged.
  constexpr unsigned kNoId = ~0U;
  if (ids.uid == kNoId || ids.gid == kNoId) return Error("'" + name + "' is not the id of anybody");
  if (ids.uid != 0 && ids.gid != 0) return ids;
  return Error("the user '" + name + "' is root or in root's group: name an unprivileged one with --user");
}

}  // namespace

Result<> not_dumpable() {
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return system_error("PR_SET_DUMPABLE", errno);
  if (::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return Error("this process is dumpable");
  return {};
}

int empty_bounding_set() {
  // The kernel refuses the first number after its last capability.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 0) return ENOTRECOVERABLE;
  }
  return 0;
}

Result<Ids> find_user(const std::string& name) {
  const size_t colon = name.find(':');
  const auto uid = parse_number<uid_t>(name.substr(0, colon));
  if (colon != std::string::npos) {
    const auto gid = parse_number<gid_t>(name.substr(colon + 1));
    if (!uid || !gid) return Error("'" + name + "' is not UID:GID, two numbers");
    return unprivileged(name, {*uid, *gid});
  }
  auto found = look_up([&](passwd* entry, char* buffer, size_t size, passwd** result) {
    return ::getpwnam_r(name.c_str(), entry, buffer, size, result);
  });
  if (found && !*found && uid) {
    found = look_up([&](passwd* entry, char* buffer, size_t size, passwd** result) {
      return ::getpwuid_r(*uid, entry, buffer, size, result);
    });
  }
  if (!found) return Error("cannot look up the user '" + name + "': " + found.error().text());
  if (*found) return unprivileged(name, **found);
  if (uid) {
    return Error("there is no user with the id " + name + " to take the group of: name it, as in --user " +
                 name + ":GID");
  }
  return Error(
      "there is no user '" + name +
      "' to become: create it as a system user, name another with --user, or start as an ordinary user");
}

Result<> become(const Ids& ids) {
  if (capng_get_caps_process() != 0) return Error("cannot read the capabilities of this process");
  if (auto emptied = empty_bounding_set_if_granted(); !emptied) return emptied;
  if (::setgroups(0, nullptr) != 0) return cannot_become("setgroups", errno);
  if (::setresgid(ids.gid, ids.gid, ids.gid) != 0) return cannot_become("setresgid", errno);
  if (::setresuid(ids.uid, ids.uid, ids.uid) != 0) return cannot_become("setresuid", errno);
  // The kernel has set what fs.suid_dumpable says.
  if (auto r = not_dumpable(); !r) return r;

  uid_t uid = 0, effective_uid = 0, saved_uid = 0;
  if (::getresuid(&uid, &effective_uid, &saved_uid) != 0 || uid != ids.uid || effective_uid != ids.uid ||
      saved_uid != ids.uid) {
    return Error("the user ids are not what was set");
  }
  gid_t gid = 0, effective_gid = 0, saved_gid = 0;
  if (::getresgid(&gid, &effective_gid, &saved_gid) != 0 || gid != ids.gid || effective_gid != ids.gid ||
      saved_gid != ids.gid) {
    return Error("the group ids are not what was set");
  }
  if (::getgroups(0, nullptr) != 0) return Error("supplementary groups are left");
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
