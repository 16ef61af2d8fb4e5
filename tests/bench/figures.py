"""What is measured of each subject. Every function here runs one measurement once and returns {name: number}; a
number may be None: it could not be measured, and the report says so."""

import json
import subprocess
import sys
import time

from measure import Cpu, Peak, SystemCalls, private_bytes
from subjects import LOAD

MEGABYTE = 10**6
GIGABYTE = 10**9
# Bytes a second that the slow reader takes.
SLOW = 100 * MEGABYTE
# Bytes a second of a gigabit network; the service itself gives an account 800 kB a second.
LINE_RATE = 118 * MEGABYTE


def client(*arguments):
    """One run of bench-load as a client: what it found."""
    done = subprocess.run([str(word) for word in (LOAD, *arguments)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: bench-load {' '.join(map(str, arguments))} failed")
    return json.loads(done.stdout)


def bulk(port, direction, size, connections=1, checked=False, rate=0):
    return client("bulk", port, direction, size, connections, "checked" if checked else "unchecked", rate, 0)


class Beside:
    """Bulk transfers that go on until it is left; all together `pace` bytes a second, 0: as many as can be."""

    def __init__(self, port, direction, connections, pace):
        self._command = [LOAD, "bulk", port, direction, 10**15, connections, "unchecked", 0, pace // connections]

    def __enter__(self):
        self._process = subprocess.Popen([str(word) for word in self._command], stdout=subprocess.DEVNULL)
        time.sleep(0.3)  # until it is at full speed

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def sender_of(direction):
    """Which end encrypts, and which decrypts."""
    return ("near", "far") if direction == "up" else ("far", "near")


def transfer(subject, direction, size):
    """One connection, as fast as it goes."""
    with Cpu(subject.ends) as cpu:
        result = bulk(subject.port, direction, size)
    if result["intact"] != 1:
        sys.exit(f"bench: a transfer through {subject.name} broke")
    sending, receiving = sender_of(direction)
    figures = {f"{direction} MB/s": size / MEGABYTE / result["seconds"]}
    if not subject.pids():
        return figures
    a_gigabyte = GIGABYTE / size
    for end, does in ((sending, "sending"), (receiving, "receiving")):
        figures[f"{does} end, CPU s/GB ({direction})"] = cpu.of(end) * a_gigabyte
        for role, seconds in cpu.spent[end].items():
            figures[f"{does} {role}, CPU s/GB ({direction})"] = seconds * a_gigabyte
    if "relay" in cpu.spent:
        figures[f"the stand-in service, CPU s/GB ({direction})"] = cpu.of("relay") * a_gigabyte
    return figures


def system_calls(subject, direction, size):
    """A transfer of its own: counting costs."""
    figures = {}
    sending, receiving = sender_of(direction)
    for end, does in ((sending, "sending"), (receiving, "receiving")):
        with SystemCalls(subject.pids(end)) as calls:
            bulk(subject.port, direction, size)
        figures[f"{does} end, system calls/MB ({direction})"] = (
            None if calls.count is None else calls.count * MEGABYTE / size)
    return figures


def memory(subject, size):
    """Private memory of both ends, idle, and what is added while a slow reader takes `size` bytes each way."""
    idle = {pid: private_bytes(pid) for pid in subject.pids()}
    if None in idle.values():
        return {"near end, idle private kB": None}
    figures = {}
    for end in ("near", "far"):
        for role, pid in subject.ends[end].items():
            figures[f"{end} {role}, idle private kB"] = idle[pid] / 1000
        figures[f"{end} end, idle private kB"] = sum(idle[pid] for pid in subject.pids(end)) / 1000
    for direction in ("up", "down"):
        with Peak(subject.pids()) as peak:
            bulk(subject.port, direction, size, rate=SLOW)
        for end in ("near", "far"):
            for role, pid in subject.ends[end].items():
                figures[f"{end} {role}, peak private kB ({direction})"] = peak.bytes[pid] / 1000
            growth = sum(peak.bytes[pid] - idle[pid] for pid in subject.pids(end))
            figures[f"{end} end, growth of private kB, slow reader ({direction})"] = growth / 1000
    return figures


def echo(subject, size, seconds, name):
    result = client("echo", subject.port, size, seconds)
    return {f"{name}, us p50": result["p50_us"], f"{name}, us p99": result["p99_us"]}


def round_trips(subject, seconds):
    """On an idle tunnel."""
    return echo(subject, 64, seconds, "64 B round trip") | echo(subject, 1024, seconds, "1 KiB round trip")


def round_trips_beside(subject, seconds):
    """Beside transfers through the same tunnel: at the pace of a gigabit network, and at the most that this machine's
    processors can do, where every process waits for its turn on them."""
    figures = {}
    for connections in (1, 16):
        for pace, speed in ((LINE_RATE, "at 1 Gbit/s"), (0, "at full speed")):
            for direction in ("up", "down"):
                with Beside(subject.port, direction, connections, pace):
                    figures |= echo(subject, 64, seconds, f"64 B round trip beside {connections} bulk {direction} {speed}")
    for direction in ("up", "down"):
        with Beside(subject.port, direction, 1, LINE_RATE):
            figures |= echo(subject, 1024, seconds, f"1 KiB round trip beside 1 bulk {direction} at 1 Gbit/s")
    return figures


def connections(subject, seconds):
    figures = {}
    for at_once, name in ((1, "in sequence"), (32, "32 at a time")):
        result = client("connect", subject.port, seconds, at_once)
        figures |= {f"connections/s {name}": result["per_second"],
                    f"connections/s {name}, first quarter": result["first_quarter"],
                    f"connections/s {name}, last quarter": result["last_quarter"],
                    f"connections {name}, failed": result["failed"]}
    return figures


def parallel(subject):
    """128 connections at once, 2 MB each, every byte compared."""
    return {f"intact of 128 x 2 MB ({direction})":
            bulk(subject.port, direction, 2 * MEGABYTE, 128, checked=True)["intact"] for direction in ("up", "down")}
