// Operations on the kernel itself: its modules, its clocks, its other interfaces.
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "tests/unit/sandbox/operations.h"

namespace localproxy::sandbox::test {
namespace {

constexpr size_t kPage = 4'096;
constexpr int kCollapse = 25;  // of Linux 6.1

long map(int protection, int flags, int file) {
  return ::mmap(nullptr, kPage, protection, flags, file, 0) == MAP_FAILED ? -1 : 0;
}

// Makes writable memory executable.
long make_executable() {
  void* const memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? -1 : ::mprotect(memory, kPage, PROT_READ | PROT_EXEC);
}

long make_executable_with_key() {
  void* const memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ::syscall(SYS_pkey_mprotect, memory, kPage, PROT_READ | PROT_EXEC, -1);
}

long remap(int flags) {
  void* const from = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* const to = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ::mremap(from, kPage, kPage, flags, to) == MAP_FAILED ? -1 : 0;
}

long advise(int advice) {
  void* const memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? -1 : ::madvise(memory, kPage, advice);
}

long futex(int operation) {
  uint32_t words[2] = {0, 0};
  return ::syscall(SYS_futex, &words[0], operation, 1, nullptr, &words[1], 0);
}

// clock_getcpuclockid(3) and clock_gettime(2) say how these numbers are made.
clockid_t clock_of_process(pid_t pid) {
  return static_cast<clockid_t>(~static_cast<unsigned>(pid) << 3 | 2U);
}
clockid_t clock_of_descriptor(int fd) {
  return static_cast<clockid_t>(~static_cast<unsigned>(fd) << 3 | 3U);
}
long time_of(clockid_t clock) {
  timespec time{};
  return ::syscall(SYS_clock_gettime, clock, &time);
}

long ring() {
  io_uring_params parameters{};
  return ::syscall(SYS_io_uring_setup, 1, &parameters);
}

long load_bpf() {
  bpf_attr attributes{};
  return ::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

long count_events() {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  return ::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

// Filters add up, so a filter that allows everything would be harmless. But no role needs to load one.
long another_filter() {
  sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{1, all};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

// The owner of such a listener decides about the calls of the filtered process.
long listen_to_calls() {
  sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
  const sock_fprog program{1, all};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

constexpr Operation kKernelOperations[] = {
    // name, attempt, monitor, launch, net, bridge, resolve
    {"writable and executable memory", TRY(map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1)), K, K, K, K, K},
    {"executable memory", TRY(map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1)), K, K, K, K, K},
    {"executable memory that others can write to", TRY(map(PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1)), K, K, K, K, K},
    {"code of a file", TRY(map(PROT_READ | PROT_EXEC, MAP_PRIVATE, w.file)), K, kDone, K, K, kDone},
    {"code of a file that others can write to", TRY(map(PROT_READ | PROT_EXEC, MAP_SHARED, w.file)), K, K, K, K, K},
    {"memory that grows downwards", TRY(map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1)), K, K, K, K, K},
    {"memory that is filled at once", TRY(map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1)), K, K, K, K, K},
    {"huge pages", TRY(map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1)), ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM},
    {"move a mapping over another", TRY(remap(MREMAP_MAYMOVE | MREMAP_FIXED)), K, K, K, K, K},
    {"leave a mapping behind", TRY(remap(MREMAP_MAYMOVE | MREMAP_DONTUNMAP)), K, K, K, K, K},
    {"memory in cores again", TRY(advise(MADV_DODUMP)), K, K, K, K, K},
    {"memory in forks again", TRY(advise(MADV_KEEPONFORK)), K, K, K, K, K},
    {"share equal pages", TRY(advise(MADV_MERGEABLE)), K, K, K, K, K},
    {"poison a page", TRY(advise(MADV_HWPOISON)), K, K, K, K, K},
    {"collapse pages to a huge one", TRY(advise(kCollapse)), K, K, K, K, K},
    {"wait at a futex", TRY(futex(FUTEX_WAIT_PRIVATE)), K, K, K, K, K},
    {"wake other processes at a futex", TRY(futex(FUTEX_WAKE)), K, K, K, K, K},
    {"lock a futex that inherits priority", TRY(futex(FUTEX_LOCK_PI_PRIVATE)), K, K, K, K, K},
    {"requeue to a futex that inherits priority", TRY(futex(FUTEX_CMP_REQUEUE_PI_PRIVATE)), K, K, K, K, K},
    {"the time of another process", TRY(time_of(clock_of_process(w.sibling))), K, K, K, K, K},
    {"the time of a device", TRY(time_of(clock_of_descriptor(w.file))), K, K, K, K, K},
    {"a pipe for notifications", [](const World&) -> long {
       int pair[2];
       return ::pipe2(pair, O_CLOEXEC | O_NONBLOCK | O_EXCL);
     }, K, K, K, K, K},
    {"make memory executable", TRY(make_executable()), K, K, K, K, K},
    {"make memory executable, with a key", TRY(make_executable_with_key()), K, K, K, K, K},
    {"shared anonymous memory", TRY(map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1)), K, kDone, K, K, kDone},
    {"reorder the pages of a mapping", TRY(::syscall(SYS_remap_file_pages, nullptr, 0, 0, 0, 0)), K, K, K, K, K},
    {"a memory fault handler", TRY(::syscall(SYS_userfaultfd, O_CLOEXEC)), K, K, K, K, K},
    {"move pages", TRY(::syscall(SYS_move_pages, 0, 0, nullptr, nullptr, nullptr, 0)), K, K, K, K, K},
    {"unlock memory", TRY(::munlockall()), K, K, K, K, K},
    {"shared memory", TRY(::syscall(SYS_shmget, 0, kPage, 0600)), K, K, K, K, K},
    {"a semaphore", TRY(::syscall(SYS_semget, 0, 1, 0600)), K, K, K, K, K},
    {"a message queue", TRY(::syscall(SYS_msgget, 0, 0600)), K, K, K, K, K},
    {"a named message queue", TRY(::syscall(SYS_mq_open, "x", O_RDWR | O_CREAT, 0600, nullptr)), K, K, K, K, K},
    {"an io_uring", TRY(ring()), K, K, K, K, K},
    {"enter an io_uring", TRY(::syscall(SYS_io_uring_enter, w.pipe_read, 0, 0, 0, nullptr, 0)), K, K, K, K, K},
    {"register with an io_uring", TRY(::syscall(SYS_io_uring_register, w.pipe_read, 0, nullptr, 0)), K, K, K, K, K},
    {"asynchronous I/O", [](const World&) -> long {
       aio_context_t context = 0;
       return ::syscall(SYS_io_setup, 1, &context);
     }, K, K, K, K, K},
    {"load a program into the kernel", TRY(load_bpf()), K, K, K, K, K},
    {"load a module", TRY(::syscall(SYS_init_module, nullptr, 0, "")), K, K, K, K, K},
    {"load a module from a file", TRY(::syscall(SYS_finit_module, w.file, "", 0)), K, K, K, K, K},
    {"unload a module", TRY(::syscall(SYS_delete_module, "x", 0)), K, K, K, K, K},
    {"load another kernel", TRY(::syscall(SYS_kexec_load, 0, 0, nullptr, 0)), K, K, K, K, K},
    {"restart the machine", TRY(::syscall(SYS_reboot, 0, 0, 0, nullptr)), K, K, K, K, K},
    {"count events", TRY(count_events()), K, K, K, K, K},
    {"read the kernel's log", TRY(::syscall(SYS_syslog, 3, nullptr, 0)), K, K, K, K, K},
    {"add a key", TRY(::syscall(SYS_add_key, "user", "x", "x", 1, -3)), K, K, K, K, K},
    {"ask for a key", TRY(::syscall(SYS_request_key, "user", "x", nullptr, -3)), K, K, K, K, K},
    {"read a keyring", TRY(::syscall(SYS_keyctl, 0, -3, 0)), K, K, K, K, K},
    {"mount", TRY(::syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr)), K, K, K, K, K},
    {"unmount", TRY(::syscall(SYS_umount2, "/tmp", 0)), K, K, K, K, K},
    {"another root file system", TRY(::syscall(SYS_pivot_root, "/", "/")), K, K, K, K, K},
    {"mount by descriptor", TRY(::syscall(SYS_fsopen, "tmpfs", 0)), K, K, K, K, K},
    {"open a tree of mounts", TRY(::syscall(SYS_open_tree, AT_FDCWD, "/", 1U)), K, K, K, K, K},
    {"move a mount", TRY(::syscall(SYS_move_mount, w.directory, "", w.directory, "", 0)), K, K, K, K, K},
    {"another personality", TRY(::syscall(SYS_personality, 0x0040000)), K, K, K, K, K},
    {"swap space", TRY(::syscall(SYS_swapon, "/dev/null", 0)), K, K, K, K, K},
    {"accounting", TRY(::syscall(SYS_acct, nullptr)), K, K, K, K, K},
    {"quotas", TRY(::syscall(SYS_quotactl, 0, nullptr, 0, nullptr)), K, K, K, K, K},
    {"the machine's name", TRY(::syscall(SYS_sethostname, "x", 1)), K, K, K, K, K},
    {"the machine's domain", TRY(::syscall(SYS_setdomainname, "x", 1)), K, K, K, K, K},
    {"the clock", TRY(::syscall(SYS_clock_settime, CLOCK_REALTIME, nullptr)), K, K, K, K, K},
    {"the clock, the old way", TRY(::syscall(SYS_settimeofday, nullptr, nullptr)), K, K, K, K, K},
    {"the clock's speed", TRY(::syscall(SYS_adjtimex, nullptr)), K, K, K, K, K},
#ifdef __x86_64__
    {"I/O ports", TRY(::syscall(SYS_ioperm, 0x80, 1, 1)), K, K, K, K, K},
    {"all I/O ports", TRY(::syscall(SYS_iopl, 3)), K, K, K, K, K},
    {"segment descriptors", TRY(::syscall(SYS_modify_ldt, 0, nullptr, 0)), K, K, K, K, K},
    {"an x32 call", TRY(::syscall(0x40000000 | SYS_getpid)), K, K, K, K, K},
#endif
    {"one more filter", TRY(another_filter()), K, kDone, K, K, K},
    {"a filter with a listener", TRY(listen_to_calls()), K, EINVAL, K, K, K},
    {"strict mode", TRY(::prctl(PR_SET_SECCOMP, 1, 0, 0, 0)), K, K, K, K, K},
    {"one more Landlock domain", [](const World&) -> long {
       landlock_ruleset_attr attributes{};
       attributes.handled_access_fs = 1;
       return ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
     }, K, kDone, K, K, K},
    {"a call newer than the policies", TRY(::syscall(static_cast<long>(kNewestCall) + 1)), ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS},
    {"a call of the far future", TRY(::syscall(4'000)), ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS},
};

}  // namespace

std::span<const Operation> kernel_operations() {
  return kKernelOperations;
}

}  // namespace localproxy::sandbox::test
