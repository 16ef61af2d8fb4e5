// Landlock: which paths and TCP ports a process can reach. Everything that is not named is refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace localproxy::sandbox {

struct LandlockRules {
  std::vector<std::string> read;     // files, or directories with all below: open for reading, list
  std::vector<std::string> execute;  // the same, and run
  std::vector<int> execute_files;    // descriptors of files that may be read and run, wherever they are
  // Directories in which UNIX sockets may be made, and files removed.
  std::vector<std::string> make_sockets;
  // UNIX sockets, or directories with all below, to which it may connect. Without effect before ABI 9.
  std::vector<std::string> connect_sockets;
  std::vector<uint16_t> connect_ports;
  std::vector<uint16_t> bind_ports;
  // False: signals may leave the domain. PR_SET_PDEATHSIG is sent by the process that ends, and would not
  // leave its domain.
  bool scope_signals = true;
};

// The kernel's ABI version; 0 when it has no Landlock or it is switched off.
int landlock_abi();

// Restricts the process to `rules`, with every right that the kernel's ABI knows (paths that do not exist are
// left out). The result is the ABI version. REQUIRES: no-new-privs.
Result<int> enter_landlock(const LandlockRules& rules);

}  // namespace localproxy::sandbox
