"""How costs grow with the number of connections, of services and with the size of a message; and what a host that
runs many tunnels needs."""

import contextlib
import os
import time

from figures import GIGABYTE, MEGABYTE, bulk, client
from harness.ports import free_port
from harness.wait import until
from measure import Cpu, Failed, descriptors, family_cpu_seconds, private_bytes
from subjects import LOAD, START_SECONDS, Helper, Proxies, Subject, listens, roles_of

CONNECTIONS = (1, 10, 100, 1000)
SERVICES = (1, 2, 4, 8, 16, 32)
MESSAGES = (64, 1024, 16 * 1024, 64 * 1024, 256 * 1024)
RAISED = {"tcp": {"max_active_connections": 2000}}
# Tunnels of a host that are on their way up at the same time.
STARTS_AT_ONCE = 32
COMPLETE = {"monitor", "launch", "net", "bridge"}
# Seconds that something idle is watched, or round trips are made.
WATCHED = 5
ROUND_TRIPS = 2


@contextlib.contextmanager
def running(subject):
    try:
        yield subject
    finally:
        subject.stop()


@contextlib.contextmanager
def idle_connections(port, count):
    helper = Helper([LOAD, "idle", port, count])
    try:
        yield
    finally:
        helper.stop()


def memory_of(subject):
    return sum(private_bytes(pid) or 0 for pid in subject.pids("near"))


def ends_cpu(cpu, per=1.0):
    return [sum(cpu.of(end) for end in ("near", "far")) * per]


def by_connections(lab, target, size):
    """`size` bytes in all, over so many connections; then as many that are idle."""
    rows = [["connections", "MB/s", "both ends, CPU s/GB", "intact", "idle: near end, private kB more", "kB each",
             "idle: both ends, CPU ms/s"]]
    for count in CONNECTIONS:
        with running(Proxies(lab, target, settings=RAISED)) as subject:
            with Cpu(subject.ends) as cpu:
                result = bulk(subject.port, "down", size // count, count, checked=True)
            moved = [size / MEGABYTE / result["seconds"], *ends_cpu(cpu, GIGABYTE / size), f"{result['intact']}"]
        with running(Proxies(lab, target, settings=RAISED)) as subject:
            before = memory_of(subject)
            with idle_connections(subject.port, count):
                more = (memory_of(subject) - before) / 1000
                with Cpu(subject.ends) as cpu:
                    time.sleep(WATCHED)
            rows.append([f"{count}", *moved, more, more / count, *ends_cpu(cpu, 1000 / WATCHED)])
    return rows


def by_services(lab, target, size):
    rows = [["services", "MB/s", "both ends, CPU s/GB", "start to listening, ms", "near end, idle private kB"]]
    for count in SERVICES:
        with running(Proxies(lab, target, services=count)) as subject:
            memory = memory_of(subject) / 1000
            # Through the last one: whoever looks for a service in a list finds it last.
            with Cpu(subject.ends) as cpu:
                result = bulk(subject.ports[-1], "down", size)
            rows.append([f"{count}", size / MEGABYTE / result["seconds"], *ends_cpu(cpu, GIGABYTE / size),
                         subject.start_seconds * 1000, memory])
    return rows


def by_message(lab, target):
    """There and back, one after the other."""
    rows = [["bytes of a message", "round trip, us p50", "both ends, CPU us a round trip", "CPU ns/byte"]]
    with running(Proxies(lab, target)) as subject:
        for size in MESSAGES:
            with Cpu(subject.ends) as cpu:
                result = client("echo", subject.port, size, ROUND_TRIPS)
            cost = ends_cpu(cpu, 1e6 / result["count"])[0]
            rows.append([f"{size}", result["us"]["50"], cost, cost * 1000 / size])
    return rows


def tables(lab, target, size):
    return {
        f"Connections: a download of {size // MEGABYTE} MB in all; then idle ones": by_connections(lab, target, size),
        f"Services: a download of {size // MEGABYTE} MB through the last": by_services(lab, target, size),
        "Size of a message": by_message(lab, target),
    }


class Sources(Subject):
    """So many sources of as many tunnels of one service, on one host. ends: tunnel -> {role: pid}; start_seconds: until
    all of them listen and are in their sandboxes. others_seconds: CPU of this program and the service in that time."""

    name = "sources"

    def __init__(self, lab, count):
        super().__init__(lab, 0)
        self._names = [f"t{number}" for number in range(count)]
        self._service = lab.service({name: ["S"] for name in self._names})
        self._arguments = ["-e", f"localhost:{self._service.port}", "-c", lab.ca_directory(self._service)]
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        began = time.monotonic()
        others = {"others": {"bench": os.getpid(), "service": self._service.pid}}
        with Cpu(others) as cpu:
            self._start_all()
        self.start_seconds = time.monotonic() - began
        self.others_seconds = cpu.of("others")

    def _start_all(self):
        started = {}
        waiting = {}  # pid -> port
        for name in self._names:
            port = free_port()
            started[name] = self.run([Proxies.program, "-s", f"S={port}", *self._arguments],
                                     env={"AWSIOT_TUNNEL_ACCESS_TOKEN": self._service.token(name, "source")})
            waiting[started[name]] = port
            self._wait(waiting, STARTS_AT_ONCE - 1)
        self._wait(waiting, 0)
        self.ends = {}
        for name, pid in started.items():
            until(lambda pid=pid: roles_of(pid).keys() == COMPLETE, f"{name} is complete")
            self.ends[name] = roles_of(pid)

    def _wait(self, waiting, most):
        """Until at most so many do not listen yet."""
        deadline = time.monotonic() + START_SECONDS
        while len(waiting) > most:
            for pid in [pid for pid, port in waiting.items() if listens(port)]:
                del waiting[pid]
            if time.monotonic() > deadline:
                raise Failed(f"{len(waiting)} sources do not listen")
            time.sleep(0.001)


def many_tunnels(lab, count):
    """What `count` idle sources on one host need: a table, and the figures for the budgets."""
    sources = Sources(lab, count)
    try:
        roles = sorted({role for pids in sources.ends.values() for role in pids})
        rows = [["process", "private kB each", "descriptors each", "CPU ms/s, all"]]
        with Cpu(sources.ends) as cpu:
            time.sleep(WATCHED)
        for role in roles:
            pids = [pids[role] for pids in sources.ends.values() if role in pids]
            spent = sum(ends.get(role, 0) for ends in cpu.spent.values())
            rows.append([role, sum(private_bytes(pid) or 0 for pid in pids) / 1000 / len(pids),
                         sum(map(descriptors, pids)) / len(pids), spent * 1000 / WATCHED])
        rows.append(["a tunnel", *(sum(row[column] for row in rows[1:]) for column in (1, 2, 3))])
        starts = sum(family_cpu_seconds(pids["monitor"]) for pids in sources.ends.values()) * 1000 / count
        title = (f"{count} tunnels on one host, idle; started {STARTS_AT_ONCE} at a time in "
                 f"{sources.start_seconds:.1f} s: {starts:.1f} ms of CPU each, and {sources.others_seconds:.1f} s of the "
                 "benchmark and the service")
        found = {"1,000 idle tunnels, private GB": rows[-1][1] / 1000,
                 "1,000 tunnels, start, s": sources.start_seconds * 1000 / count}
        return {title: rows}, found
    finally:
        sources.stop()
