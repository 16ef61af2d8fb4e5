"""Makes the kernel run out of resources for one user or process, and tells a waiting process from a spinning one."""

import os
import pathlib
import subprocess

from . import processes, starters
from .starters import Starter
from .wait import until

# The wake-ups to watch, and the CPU seconds that they may cost together: a process that polls without a pause uses up
# the seconds before it has slept that often.
WAKE_UPS = 8
MOST_CPU = 0.4
TICKS = os.sysconf("SC_CLK_TCK")


def unused_user():
    """A user id without an entry and without other processes: what the kernel counts per user, it counts for this test."""
    return 40_000 + os.getpid() % 20_000


def as_user(uid, *limits):
    """Starts a program as that user, with limits as prlimit(1) takes them, such as --nofile=64:64."""
    user = ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return Starter("/usr/bin/prlimit", *limits, *user) if limits else Starter(*user)


class Hog:
    """A process of that user that has as many descriptors in flight as `limit` allows the user; or, with what="pipes",
    pipes that leave no other of the user any room to grow."""

    def __init__(self, uid, limit, what="descriptors"):
        command = [*as_user(uid, f"--nofile={limit}:{limit}").command, *starters.program("hog.py"), what]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"full\n"

    def stop(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def cpu(pid):
    """CPU seconds that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def sleeps(pid):
    return int(processes.status(pid)["voluntary_ctxt_switches"])


def check_does_not_spin(*pids):
    """Checks that the first process sleeps and wakes up several times, and that all use next to no CPU."""
    before = {pid: (cpu(pid), sleeps(pid)) for pid in pids}

    def used(pid):
        return cpu(pid) - before[pid][0]

    def has_slept(pid):
        return sleeps(pid) - before[pid][1] >= WAKE_UPS

    until(lambda: has_slept(pids[0]) or used(pids[0]) > MOST_CPU, f"{pids[0]} wakes up", 60)
    for pid in pids:
        assert used(pid) <= MOST_CPU, f"{processes.role(pid) or 'monitor'} spins"


class Limit:
    """A soft limit of a running process: set() it, and lift() it again. which: as prlimit(1) calls it."""

    def __init__(self, pid, which="nofile"):
        self._pid = pid
        self._which = which

    def set(self, value):
        # Root in a container may change only its own processes' limits; every user may change those of theirs.
        status = processes.status(self._pid)
        user, group = (status[name].split()[0] for name in ("Uid", "Gid"))
        subprocess.run(["/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "/usr/bin/prlimit",
                        f"--pid={self._pid}", f"--{self._which}={value}:"], check=True)

    def set_free_descriptors(self, count):
        """Sets the limit so that `count` more may be opened, once those of the start are closed."""
        looks = []

        def settled():
            looks.append(set(processes.descriptors(self._pid)))
            return len(looks) >= 5 and all(look == looks[-1] for look in looks[-5:])

        until(settled, "it opens and closes nothing")
        taken = looks[-1]
        free = [number for number in range(len(taken) + count + 1) if number not in taken]
        self.set(free[count])

    def lift(self):
        """Raises it as far as the hard limit allows."""
        name = {"nofile": "Max open files", "nproc": "Max processes"}[self._which]
        lines = pathlib.Path(f"/proc/{self._pid}/limits").read_text(encoding="ascii").splitlines()
        self.set(next(line for line in lines if line.startswith(name))[len(name):].split()[1])
