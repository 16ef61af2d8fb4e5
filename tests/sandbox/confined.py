"""What must hold for every process of a tunnel, however localproxy was started: read from /proc, and compared with
what the processes log about themselves."""

import ctypes
import dataclasses
import os
import pathlib
import re

from harness import processes
from harness.lab import is_root

NO_CAPABILITY = "0" * 16
ROLES = ("monitor", "launch", "net", "bridge")
# The roles that leave the system's namespaces where they can, and the namespaces that they leave.
SECLUDED = ("net", "bridge")
LEFT = ("user", "net", "mnt", "ipc", "uts")
KEPT = ("pid", "cgroup", "time")

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_CREATE_RULESET_VERSION = 1
_PR_GET_MDWE = 66


@dataclasses.dataclass(frozen=True)
class Expected:
    """ids: (uid, gid). bounding: the bounding set of processes without their own namespaces, in which they could empty
    it; None for the starter's. not_granted: why net and bridge have no namespaces of their own, "" when they do.
    moved: the monitor's own namespaces that are not the test's. landlock: False with --sandbox=no-landlock. groups:
    supplementary groups, None for the starter's."""

    ids: tuple
    bounding: str = None
    not_granted: str = ""
    moved: tuple = ()
    landlock: bool = True
    groups: tuple = ()


def each_process(proxy):
    """(role, pid) of the four processes, exactly one per role."""
    by_role = proxy.processes()
    assert {role: len(pids) for role, pids in by_role.items()} == {**dict.fromkeys(ROLES, 1), "resolve": 0}
    return [(role, by_role[role][0]) for role in ROLES]


def check_status(pid, who, role, expected):
    status = processes.status(pid)
    wanted = {"Seccomp": "2", "NoNewPrivs": "1", "Threads": "1", "TracerPid": "0",
              **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), NO_CAPABILITY),
              "Uid": "\t".join([str(expected.ids[0])] * 4), "Gid": "\t".join([str(expected.ids[1])] * 4)}
    secluded = role in SECLUDED and not expected.not_granted
    if secluded or expected.bounding is not None:
        wanted["CapBnd"] = NO_CAPABILITY if secluded else expected.bounding
    found = {name: status[name] for name in wanted}
    assert found == wanted, f"{who}: {found}"
    if expected.groups is not None:
        groups = set(map(int, status["Groups"].split()))
        assert groups <= {expected.ids[1], *expected.groups}, f"{who}: groups {groups}"


def check_limits(pid, who, role):
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8").splitlines()
    zero = ["Max core file size"]
    if role != "launch":
        zero.append("Max processes")
    if role != "monitor":  # its standard error may be a file
        zero.append("Max file size")
    for name in zero:
        line = next(line for line in limits if line.startswith(name))
        assert line.removeprefix(name).split()[:2] == ["0", "0"], f"{who}: {line}"


def check_not_dumpable(pid, who):
    """The files of /proc/PID that show memory and descriptors belong to root."""
    assert pathlib.Path(f"/proc/{pid}/environ").stat().st_uid == 0, who


def namespaces(pid):
    """Kind -> namespace; only root may read this of a process that is not dumpable."""
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in (*LEFT, *KEPT)}


def _differing(one, other):
    return {kind for kind in one if one[kind] != other[kind]}


def check_namespaces(pids, who, expected):
    """pids: role -> process id, resolve among them while there is one; net is missing before there is a connection."""
    found = {role: namespaces(pid) for role, pid in pids.items()}
    own = set() if expected.not_granted else set(LEFT)
    for role, of_role in found.items():
        assert _differing(of_role, found["monitor"]) == (own if role in SECLUDED else set()), f"{role} of {who}"
    if "net" in found:
        assert _differing(found["net"], found["bridge"]) == own, f"{who}: net and bridge share some"
    moved = _differing(found["monitor"], namespaces("self"))
    assert moved == set(expected.moved), f"monitor of {who}: {moved}"


def check_root_directory(pids, who, expected):
    root = {role: pathlib.Path(f"/proc/{pid}/root") for role, pid in pids.items()}
    for role in pids:
        if role in SECLUDED and not expected.not_granted:
            assert not root[role].samefile(root["monitor"]), f"{role} of {who}"
            # The numbers of its own descriptors: a kernel directory in which nothing can be created.
            assert not [name for name in os.listdir(root[role]) if not name.isdigit()], f"{role} of {who}"
        else:
            assert root[role].samefile(root["monitor"]), f"{role} of {who}"


def landlock_abi():
    return _libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)


def _line(role, expected):
    """What a process should log about itself."""
    parts = [f"sandbox: uid {expected.ids[0]} gid {expected.ids[1]}", "no capabilities", "no-new-privs"]
    if _libc.prctl(_PR_GET_MDWE, 0, 0, 0, 0) >= 0:
        parts.append("no writable code")
    if role in SECLUDED:
        parts.append(f"no namespaces ({expected.not_granted})" if expected.not_granted else
                     "own user, network, mount, ipc and uts namespaces, empty root")
    parts.append(f"Landlock ABI {landlock_abi()}" if expected.landlock else "NO LANDLOCK (--sandbox=no-landlock)")
    return ", ".join([*parts, "seccomp filter"])


def check_log(proxy, expected, also=()):
    """Every process has logged the truth about itself, and nothing else. also: roles that have come and gone."""
    for role in (*ROLES, *also):
        said = {found[1] for line in proxy.lines if (found := re.search(rf"\b{role}: (sandbox: .*)", line))}
        assert said == {_line(role, expected)}, f"{role} of {proxy.name}"


def check_processes(proxy, expected):
    """Checks all four processes of a proxy; without root, skips what only root may see."""
    pids = dict(each_process(proxy))
    for role, pid in pids.items():
        who = f"{role} of {proxy.name}"
        check_status(pid, who, role, expected)
        check_limits(pid, who, role)
        check_not_dumpable(pid, who)
    if is_root():
        check_namespaces(pids, proxy.name, expected)
        check_root_directory(pids, proxy.name, expected)


def check_proxy(proxy, expected):
    check_processes(proxy, expected)
    check_log(proxy, expected)
