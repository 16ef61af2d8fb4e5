// Operations on files, and on descriptors that are not channels.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "tests/unit/sandbox/operations.h"

namespace localproxy::sandbox::test {
namespace {

constexpr const char* kOwn = "/tmp/localproxy-forbidden";  // in a directory where every user may create files
constexpr int kAsToken = O_RDONLY | O_CLOEXEC | O_NOCTTY;  // as the monitor opens the token file

long open_for(const std::string& path, int flags) {
  return ::syscall(SYS_openat, AT_FDCWD, path.c_str(), flags, 0600);
}

long open_of(pid_t pid, const char* name, int flags = O_RDONLY) {
  return open_for("/proc/" + std::to_string(pid) + name, flags);
}

constexpr Operation kFileOperations[] = {
    // name, attempt, monitor, launch, net, bridge, resolve
    {"read /etc/passwd", TRY(open_for("/etc/passwd", O_RDONLY)), K, kDone, K, K, EACCES},
    {"read /etc/shadow", TRY(open_for("/etc/shadow", O_RDONLY)), K, EACCES, K, K, EACCES},
    {"read /etc/hosts", TRY(open_for("/etc/hosts", O_RDONLY)), K, kDone, K, K, kDone},
    {"read /etc/passwd as the token is read", TRY(open_for("/etc/passwd", kAsToken)), EACCES, K, K, K, K},
    {"read the parent's memory as the token is read", TRY(open_of(w.parent, "/mem", kAsToken)), EACCES, K, K, K, K},
    {"list / as the token is read", TRY(open_for("/", kAsToken)), EACCES, K, K, K, K},
    {"read own environment", TRY(open_for("/proc/self/environ", O_RDONLY)), K, EACCES, K, K, EACCES},
    {"read own memory", TRY(open_for("/proc/self/mem", O_RDONLY)), K, EACCES, K, K, EACCES},
    {"read own program", TRY(open_for("/proc/self/exe", O_RDONLY)), K, EACCES, K, K, EACCES},
    {"read the parent's memory", TRY(open_of(w.parent, "/mem")), K, EACCES, K, K, EACCES},
    {"read a sibling's memory", TRY(open_of(w.sibling, "/mem")), K, EACCES, K, K, EACCES},
    {"read a sibling's environment", TRY(open_of(w.sibling, "/environ")), K, EACCES, K, K, EACCES},
    {"read a sibling's mappings", TRY(open_of(w.sibling, "/maps")), K, EACCES, K, K, EACCES},
    {"list /", TRY(open_for("/", O_RDONLY | O_DIRECTORY)), K, EACCES, K, K, K},
    {"list /etc", TRY(open_for("/etc", O_RDONLY | O_DIRECTORY)), K, kDone, K, K, K},
    {"read a directory that is open", [](const World& w) { char b[512]; return ::syscall(SYS_getdents64, w.directory, b, sizeof b); }, K, kDone, K, K, K},
    {"read a file that is open", [](const World& w) { char b; return ::syscall(SYS_pread64, w.file, &b, 1, 0); }, kDone, kDone, K, K, kDone},
    {"open /dev/null to write", TRY(open_for("/dev/null", O_WRONLY)), K, K, K, K, K},
    {"write /etc/passwd", TRY(open_for("/etc/passwd", O_WRONLY)), K, K, K, K, K},
    {"append to a log", TRY(open_for("/var/log/wtmp", O_WRONLY | O_APPEND)), K, K, K, K, K},
    {"create a file", TRY(open_for(kOwn, O_RDWR | O_CREAT | O_EXCL)), K, K, K, K, K},
    {"create an unnamed file", TRY(open_for("/tmp", O_RDWR | O_TMPFILE)), K, K, K, K, K},
    {"open with O_PATH", TRY(open_for("/bin/true", O_PATH)), K, kDone, K, K, K},
    {"openat2", [](const World&) { open_how how{}; return ::syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how); }, K, K, K, K, K},
#ifdef SYS_open
{"open", TRY(::syscall(SYS_open, "/etc/passwd", O_RDONLY)), K, K, K, K, K},
    {"creat", TRY(::syscall(SYS_creat, kOwn, 0600)), K, K, K, K, K},
#endif
{"truncate a file", TRY(::syscall(SYS_truncate, "/etc/passwd", 0)), K, K, K, K, K},
    {"truncate an open file", TRY(::syscall(SYS_ftruncate, w.file, 0)), K, K, K, K, K},
    {"allocate in a file", TRY(::syscall(SYS_fallocate, w.file, 0, 0, 1)), K, K, K, K, K},
    {"rename a file", TRY(::syscall(SYS_renameat2, AT_FDCWD, "/etc/passwd", AT_FDCWD, kOwn, 0)), K, K, K, K, K},
    {"link a file", TRY(::syscall(SYS_linkat, AT_FDCWD, "/etc/passwd", AT_FDCWD, kOwn, 0)), K, K, K, K, K},
    {"make a symbolic link", TRY(::syscall(SYS_symlinkat, "/etc/passwd", AT_FDCWD, kOwn)), K, K, K, K, K},
    {"make a directory", TRY(::syscall(SYS_mkdirat, AT_FDCWD, kOwn, 0700)), K, K, K, K, K},
    {"remove a file", TRY(::syscall(SYS_unlinkat, AT_FDCWD, "/tmp/.", 0)), EISDIR, K, K, K, K},
    {"remove a directory", TRY(::syscall(SYS_unlinkat, AT_FDCWD, kOwn, AT_REMOVEDIR)), K, K, K, K, K},
    {"change a file's mode", TRY(::syscall(SYS_fchmodat, AT_FDCWD, kOwn, 0777, 0)), K, K, K, K, K},
    {"change an open file's mode", TRY(::syscall(SYS_fchmod, w.file, 0777)), K, K, K, K, K},
    {"change a file's owner", TRY(::syscall(SYS_fchownat, AT_FDCWD, kOwn, 0, 0, 0)), K, K, K, K, K},
    {"make a named pipe", TRY(::syscall(SYS_mknodat, AT_FDCWD, kOwn, S_IFIFO | 0600, 0)), K, K, K, K, K},
    {"make a device", TRY(::syscall(SYS_mknodat, AT_FDCWD, kOwn, S_IFBLK | 0600, 0x0800)), K, K, K, K, K},
    {"set an extended attribute", TRY(::syscall(SYS_setxattr, kOwn, "user.x", "", 0, 0)), K, K, K, K, K},
    {"set a file's times", TRY(::syscall(SYS_utimensat, AT_FDCWD, kOwn, nullptr, 0)), K, K, K, K, K},
    {"get the handle of a file", [](const World&) { int id; char h[128] = {}; return ::syscall(SYS_name_to_handle_at, AT_FDCWD, "/etc/passwd", h, &id, 0); }, K, K, K, K, K},
    {"open a file by its handle", [](const World& w) { char h[128] = {}; return ::syscall(SYS_open_by_handle_at, w.directory, h, O_RDONLY); }, K, K, K, K, K},
    {"watch files", TRY(::syscall(SYS_inotify_init1, 0)), K, K, K, K, K},
    {"watch a file system", TRY(::syscall(SYS_fanotify_init, 0, O_RDONLY)), K, K, K, K, K},
    {"lock an open file", TRY(::syscall(SYS_flock, w.file, 1)), K, K, K, K, K},
    {"change directory", TRY(::syscall(SYS_chdir, "/")), K, kDone, K, K, K},
    {"change to an open directory", TRY(::syscall(SYS_fchdir, w.directory)), K, K, K, K, K},
    {"change the root", TRY(::syscall(SYS_chroot, "/")), K, EPERM, K, K, K},
    {"make a memfd", TRY(::syscall(SYS_memfd_create, "x", 0U)), K, K, K, K, K},
#ifdef SYS_memfd_secret
    {"make a secret memfd", TRY(::syscall(SYS_memfd_secret, 0U)), K, K, K, K, K},
#endif
    {"copy from a file that is open", TRY(::syscall(SYS_sendfile, w.pipe_write, w.file, nullptr, 1)), K, K, K, K, K},
    {"copy between files", TRY(::syscall(SYS_copy_file_range, w.file, nullptr, w.file, nullptr, 1, 0)), K, K, K, K, K},
    {"give memory to a pipe", TRY(::syscall(SYS_vmsplice, w.pipe_write, nullptr, 0, 0)), K, K, K, K, K},
    {"copy from pipe to pipe", TRY(::syscall(SYS_tee, w.pipe_read, w.pipe_write, 1, 0)), K, K, K, K, K},
    {"map a file that is open", TRY(::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, w.file, 0) == MAP_FAILED ? -1 : 0), K, kDone, K, K, kDone}, };

}  // namespace

std::span<const Operation> file_operations() {
  return kFileOperations;
}

}  // namespace localproxy::sandbox::test
