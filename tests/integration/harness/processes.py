"""Looks at processes through /proc: children, roles, status, survivors."""

import os
import pathlib

ROLES = ("net", "bridge", "resolve", "launch")


def _read(pid, name):
    """The bytes of a file of /proc/PID, b"" when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def status(pid):
    """/proc/PID/status as a dict of texts; {} when the process is gone."""
    lines = _read(pid, "status").decode(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def is_alive(pid):
    """A zombie does not count as alive."""
    return status(pid).get("State", "Z")[0] not in "ZX"


def children(pid):
    """The living descendants of a process."""
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return found
    for task in tasks:
        for child in _read(pid, f"task/{task}/children").split():
            if is_alive(int(child)):
                found.append(int(child))
                found += children(int(child))
    return found


def command_line(pid):
    return _read(pid, "cmdline").decode(errors="replace").split("\0")


def role(pid):
    """ "net", "bridge", "resolve", or "" for a child that has not become one of them yet.

    The kernel cuts the name of a process at 15 characters, and the name of a program started by its
    descriptor may be a number; so the first argument decides."""
    names = [os.path.basename(command_line(pid)[0]), status(pid).get("Name", "")]
    for name in names:
        for candidate in ROLES:
            if len(name) > len("localproxy-") and f"localproxy-{candidate}".startswith(name):
                return candidate
    return ""


def memory(pid, *kinds):
    """Bytes of a process's memory of these kinds, from /proc/PID/smaps_rollup; PermissionError unless the caller
    may inspect it."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {kind: size.split()[0] for kind, _, size in (line.partition(":") for line in lines)}
    return 1024 * sum(int(sizes[kind]) for kind in kinds)


def private_memory(pid):
    """The bytes that it shares with no other process."""
    return memory(pid, "Private_Clean", "Private_Dirty", "Private_Hugetlb")


def descriptors(pid):
    """Number -> target, such as "socket:[123]"; PermissionError unless the caller may inspect it."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass
    return found
