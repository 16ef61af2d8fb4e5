"""Reads strace's output for a proxy, and tells which calls each of its processes made behind which filter.

Filters are inherited: from its fork on a helper is behind launch's filter, and after it has loaded its own, behind both.
"""

import collections
import pathlib
import re

# The arguments, by index, that policies have conditions on. For all other calls only the name matters.
ARGUMENTS = {
    "accept4": (3,), "clock_gettime": (0,), "clone": (0,), "close_range": (2,), "dup3": (2,), "execveat": (4,),
    "fcntl": (1,), "futex": (1,), "getrandom": (2,), "getsockopt": (1, 2), "ioctl": (1,), "kill": (0, 1),
    "madvise": (2,), "mmap": (2, 3), "mprotect": (2,), "mremap": (3,), "openat": (2,), "pipe2": (1,), "prctl": (0, 1),
    "prlimit64": (0, 1), "recvfrom": (3,), "recvmsg": (2,), "seccomp": (0, 1), "sendmmsg": (3,), "sendmsg": (2,),
    "sendto": (3,), "setsockopt": (1, 2), "shutdown": (1,), "socket": (0, 1, 2), "socketpair": (0, 1), "splice": (5,),
    "ugetrlimit": (0,), "unlinkat": (2,), "unshare": (0,),
    # Names on 32-bit architectures.
    "clock_gettime64": (0,), "fcntl64": (1,), "futex_time64": (1,), "mmap2": (2, 3), "recv": (3,), "send": (3,),
}
# PR_SET_PDEATHSIG, PR_SET_DUMPABLE and PR_CAP_AMBIENT, of which the second argument counts as well.
PRCTL_WITH_ARGUMENT = (0x1, 0x4, 0x2f)
BEGIN = re.compile(r"(\d+) +(\w+)\((.*)")
END = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\().* = 0x([0-9a-f]+)$")
PROGRAM = re.compile(r'\["localproxy-(\w+)"')
FORKS = ("clone", "clone3", "fork", "vfork")
SET_MODE_FILTER = 0x1


def numbers(text):
    """The numeric arguments of a call."""
    found = []
    for part in re.split(r"[,)] ?", text):
        try:
            found.append(int(part.strip().split(" ")[0], 0))
        except (ValueError, IndexError):
            found.append(None)
    return found


def kept(name, given):
    """The arguments of a call that policies look at, ((index, value), ...)."""
    for index in ARGUMENTS.get(name, ()):
        if index >= len(given) or given[index] is None:
            continue
        value = given[index] & 0xffffffff
        if name == "prctl" and index == 1 and given[0] not in PRCTL_WITH_ARGUMENT:
            continue
        # The process id does not matter.
        if name == "kill" and index == 0:
            value &= 0x80000000
        yield index, value


def children(lines):
    """Index of the line where a fork starts -> process id of the child."""
    found, begun = {}, {}
    for at, line in enumerate(lines):
        if not any(name in line for name in FORKS):
            continue
        if (match := BEGIN.match(line)) and match[2] in FORKS:
            begun[match[1]] = at
        if (match := END.match(line)) and match[2] in FORKS:
            found[begun[match[1]]] = str(int(match[3], 16))
    return found


def made_in(path):
    """The calls in one trace: {(role, call, ((index, value), ...))}."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        forked = children(lines)
    with path.open(encoding="utf-8", errors="replace") as lines:
        return made_by(lines, forked)


def made_by(lines, forked):
    made = set()
    role, filters = {}, collections.defaultdict(tuple)
    for at, line in enumerate(lines):
        match = BEGIN.match(line)
        if not match:
            continue
        pid, name, rest = match.groups()
        role.setdefault(pid, "monitor")
        if filters[pid]:
            given = numbers(rest) if name in ARGUMENTS else ()
            made.update((inside, name, tuple(kept(name, given))) for inside in filters[pid])
        if at in forked:
            role[forked[at]], filters[forked[at]] = role[pid], filters[pid]
        elif name == "execveat" and (program := PROGRAM.search(rest)):
            role[pid] = program[1]
        elif name == "seccomp" and numbers(rest)[0] == SET_MODE_FILTER and numbers(rest)[2]:
            # libseccomp's probes of the kernel's features pass no program.
            filters[pid] = (*filters[pid], role[pid])
    return made


def made_below(directory):
    """The calls in all traces of a directory."""
    made = set()
    for path in pathlib.Path(directory).iterdir():
        made |= made_in(path)
    return made


def as_line(call):
    role, name, arguments = call
    return " ".join([role, name, *(f"{index}={value:#x}" for index, value in arguments)])
