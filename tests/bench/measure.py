"""What a process costs, read from outside: CPU, memory, system calls, instructions."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness import processes

# Between two looks at a process's memory while something runs.
SAMPLE_SECONDS = 0.05


class Failed(Exception):
    """What was measured broke. For the report: a peer that loses a transfer is a result, too."""


def cpu_seconds(pid):
    """CPU time of a process with all its threads, ended ones too, in nanoseconds' precision: the process's CPU clock
    (clock_getcpuclockid(3); the number is made as the kernel makes it)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError as error:
        raise Failed(f"process {pid} ended") from error


def family_cpu_seconds(pid):
    """CPU time of a process and all its children, ended ones too; those in ticks of the kernel, usually 10 ms."""
    total = 0.0
    for member in (pid, *processes.children(pid)):
        try:
            # What follows the name, which may hold anything; then cutime and cstime are numbers 14 and 15.
            fields = pathlib.Path(f"/proc/{member}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += cpu_seconds(member) + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        except (FileNotFoundError, ProcessLookupError) as error:
            raise Failed(f"process {member} ended") from error
    return total


def private_bytes(pid):
    """What a process does not share with any other. 0 for one that ended; None when nobody may look."""
    try:
        return processes.private_memory(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:
        return None


def descriptors(pid):
    try:
        return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0


def pin(pid, core):
    """Every thread of a process to one core; threads and children that it makes later are there, too."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})


class Cpu:
    """CPU seconds of processes between entering and leaving. ends: name -> {role: pid}. spent: the same with seconds."""

    def __init__(self, ends):
        self._ends = ends
        self._before = {}
        self.spent = {}

    def __enter__(self):
        self._before = self._now()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        now = self._now()
        self.spent = {end: {role: now[end][role] - self._before[end][role] for role in roles}
                      for end, roles in self._ends.items()}

    def _now(self):
        return {end: {role: cpu_seconds(pid) for role, pid in roles.items()} for end, roles in self._ends.items()}

    def of(self, end):
        return sum(self.spent[end].values())


class Peak:
    """The most private memory of each process between entering and leaving."""

    def __init__(self, pids):
        self.bytes = {pid: 0 for pid in pids}
        self.total = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._over.wait(SAMPLE_SECONDS):
            now = {pid: private_bytes(pid) or 0 for pid in self.bytes}
            self.bytes = {pid: max(size, now[pid]) for pid, size in self.bytes.items()}
            self.total = max(self.total, sum(now.values()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class Counts:
    """What perf counts of processes between entering and leaving; None for what it cannot count here: without perf or
    the right to use it, nothing; in most virtual machines, no instructions."""

    EVENTS = {"system_calls": "raw_syscalls:sys_enter", "instructions": "instructions:u"}

    def __init__(self, pids):
        self.system_calls = None
        self.instructions = None
        self._pids = pids
        self._perf = None
        self._output = None

    def __enter__(self):
        if shutil.which("perf") is None:
            return self
        self._output = tempfile.NamedTemporaryFile("r", encoding="utf-8")
        self._perf = subprocess.Popen(
            ["perf", "stat", "-x,", "-e", ",".join(self.EVENTS.values()), "-p", ",".join(map(str, self._pids)), "-o",
             self._output.name], stderr=subprocess.DEVNULL)
        # perf says nothing when it has begun.
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        if self._perf is None:
            return
        self._perf.send_signal(signal.SIGINT)
        self._perf.wait()
        text = self._output.read()
        for name, event in self.EVENTS.items():
            found = re.search(rf"^(\d+),,{event}", text, re.M)
            setattr(self, name, int(found[1]) if found else None)
        self._output.close()
