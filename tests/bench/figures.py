"""What is measured of each subject. Every function here runs one measurement once and returns {name: number}; a
number may be None: it could not be measured, and the report says so. Instead of a number there may be a distribution,
{percent: microseconds}. measure.Failed: it broke."""

import json
import statistics
import subprocess
import time

from harness.wait import until
from measure import Counts, Cpu, Failed, Peak, family_cpu_seconds, private_bytes
from subjects import LOAD, Helper

MEGABYTE = 10**6
GIGABYTE = 10**9
# Bytes a second that the slow reader takes.
SLOW = 100 * MEGABYTE
# Bytes a second of a gigabit network; the service itself gives an account 800 kB a second.
LINE_RATE = 118 * MEGABYTE
# How the service may cut the tunnel's bytes into frames; nobody knows how the real one does. Arguments of the stand-in's
# command `split`; None: every frame goes on as it came.
AS_THEY_CAME = "as they came"
SHAPES = {
    AS_THEY_CAME: None,
    "split into 1 KiB": {"size": 1024},
    "joined to 128 KiB": {"size": 131_076, "hold_ms": 1},
}
DIRECTIONS = ("up", "down")
STARTS = 5
RECONNECTS = 10
# So that the delays, which double, stay short.
QUICK_RETRY = {"websocket": {"retry_delay_ms": 1}}


def client(*arguments):
    """One run of bench-load as a client: what it found."""
    done = subprocess.run([str(word) for word in (LOAD, *arguments)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"bench-load {' '.join(map(str, arguments))} ended with status {done.returncode}")
    return json.loads(done.stdout)


def bulk(port, direction, size, connections=1, checked=False, rate=0):
    return client("bulk", port, direction, size, connections, "checked" if checked else "unchecked", rate)


def whole(port, direction, size, rate=0):
    """One transfer that must not break."""
    result = bulk(port, direction, size, rate=rate)
    if result["intact"] != 1:
        raise Failed("the transfer broke")
    return result


class Beside:
    """Bulk transfers that go on until it is left; all together `pace` bytes a second, 0: as many as can be."""

    def __init__(self, port, direction, connections, pace):
        self._command = [LOAD, "beside", port, direction, connections, pace // connections]
        self._connections = connections

    def __enter__(self):
        self._helper = Helper(self._command)
        time.sleep(0.3)  # until it is at full speed

    def __exit__(self, kind, *_):
        said = json.loads(self._helper.stop())
        if kind is None and said["broken"] != 0:
            raise Failed(f"{said['broken']} of {self._connections} transfers beside it broke")


def sender_of(direction):
    """Which end encrypts, and which decrypts."""
    return ("near", "far") if direction == "up" else ("far", "near")


def label(direction, shape):
    return direction if shape == AS_THEY_CAME else f"{direction}, frames {shape}"


def transfer(subject, direction, size, shape=AS_THEY_CAME):
    """One connection, as fast as it goes."""
    how = label(direction, shape)
    with subject.shaped(SHAPES[shape]), Cpu(subject.ends) as cpu:
        seconds = whole(subject.port, direction, size)["seconds"]
    figures = {f"{how} MB/s": size / MEGABYTE / seconds}
    if not subject.pids():
        return figures
    a_gigabyte = GIGABYTE / size
    sending, receiving = sender_of(direction)
    for end, does in ((sending, "sending"), (receiving, "receiving")):
        figures[f"{does} end, CPU s/GB ({how})"] = cpu.of(end) * a_gigabyte
        for role, spent in cpu.spent[end].items():
            figures[f"{does} {role}, CPU s/GB ({how})"] = spent * a_gigabyte
    figures[f"both ends, CPU s/GB ({how})"] = (cpu.of("near") + cpu.of("far")) * a_gigabyte
    if "relay" in cpu.spent:
        figures[f"the stand-in service, CPU s/GB ({how})"] = cpu.of("relay") * a_gigabyte
        figures[f"the stand-in service, share of a core ({how})"] = cpu.of("relay") / seconds
    return figures


def calls(subject, direction, size, shape=AS_THEY_CAME):
    """Transfers of their own: counting costs."""
    figures = {}
    how = label(direction, shape)
    sending, receiving = sender_of(direction)
    for end, does in ((sending, "sending"), (receiving, "receiving")):
        with subject.shaped(SHAPES[shape]), Counts(subject.pids(end)) as counts:
            whole(subject.port, direction, size)
        for name, count, per in (("system calls/MB", counts.system_calls, MEGABYTE),
                                 ("instructions/byte", counts.instructions, 1)):
            if count is not None:
                figures[f"{does} end, {name} ({how})"] = count * per / size
    return figures


def idle_memory(subject):
    """Private memory of both ends."""
    idle = {pid: private_bytes(pid) for pid in subject.pids()}
    if None in idle.values():
        return {"near end, idle private kB": None}
    figures = {}
    for end in ("near", "far"):
        for role, pid in subject.ends[end].items():
            figures[f"{end} {role}, idle private kB"] = idle[pid] / 1000
        figures[f"{end} end, idle private kB"] = sum(idle[pid] for pid in subject.pids(end)) / 1000
    return figures


def memory_growth(subject, size):
    """What is added while a slow reader takes `size` bytes each way."""
    idle = {pid: private_bytes(pid) for pid in subject.pids()}
    if None in idle.values():
        return {}
    figures = {}
    for direction in DIRECTIONS:
        with Peak(subject.pids()) as peak:
            whole(subject.port, direction, size, rate=SLOW)
        for end in ("near", "far"):
            for role, pid in subject.ends[end].items():
                figures[f"{end} {role}, peak private kB ({direction})"] = peak.bytes[pid] / 1000
            growth = sum(peak.bytes[pid] - idle[pid] for pid in subject.pids(end))
            figures[f"{end} end, growth of private kB, slow reader ({direction})"] = growth / 1000
    return figures


def echo(subject, size, seconds, name):
    result = client("echo", subject.port, size, seconds)
    if result["broken"]:
        raise Failed(f"the connection broke after {result['count']} round trips")
    return {f"{name}, us p50": result["us"]["50"], f"{name}, us p99": result["us"]["99"],
            f"{name}, us by percent": result["us"]}


def round_trip(subject, size, seconds):
    """On an idle tunnel."""
    return echo(subject, size, seconds, "64 B round trip" if size == 64 else "1 KiB round trip")


def round_trip_beside(subject, size, seconds, connections, direction, pace):
    """Beside transfers through the same tunnel: at the pace of a gigabit network, or, with pace 0, at the most that this
    machine's processors can do, where every process waits for its turn on them."""
    speed = "at 1 Gbit/s" if pace else "at full speed"
    with Beside(subject.port, direction, connections, pace):
        name = "64 B round trip" if size == 64 else "1 KiB round trip"
        return echo(subject, size, seconds, f"{name} beside {connections} bulk {direction} {speed}")


def connections(subject, seconds, at_once):
    name = "in sequence" if at_once == 1 else f"{at_once} at a time"
    result = client("connect", subject.port, seconds, at_once)
    return {f"connections/s {name}": result["per_second"],
            f"connections/s {name}, first quarter": result["first_quarter"],
            f"connections/s {name}, last quarter": result["last_quarter"],
            f"connections {name}, failed": result["failed"]}


def parallel(subject, direction):
    """128 connections at once, 2 MB each, every byte compared."""
    return {f"intact of 128 x 2 MB ({direction})":
            bulk(subject.port, direction, 2 * MEGABYTE, 128, checked=True)["intact"]}


def starts(subject):
    """From the start of the near end until it listens, and the CPU that it takes; several times anew."""
    seconds = []
    spent = 0.0
    for _ in range(STARTS):
        other = type(subject)(subject.lab, subject.target)
        seconds.append(other.start_seconds)
        # The first is the parent of all others.
        spent += family_cpu_seconds(other.pids("near")[0])
        other.stop()
    return {"start to listening, ms": statistics.median(seconds) * 1000,
            "start of the near end, CPU ms": spent * 1000 / STARTS}


def reconnect(subject):
    """All CPU of the near end while the service ends its connection again and again."""
    other = type(subject)(subject.lab, subject.target, settings=QUICK_RETRY)
    try:
        pid = other.ends["near"]["monitor"]
        before = family_cpu_seconds(pid)
        for _ in range(RECONNECTS):
            other.reconnect("source")
            until(other.answers, "the tunnel carries again")
        spent = family_cpu_seconds(pid) - before
    except (AssertionError, RuntimeError) as error:
        raise Failed(f"{error}") from error
    finally:
        other.stop()
    return {"reconnect of the near end, CPU ms": spent * 1000 / RECONNECTS}
