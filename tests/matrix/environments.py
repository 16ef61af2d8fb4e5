"""The environments: one entry for each, with how it is made and what is expected to differ there.

name: its argument for `run`. why: what is special. before: shell commands, run as root in a mount and network
namespace of its own before the acceptance; $WORK is a directory of the cell. As: who runs the acceptance. within: words
in front of each localproxy. variables: for the acceptance, see its head. needs: what the machine must have. quick: it
needs no other kernel or userland. command: runs the acceptance elsewhere. steps: those that it prints.
"""

import dataclasses
import pathlib

# `tests/matrix/acceptance` prints one line a step, in this order.
STEPS = ("start", "check", "report", "resolve", "tls", "traffic", "ten", "refused", "reload", "lost", "stop", "token",
         "usage", "left")
# The steps of tests/matrix/userland before those.
BUILD_STEPS = ("debian", "build", "unit", "clang", "clang-unit")
HERE = pathlib.Path(__file__).resolve().parent

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
STRANGER = "setpriv --reuid=47110 --regid=47110 --clear-groups"
# Docker's, without the last two for processes of PID namespaces that are not the first.
DOCKER_CAPABILITIES = "setpriv --bounding-set=-all," + ",".join(f"+{name}" for name in (
    "chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap",
    "net_bind_service", "sys_chroot", "kill", "audit_write"))

COPY_ETC = 'cp -a /etc "$WORK/etc"; mount --bind "$WORK/etc" /etc'
READ_ONLY = 'mount --bind "$WORK" "$WORK"; mount -o bind,remount,ro /'
EMPTY = "mount -t tmpfs -o mode=755 tmpfs"
DNS = {"MATRIX_NAME": "tunnel.test", "MATRIX_NAMES": "dns"}
# For a standard error that cannot be read: only standard output can be checked.
BLIND = {"MATRIX_TEXTS": "stdout"}
# No process has namespaces of its own.
SHARED = {"MATRIX_REPORT": "shared      shared      shared      shared      shared"}
UNPRINTED = {"MATRIX_UNPRINTED": "yes"}


@dataclasses.dataclass(frozen=True)
class Environment:
    name: str
    why: str
    before: tuple = ()
    run_as: str = ""
    within: str = ""
    variables: dict = dataclasses.field(default_factory=dict)
    needs: str = "root"
    quick: bool = True
    command: tuple = ()
    steps: tuple = STEPS


def users():
    yield Environment("root", "becomes the user _localproxy")
    yield Environment("user", "an ordinary user", run_as=NOBODY)
    yield Environment("stranger", "a user without an entry in passwd", run_as=STRANGER)


def containers():
    docker = f"$TOOLS/matrix-within --init --docker -- {DOCKER_CAPABILITIES}"
    yield Environment("docker", "PID 1 with Docker's filter and capabilities: no user namespaces", within=docker,
                      variables=SHARED)
    yield Environment("docker-read-only", "the same, and its root cannot be written", (READ_ONLY,), within=docker,
                      variables=SHARED)
    yield Environment("docker-user", "the same as an ordinary user",
                      within=f"$TOOLS/matrix-within --init --docker -- {DOCKER_CAPABILITIES} {NOBODY}",
                      variables=SHARED)
    yield Environment("read-only", "a root that cannot be written", (READ_ONLY,))
    yield Environment("no-proc", "no /proc: refused, with the reason", within="$TOOLS/matrix-within --cover=/proc --",
                      variables={"MATRIX_REFUSED": "71 /proc"})
    yield Environment("no-ca-bundle", "no certificates of the system", (f"{EMPTY} /etc/ssl",))
    yield Environment("no-etc-names", "neither hosts, resolv.conf nor nsswitch.conf",
                      (COPY_ETC, "rm /etc/hosts /etc/resolv.conf /etc/nsswitch.conf"))


def kernels():
    def refusing(what):
        return f"$TOOLS/matrix-within --refuse={what} --"

    landlock = "landlock_create_ruleset,landlock_add_rule,landlock_restrict_self"
    yield Environment("no-user-namespaces", "max_user_namespaces is 0",
                      within="$TOOLS/matrix-within --no-user-namespaces --", variables=SHARED)
    yield Environment("empty-namespaces", "user namespaces come without capabilities, as AppArmor makes them",
                      run_as=NOBODY, within=refusing("EPERM:chroot,mount,umount2,pivot_root,sethostname,prctl=24"),
                      variables=SHARED)
    yield Environment("no-landlock", "a kernel that has no Landlock: refused, with the option that does without",
                      within=refusing(f"ENOSYS:{landlock}"), variables={"MATRIX_REFUSED": "71 --sandbox=no-landlock"})
    yield Environment("landlock-off", "Landlock is there and turned off at boot: the same",
                      within=refusing(f"EOPNOTSUPP:{landlock}"), variables={"MATRIX_REFUSED": "71 --sandbox=no-landlock"})
    yield Environment("without-landlock", "the same kernel, with --sandbox=no-landlock",
                      within=refusing(f"ENOSYS:{landlock}"),
                      variables={"MATRIX_OPTIONS": "--sandbox=no-landlock", "MATRIX_REPORT": "Landlock"})
    yield Environment("no-close-range", "close_range is refused", within=refusing("ENOSYS:close_range"))
    yield Environment("no-close-range-eperm", "close_range is refused by a filter", within=refusing("EPERM:close_range"))
    yield Environment("no-dup3", "dup3 is refused", within=refusing("ENOSYS:dup3"))
    for scope in range(3):
        yield Environment(f"yama-{scope}", "who may trace whom", (f"echo {scope} >/proc/sys/kernel/yama/ptrace_scope",),
                          needs="yama")


def names():
    def linked(name, place, link=None, also=()):
        """resolv.conf is a link to a place; only the name server there knows the name."""
        directory = place.rpartition("/")[0]
        return Environment(f"resolv-{name}", f"/etc/resolv.conf is a link to {link or place}", (
            COPY_ETC, *(f"{EMPTY} {top}" for top in ("/run", "/mnt", "/var", "/opt")), f"mkdir -p {directory}",
            f"echo nameserver 127.0.0.7 >{place}", f"rm -f /etc/resolv.conf; ln -s {link or place} /etc/resolv.conf",
            "echo hosts: files dns >/etc/nsswitch.conf", "echo 127.0.0.1 localhost >/etc/hosts", *also), variables=DNS)

    yield linked("connman", "/run/connman/resolv.conf")
    yield linked("dhcpcd", "/run/dhcpcd/resolv.conf")
    yield linked("netconfig", "/run/netconfig/resolv.conf")
    yield linked("wsl", "/mnt/wsl/resolv.conf")
    yield linked("yocto", "/run/resolv.conf")
    yield linked("var", "/var/lib/dhcp/resolv.conf")
    yield linked("relative", "/run/resolvconf/resolv.conf", "../run/resolvconf/resolv.conf")
    yield linked("chain", "/opt/network/resolv.conf", "/run/first",
                 ("ln -s /mnt/second /run/first", "ln -s /opt/network/resolv.conf /mnt/second"))
    yield Environment("resolv-dangling", "/etc/resolv.conf leads nowhere; hosts knows the name", (
        COPY_ETC, "rm -f /etc/resolv.conf; ln -s /run/nowhere/resolv.conf /etc/resolv.conf",
        "echo 127.0.0.1 localhost tunnel.test >/etc/hosts"), variables={"MATRIX_NAME": "tunnel.test"})
    yield Environment("hosts-link", "/etc/hosts is a link to /var/lib/names/hosts", (
        COPY_ETC, f"{EMPTY} /var", "mkdir -p /var/lib/names",
        "echo 127.0.0.1 localhost tunnel.test >/var/lib/names/hosts", "rm /etc/hosts",
        "ln -s /var/lib/names/hosts /etc/hosts"), variables={"MATRIX_NAME": "tunnel.test"})


def outputs():
    for kind, why, more in (
            ("pipe", "a pipe", {}), ("file", "a file", {}), ("pty", "a terminal", {}),
            ("null", "/dev/null", {"MATRIX_TEXTS": "none"}), ("full", "/dev/full", {"MATRIX_TEXTS": "none", **UNPRINTED}),
            ("stream", "a stream socket", {}), ("datagram", "a datagram socket", {}), ("closed", "closed", BLIND),
            ("full-pipe", "a full pipe that is never read", BLIND),
            ("gone", "a pipe whose reader has gone", BLIND)):
        yield Environment(f"stderr-{kind}", f"standard error: {why}", variables={
            "MATRIX_STDERR": kind, "MATRIX_OPTIONS": "-v 6", **more})
    for level in range(7):
        yield Environment(f"level-{level}", f"-v {level}", variables={
            "MATRIX_OPTIONS": f"-v {level}", "MATRIX_TEXTS": "all" if level >= 4 else "output"})


def surroundings():
    for name, setting in (
            ("lang", "LANG=de_DE.UTF-8 LC_ALL=tr_TR.UTF-8 LANGUAGE=de"), ("tz", "TZ=America/New_York"),
            ("tz-file", "TZ=:/nonexistent"), ("tunables", "GLIBC_TUNABLES=glibc.malloc.perturb=85:glibc.pthread.rseq=0"),
            ("tunables-huge", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"), ("preload", "LD_PRELOAD=libresolv.so.2"),
            ("preload-missing", "LD_PRELOAD=/nonexistent.so")):
        yield Environment(name, setting, within=f"env {setting}")
    for mask in ("000", "077", "777"):
        yield Environment(f"umask-{mask}", f"umask {mask}", within=f"$TOOLS/matrix-within --umask={mask} --")
    for closed, expected in (("0", {}), ("1", UNPRINTED), ("2", BLIND), ("012", {"MATRIX_TEXTS": "none", **UNPRINTED})):
        yield Environment(f"closed-{closed}", f"descriptors {', '.join(closed)} are closed",
                          within=f"$TOOLS/matrix-within --close={closed} --", variables=expected)
    for limit, refused in (("nofile=20", "71 ulimit -n"), ("nproc=3", "71 ulimit -u")):
        yield Environment(f"limit-{limit.partition('=')[0]}", f"{limit}: refused, with the reason",
                          run_as="" if "nofile" in limit else STRANGER,
                          within=f"prlimit --{limit}", variables={"MATRIX_REFUSED": refused})


def userlands():
    for suite in ("bookworm", "trixie", "testing"):
        yield Environment(f"debian-{suite}", f"built, tested and run in a bare Debian {suite}", quick=False,
                          command=(HERE / "userland", suite), steps=BUILD_STEPS + STEPS)


def machines():
    def machine(name, why, arch, suite, append="", first="", *expected):
        return Environment(name, why, quick=False, needs="guest",
                           command=(HERE / "in-guest", arch, suite, append, first, *expected))

    yield machine("kernel-bookworm", "Debian 12's kernel, 6.1: Landlock ABI 2", "amd64", "bookworm", "", "",
                  "MATRIX_REPORT=ABI 2")
    yield machine("kernel-trixie", "Debian 13's kernel, 6.12", "amd64", "trixie")
    yield machine("kernel-no-landlock", "Debian 12's kernel with Landlock off: refused", "amd64", "bookworm",
                  "lsm=yama,integrity", "", "MATRIX_REFUSED=71 --sandbox=no-landlock")
    yield machine("kernel-no-user-namespaces", "Debian's switch for user namespaces is off", "amd64", "bookworm", "",
                  "echo 0 >/proc/sys/kernel/unprivileged_userns_clone",
                  "MATRIX_REPORT=shared      shared      shared      shared      shared")
    for scope in range(3):
        yield machine(f"kernel-yama-{scope}", "who may trace whom", "amd64", "bookworm", "",
                      f"echo {scope} >/proc/sys/kernel/yama/ptrace_scope")
    for arch in ("arm64", "armhf", "riscv64"):
        yield machine(f"machine-{arch}", "built for it, on its kernel", arch, "trixie")
    yield machine("machine-armhf-bookworm", "the same with 32-bit times", "armhf", "bookworm")


ENVIRONMENTS = [*users(), *containers(), *kernels(), *names(), *outputs(), *surroundings(), *userlands(), *machines()]
