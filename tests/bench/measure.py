"""What a process costs, read from outside: CPU, memory, system calls."""

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


def cpu_seconds(pid):
    """CPU time of a process with all its threads, ended ones too, in nanoseconds' precision: the process's CPU clock
    (clock_getcpuclockid(3); the number is made as the kernel makes it)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0  # ended


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


class Cpu:
    """CPU seconds of processes between entering and leaving. ends: name -> {role: pid}. spent: the same with seconds."""

    def __init__(self, ends):
        self._ends = ends
        self._before = {}
        self.spent = {}

    def __enter__(self):
        self._before = self._now()
        return self

    def __exit__(self, *_):
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


class SystemCalls:
    """System calls of processes between entering and leaving; count is None where perf cannot count them."""

    def __init__(self, pids):
        self.count = None
        self._pids = pids
        self._perf = None
        self._output = None

    def __enter__(self):
        if shutil.which("perf") is None:
            return self
        self._output = tempfile.NamedTemporaryFile("r", encoding="utf-8")
        self._perf = subprocess.Popen(
            ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, self._pids)), "-o",
             self._output.name], stderr=subprocess.DEVNULL)
        # perf says nothing when it has begun.
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        if self._perf is None:
            return
        self._perf.send_signal(signal.SIGINT)
        self._perf.wait()
        found = re.search(r"^(\d+),,raw_syscalls:sys_enter", self._output.read(), re.M)
        self.count = int(found[1]) if found else None
        self._output.close()
