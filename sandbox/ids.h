// The identity of a process: switching away from root, and dropping every capability.
#pragma once

#include <string>

#include "base/result.h"

namespace localproxy::sandbox {

struct Ids {
  unsigned uid = 0;
  unsigned gid = 0;
};

// The ids of a user, by name, UID or UID:GID; the last needs no entry in the user database. An error: there
// is no such user, or it is root itself or in root's group.
Result<Ids> find_user(const std::string& name);

// Switches to ids for good: empties the bounding set, drops the supplementary groups, sets all user and group
// ids, makes the process not dumpable again, and verifies that there is no way back. REQUIRES: effective user
// id 0.
Result<> become(const Ids& ids);

// Makes this process not dumpable, and verifies it.
Result<> not_dumpable();

// Empties the capability bounding set. Returns 0, or the errno of the call that failed.
int empty_bounding_set();

// Drops every capability from every set; the bounding set as far as the process may.
Result<> drop_capabilities();

}  // namespace localproxy::sandbox
