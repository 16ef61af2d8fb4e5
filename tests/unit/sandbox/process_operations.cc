// Operations on other processes, and ways to become another program.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sandbox/operations.h"

namespace localproxy::sandbox::test {
namespace {

constexpr int kScopes = 6;  // the Landlock ABI that introduced them

long in_new_process(long pid) {
  if (pid == 0) ::syscall(SYS_exit_group, 0);
  return pid;
}

long clone_of(unsigned long flags) {
  return in_new_process(::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
}

long clone3_of(unsigned long long flags) {
  clone_args arguments{};
  arguments.flags = flags;
  arguments.exit_signal = SIGCHLD;
  return in_new_process(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

long execute(const char* path) {
  char* const argv[] = {const_cast<char*>(path), nullptr};
  char* const none[] = {nullptr};
  return ::syscall(SYS_execve, path, argv, none);
}

// An executed program exits with 0, like an operation that succeeds.
long execute_file(int file, const char* path, int flags) {
  char* const argv[] = {const_cast<char*>("true"), nullptr};
  char* const none[] = {nullptr};
  return ::syscall(SYS_execveat, file, path, argv, none, flags);
}

long queue_signal(pid_t pid) {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  return ::syscall(SYS_rt_sigqueueinfo, pid, 0, &info);
}

long read_memory_of(pid_t pid) {
  char byte = 0;
  const iovec here{&byte, 1}, there{&byte, 1};
  return ::process_vm_readv(pid, &here, 1, &there, 1, 0);
}

long write_memory_of(pid_t pid) {
  char byte = 0;
  const iovec here{&byte, 1}, there{&byte, 1};
  return ::process_vm_writev(pid, &here, 1, &there, 1, 0);
}

long take_capabilities() {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {{~0U, ~0U, 0}, {~0U, ~0U, 0}};
  return ::syscall(SYS_capset, &head, data);
}

long limit(pid_t pid, int resource) {
  const rlimit much{RLIM_INFINITY, RLIM_INFINITY};
  return ::syscall(SYS_prlimit64, pid, resource, &much, nullptr);
}

constexpr Operation kProcessOperations[] = {
    // name, attempt, monitor, launch, net, bridge, resolve
    {"run a program", TRY(execute("/bin/true")), K, K, K, K, K},
    {"run a shell", TRY(execute("/bin/sh")), K, K, K, K, K},
    {"run a program by its descriptor", TRY(execute_file(w.program, "", AT_EMPTY_PATH)), K, EACCES, K, K, K},
    {"run a program by its path", TRY(execute_file(AT_FDCWD, "/bin/true", 0)), K, K, K, K, K},
    {"run itself again", TRY(execute("/proc/self/exe")), K, K, K, K, K},
    {"fork", TRY(clone_of(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)), K, kDone, K, K, K},
    {"vfork", TRY(clone_of(CLONE_VM | CLONE_VFORK | SIGCHLD)), K, K, K, K, K},
    {"a thread", TRY(clone_of(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)), K, K, K, K, K},
    {"fork into a user namespace", TRY(clone_of(CLONE_NEWUSER | SIGCHLD)), K, K, K, K, K},
    {"clone3", TRY(clone3_of(0)), K, ENOSYS, K, K, K},
#ifdef SYS_fork
    {"fork, the old way", TRY(in_new_process(::syscall(SYS_fork))), K, K, K, K, K},
#endif
    {"leave the network namespace", TRY(::syscall(SYS_unshare, CLONE_NEWNET)), K, K, K, K, K},
    {"leave the user namespace", TRY(::syscall(SYS_unshare, CLONE_NEWUSER)), K, K, K, K, K},
    {"enter a sibling's namespaces", TRY(::syscall(SYS_setns, w.pidfd, CLONE_NEWNET)), K, K, K, K, K},
    {"ask to be traced", TRY(::ptrace(PTRACE_TRACEME, 0, 0, 0)), K, K, K, K, K},
    {"trace a sibling", TRY(::ptrace(PTRACE_ATTACH, w.sibling, 0, 0)), K, K, K, K, K},
    {"trace the parent", TRY(::ptrace(PTRACE_SEIZE, w.parent, 0, 0)), K, K, K, K, K},
    {"read a sibling's memory at once", TRY(read_memory_of(w.sibling)), K, K, K, K, K},
    {"write a sibling's memory", TRY(write_memory_of(w.sibling)), K, K, K, K, K},
    {"compare with a sibling", TRY(::syscall(SYS_kcmp, w.sibling, w.parent, 0, 0, 0)), K, K, K, K, K},
    {"a pidfd of a sibling", TRY(::syscall(SYS_pidfd_open, w.sibling, 0)), K, K, K, K, K},
    {"a sibling's descriptor", TRY(::syscall(SYS_pidfd_getfd, w.pidfd, 0, 0)), K, K, K, K, K},
    {"advice on a sibling's memory", TRY(::syscall(SYS_process_madvise, w.pidfd, nullptr, 0, 0, 0)), K, K, K,
     K, K},
    {"signal a sibling", TRY(::kill(w.sibling, SIGKILL)), K, EPERM, K, K, K, kScopes},
    {"signal the parent", TRY(::kill(w.parent, SIGTERM)), K, K, K, K, K},
    {"signal every process", TRY(::kill(-1, 0)), K, K, K, K, K},
    {"kill every process", TRY(::kill(-1, SIGKILL)), K, K, K, K, K},
    {"kill its process group", TRY(::kill(0, SIGKILL)), K, K, K, K, K},
    {"signal a thread", TRY(::syscall(SYS_tgkill, w.sibling, w.sibling, SIGTERM)), K, K, K, K, K},
    {"signal a thread, the old way", TRY(::syscall(SYS_tkill, w.sibling, SIGTERM)), K, K, K, K, K},
    {"queue a signal", TRY(queue_signal(w.sibling)), K, K, K, K, K},
    {"signal by descriptor", TRY(::syscall(SYS_pidfd_send_signal, w.pidfd, SIGTERM, nullptr, 0)), K, K, K, K,
     K},
    {"wait for every child", TRY(::syscall(SYS_wait4, -1, nullptr, WNOHANG, nullptr)), ECHILD, ECHILD, K, K,
     K},
    {"wait by id", TRY(::syscall(SYS_waitid, P_ALL, 0, nullptr, WEXITED | WNOHANG, nullptr)), K, K, K, K, K},
    {"become root", TRY(::syscall(SYS_setuid, 0)), K, K, K, K, K},
    {"become root by three ids", TRY(::syscall(SYS_setresuid, 0, 0, 0)), K, K, K, K, K},
    {"become root by two ids", TRY(::syscall(SYS_setreuid, 0, 0)), K, K, K, K, K},
    {"become root for file access", TRY(::syscall(SYS_setfsuid, 0)), K, K, K, K, K},
    {"become root's group", TRY(::syscall(SYS_setresgid, 0, 0, 0)), K, K, K, K, K},
    {"join groups", TRY(::syscall(SYS_setgroups, 0, nullptr)), K, K, K, K, K},
    {"take capabilities", TRY(take_capabilities()), K, EPERM, K, K, K},
    {"a new session", TRY(::syscall(SYS_setsid)), K, K, K, K, K},
    {"another process group", TRY(::syscall(SYS_setpgid, 0, 0)), K, K, K, K, K},
    {"be dumpable again", TRY(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)), K, K, K, K, K},
    {"let a tracer in", TRY(::prctl(PR_SET_PTRACER, w.sibling, 0, 0, 0)), K, K, K, K, K},
    {"outlive the parent", TRY(::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)), K, K, K, K, K},
    {"keep capabilities", TRY(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)), K, K, K, K, K},
    {"raise an ambient capability", TRY(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0)), K, K, K, K,
     K},
    {"move its own mappings", TRY(::prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0)), K, K, K, K, K},
    {"adopt orphans", TRY(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)), K, K, K, K, K},
    {"change its own name", TRY(::prctl(PR_SET_NAME, "x", 0, 0, 0)), K, K, K, K, K},
    {"change speculation control", TRY(::prctl(PR_SET_SPECULATION_CTRL, 0, 1, 0, 0)), K, K, K, K, K},
    {"limits of a sibling", TRY(limit(w.sibling, RLIMIT_NOFILE)), K, K, K, K, K},
    {"enable core files", TRY(limit(0, RLIMIT_CORE)), K, EPERM, K, K, K},
    {"the scheduler", TRY(::syscall(SYS_sched_setaffinity, 0, 0, nullptr)), K, K, K, K, K},
    {"a priority", TRY(::syscall(SYS_setpriority, PRIO_PROCESS, 0, 19)), K, K, K, K, K},
    {"another I/O priority", TRY(::syscall(SYS_ioprio_set, 1, 0, 0)), K, K, K, K, K},
};

}  // namespace

std::span<const Operation> process_operations() {
  return kProcessOperations;
}

}  // namespace localproxy::sandbox::test
