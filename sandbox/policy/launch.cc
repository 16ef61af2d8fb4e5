// launch: starts the helpers. A filter is inherited over exec, so this one also has what a helper needs
// between its start and its own, narrower filter, marked "start", and everything that those filters allow. It
// is the widest filter of all, around the process that holds the least: no secret, no socket of a connection,
// nothing from outside.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <string>
#include <vector>

#include "base/directory.h"
#include "sandbox/policy.h"
#include "sandbox/system_files.h"

namespace localproxy::sandbox {
namespace {

// From <linux/prctl.h> of Linux 6.3.
constexpr uint32_t kPrSetMdwe = 65;
constexpr uint32_t kPrGetMdwe = 66;
// A private call of 32-bit Arm, for which SCMP_SYS() has no number even there.
#ifdef __ARM_NR_set_tls
constexpr int kSetTls = __ARM_NR_set_tls;
#else
constexpr int kSetTls = SCMP_SYS(set_tls);
#endif
#ifdef __riscv
// From <asm/unistd.h> of Linux 6.4; libseccomp knows it from 2.6 on.
constexpr int kRiscvHwprobe = 258;
#endif

constexpr std::array kSystemCalls = {
    allow(SCMP_SYS(recvmsg), "requests of the monitor, with descriptors"),
    allow(SCMP_SYS(recvfrom), equals(3, 0), "notes of signals"),
    allow(SCMP_SYS(rt_sigreturn), "end of a signal handler"),
    allow(SCMP_SYS(rt_sigprocmask), "no signal between fork and exec; start: none is blocked"),
    allow(SCMP_SYS(clone), equals(0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD),
          "fork of a helper"),
    refuse(SCMP_SYS(clone3), ENOSYS, "libc falls back to clone, whose flags a filter can see"),
    allow(SCMP_SYS(execveat), equals(4, AT_EMPTY_PATH),
          "a helper, by its descriptor; Landlock has the files"),
    allow(SCMP_SYS(wait4), "how a helper ended"),
    allow(SCMP_SYS(kill), one_process(0), equals(1, SIGKILL),
          "kills a helper that does not stop; never a process group"),
    allow(SCMP_SYS(fcntl), equals(1, F_DUPFD_CLOEXEC), "descriptors of a helper move to their numbers"),
    allow(SCMP_SYS(dup3), equals(2, 0), "fixed descriptor numbers of a helper"),
    allow(SCMP_SYS(dup2), "the same, where the filter of a container refuses dup3"),
    allow(SCMP_SYS(close_range), equals(2, CLOSE_RANGE_CLOEXEC), "a helper gets no other descriptor"),
    allow(SCMP_SYS(rt_sigaction), "start: signals"),
    allow(SCMP_SYS(epoll_create1), "start: its event loop"),
    allow(SCMP_SYS(getsockopt), equals(1, SOL_SOCKET), equals(2, SO_TYPE),
          "start: whether there is a channel"),
    // The loader and libc.
    allow(SCMP_SYS(openat), only(2, O_RDONLY | O_CLOEXEC | O_PATH | O_DIRECTORY | O_NONBLOCK | O_LARGEFILE),
          "start: loader, certificates, what Landlock leaves; Landlock has the files"),
    allow(SCMP_SYS(read), "start: loader, certificates"),
    allow(SCMP_SYS(mmap), only(2, PROT_READ | PROT_EXEC | kProtBti), only(3, kMapCodeFlags),
          "start: code of libraries"),
    allow(SCMP_SYS(mprotect), none_of(2, PROT_EXEC), "start: relocations become read-only"),
#ifdef __aarch64__
    refuse(SCMP_SYS(mprotect), equals(2, PROT_READ | PROT_EXEC | kProtBti), EPERM,
           "start: loader, which ignores the error: the kernel has marked the program already"),
#endif
    allow(SCMP_SYS(access), "start: loader"),
    allow(SCMP_SYS(faccessat), "start: loader, on architectures without access"),
    allow(SCMP_SYS(newfstatat), "start: loader, certificates"),
    allow(SCMP_SYS(fstat), "start: the same, with a libc that does not use newfstatat for it"),
    allow(SCMP_SYS(pread64), "start: loader"),
    allow(SCMP_SYS(lseek), "start: certificates"),
    allow(SCMP_SYS(getdents64), "start: directories of certificates"),
    allow(SCMP_SYS(arch_prctl), "start: thread pointer"),
    allow(kSetTls, "start: thread pointer, on 32-bit Arm"),
#ifdef __riscv
    allow(kRiscvHwprobe, "start: loader, which functions are for this processor"),
#endif
    allow(SCMP_SYS(set_tid_address), "start: libc"),
    allow(SCMP_SYS(set_robust_list), "start: libc"),
    allow(SCMP_SYS(rseq), "start: libc"),
    allow(SCMP_SYS(mmap), equals(2, PROT_READ | PROT_WRITE),
          equals(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), "start: memory for tokens in net"),
    allow(SCMP_SYS(mlock), "start: memory for tokens in net"),
    allow(SCMP_SYS(madvise), equals(2, MADV_DONTDUMP), "start: memory for tokens in net"),
    allow(SCMP_SYS(madvise), equals(2, MADV_WIPEONFORK), "start: memory for tokens in net"),
    allow(SCMP_SYS(getrandom), "start: malloc, OpenSSL"),
    allow(SCMP_SYS(sysinfo), "start: memory of the machine"),
    allow(SCMP_SYS(getpid), "itself as a parent; start: OpenSSL, libcap-ng"),
    allow(SCMP_SYS(getuid), "start: its own ids"),
    allow(SCMP_SYS(geteuid), "start: its own ids"),
    allow(SCMP_SYS(getgid), "start: its own ids"),
    allow(SCMP_SYS(getegid), "start: its own ids"),
    allow(SCMP_SYS(getppid), "start: whether the parent is still alive"),
    allow(SCMP_SYS(gettid), "start: libcap-ng"),
    // Its sandbox.
    allow(SCMP_SYS(unshare),
          equals(0, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS),
          "start: namespaces of its own"),
    allow(SCMP_SYS(chroot), "start: an empty root"),
    allow(SCMP_SYS(chdir), "start: an empty root"),
    allow(SCMP_SYS(prlimit64), equals(0, 0), equals(1, RLIMIT_STACK),
          "start: libc asks for the size of stacks"),
    allow(SCMP_SYS(ugetrlimit), equals(0, RLIMIT_STACK), "the same, in the loader of 32-bit Arm"),
    allow(SCMP_SYS(prlimit64), equals(0, 0), equals(1, RLIMIT_CORE), "start: limits"),
    allow(SCMP_SYS(prlimit64), equals(0, 0), equals(1, RLIMIT_NPROC), "start: limits"),
    allow(SCMP_SYS(prlimit64), equals(0, 0), equals(1, RLIMIT_FSIZE), "start: limits"),
    allow(SCMP_SYS(prctl), equals(0, PR_SET_PDEATHSIG), equals(1, SIGKILL), "start: dies with its parent"),
    allow(SCMP_SYS(prctl), equals(0, PR_SET_DUMPABLE), equals(1, 0), "start: not dumpable"),
    allow(SCMP_SYS(prctl), equals(0, kPrSetMdwe), "start: memory that was writable is never executable"),
    allow(SCMP_SYS(prctl), equals(0, PR_SET_NO_NEW_PRIVS), "start: no-new-privs"),
    allow(SCMP_SYS(prctl), equals(0, PR_GET_PDEATHSIG), "start: verifies its sandbox"),
    allow(SCMP_SYS(prctl), equals(0, PR_GET_DUMPABLE), "start: verifies its sandbox"),
    allow(SCMP_SYS(prctl), equals(0, kPrGetMdwe), "start: verifies its sandbox"),
    allow(SCMP_SYS(prctl), equals(0, PR_GET_NO_NEW_PRIVS), "start: libcap-ng"),
    allow(SCMP_SYS(prctl), equals(0, PR_GET_SECUREBITS), "start: libcap-ng"),
    allow(SCMP_SYS(prctl), equals(0, PR_CAPBSET_READ), "start: libcap-ng"),
    allow(SCMP_SYS(prctl), equals(0, PR_CAPBSET_DROP), "start: capabilities of its own namespace"),
    allow(SCMP_SYS(prctl), equals(0, PR_CAP_AMBIENT), equals(1, PR_CAP_AMBIENT_IS_SET),
          "start: capabilities"),
    allow(SCMP_SYS(prctl), equals(0, PR_CAP_AMBIENT), equals(1, PR_CAP_AMBIENT_CLEAR_ALL),
          "start: capabilities"),
    allow(SCMP_SYS(capget), "start: capabilities"),
    allow(SCMP_SYS(capset), "start: capabilities"),
    allow(SCMP_SYS(fstatfs), "start: libcap-ng"),
    allow(SCMP_SYS(uname), "start: libseccomp"),
    allow(SCMP_SYS(pipe2), equals(1, O_CLOEXEC | O_NONBLOCK),
          "start: libseccomp writes its program to a pipe"),
    allow(SCMP_SYS(landlock_create_ruleset), "start: Landlock"),
    allow(SCMP_SYS(landlock_add_rule), "start: Landlock"),
    allow(SCMP_SYS(landlock_restrict_self), "start: Landlock"),
    allow(SCMP_SYS(seccomp), equals(0, SECCOMP_SET_MODE_FILTER), equals(1, 0), "start: its own filter"),
    allow(SCMP_SYS(seccomp), equals(0, SECCOMP_GET_ACTION_AVAIL), "start: libseccomp"),
    allow(SCMP_SYS(seccomp), equals(0, SECCOMP_GET_NOTIF_SIZES), "start: libseccomp"),
    // Features for which libseccomp probes the kernel; each is reported as missing.
    refuse(SCMP_SYS(seccomp), equals(0, SECCOMP_SET_MODE_STRICT), EINVAL, "no strict mode"),
    refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_TSYNC), EINVAL, "no other threads"),
    refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_LOG), EINVAL, "no log of what is allowed"),
    refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_SPEC_ALLOW), EINVAL, "no speculation"),
    refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_NEW_LISTENER), EINVAL, "no listener to calls"),
    refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_TSYNC_ESRCH), EINVAL, "no other threads"),
};

constexpr std::array kStarts = {&kNetPolicy, &kBridgePolicy, &kResolvePolicy};

// Where OpenSSL, and we, look for the system's root certificates, besides what is below /etc and /usr.
constexpr std::array kSystemRoots = {
    "/etc/ssl/cert.pem",                   // OpenSSL's own file
    "/etc/ssl/certs",                      // OpenSSL's own directory
    "/etc/ssl/certs/ca-certificates.crt",  // Debian
    "/etc/pki/tls/cert.pem",               // Fedora
    "/etc/pki/tls/certs/ca-bundle.crt",    // Fedora
};

// The places of certificate files, and of the entries of certificate directories, which are often links.
std::vector<std::string> certificate_places(const PolicyInputs& inputs) {
  std::vector<std::string> files(kSystemRoots.begin(), kSystemRoots.end());
  for (const std::string& directory : inputs.certificate_directories)
    append(files, files_in(directory));
  append(files, files_in("/etc/ssl/certs"));
  append(files, inputs.certificate_files);
  return places_of(files);
}

// What a helper needs between its start and its own Landlock domain: all helpers inherit this one.
LandlockRules landlock_rules(const PolicyInputs& inputs) {
  LandlockRules rules;
  // Directories: files such as resolv.conf are renewed by renaming a new one over the old one.
  rules.read = {
      "/etc",    // certificates, resolver files, the loader's cache
      "/usr",    // libraries, certificates, name service modules
      "/lib",    // libraries, name service modules
      "/lib64",  // the same, of 64-bit systems
      "/proc",   // /proc/self: a helper verifies its sandbox by it
  };
  append(rules.read, name_service_directories());       // resolve
  append(rules.read, places_of(name_service_files()));  // resolve, where they really are
  append(rules.read, library_directories());            // libraries, where /etc/ld.so.conf has more
  append(rules.read, inputs.certificate_directories);   // net: --capath, SSL_CERT_DIR
  append(rules.read, certificate_places(inputs));       // net, where certificates really are
  rules.execute = {
      "/lib",        // the program interpreter
      "/lib64",      // the same, of 64-bit systems
      "/usr/lib",    // as /lib
      "/usr/lib64",  // as /lib64
  };
  rules.execute_files = inputs.programs;           // the helpers
  rules.connect_ports = {kDnsPort};                // resolve
  rules.connect_sockets = name_service_sockets();  // resolve
  return rules;
}

}  // namespace

const Policy kLaunchPolicy{
    .role = "launch",
    .system_calls = kSystemCalls,
    .starts = kStarts,
    .landlock = landlock_rules,
    .namespaces = false,       // resolve, which it starts, needs the system's network and files
    .may_fork = true,          // it starts the helpers
    .may_write_files = false,  // it writes to sockets
};

}  // namespace localproxy::sandbox
