"""A reader that stops for a minute: what waits for it is bounded, and everything arrives after it resumes."""

import hashlib
import os
import signal
import socket
import threading
import time

import pytest
from harness import processes
from harness.lab import is_root
from harness.marks import not_with_sanitizers
from harness.wait import until

MEGABYTE = 1024 * 1024
# Offered through each tunnel: far more than all queues on the path can hold.
OFFERED = 256 * MEGABYTE
BLOCK = 256 * 1024
STOPPED = 60
# The private memory of all processes of a proxy may grow by this much.
GROWTH = 8 * MEGABYTE


def private(pids):
    return sum(map(processes.private_memory, pids))


def pids_of(proxy):
    return [pid for pids in proxy.processes().values() for pid in pids]


class Flow:
    """OFFERED bytes through a tunnel, from a writer to a reader that can be stopped."""

    def __init__(self, writer, reader):
        self.sent = 0
        self.got = 0
        self._may_read = threading.Event()
        self._may_read.set()
        self._writer, self._reader = writer, reader
        self._digests = [hashlib.sha256(), hashlib.sha256()]
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def _write(self):
        content = os.urandom(BLOCK)
        while self.sent < OFFERED:
            self._writer.sendall(content)
            self._digests[0].update(content)
            self.sent += len(content)

    def _read(self):
        while self.got < OFFERED:
            self._may_read.wait()
            piece = self._reader.recv(MEGABYTE)
            if not piece:
                return
            self._digests[1].update(piece)
            self.got += len(piece)

    def read(self, on):
        (self._may_read.set if on else self._may_read.clear)()

    def is_done(self):
        return not any(thread.is_alive() for thread in self._threads)

    def is_intact(self):
        return self.got == OFFERED and self._digests[0].digest() == self._digests[1].digest()


class Stop:
    """One of the four places where reading stops. observed: the proxies whose memory is measured."""

    def __init__(self, lab, where):
        self.where = where
        listener = lab.use_socket(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(20)
        self.tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"},
                                 settings={"tcp": {"stall_timeout_ms": 0}})
        # A proxy that is stopped sends no pings, and the service would cut it after a minute.
        self.tunnel.service.control("idle", ms=10 * STOPPED * 1000)
        client = lab.use_socket(socket.create_connection(("127.0.0.1", self.tunnel.ports["APP"]), timeout=20))
        server = lab.use_socket(listener.accept()[0])
        for end in (client, server):
            end.settimeout(STOPPED + 120)
        self.flow = Flow(server, client) if where == "local client" else Flow(client, server)
        both = [self.tunnel.source, self.tunnel.destination]
        self.observed = [self.tunnel.source] if where == "peer" else both
        self.before = {proxy: private(pids_of(proxy)) for proxy in self.observed}

    def set_going(self, on):
        if self.where == "peer":
            for pid in pids_of(self.tunnel.destination):
                os.kill(pid, signal.SIGCONT if on else signal.SIGSTOP)
        elif self.where == "service":
            self.tunnel.service.control("resume" if on else "pause", tunnel="t1", side="source")
        else:
            self.flow.read(on)

    def check_memory(self):
        for proxy in self.observed:
            growth = private(pids_of(proxy)) - self.before[proxy]
            assert growth < GROWTH, f"{self.where}: {proxy.name} grew by {growth} bytes"


@pytest.mark.skipif(not is_root(), reason="only root may look at the memory of these processes")
@not_with_sanitizers("AddressSanitizer keeps memory that was freed")
def test_a_reader_that_stops_for_a_minute(lab):
    stops = [Stop(lab, where) for where in ("local client", "local service", "peer", "service")]
    for stop in stops:
        stop.flow.start()
        until(lambda s=stop: s.flow.got > MEGABYTE, f"{stop.where}: bytes flow")
        stop.set_going(False)
    end = time.monotonic() + STOPPED

    def minute_is_over():
        for stop in stops:
            stop.check_memory()
        return time.monotonic() >= end

    until(minute_is_over, "a minute has passed", STOPPED + 60)
    for stop in stops:
        assert stop.flow.sent < OFFERED, f"{stop.where}: everything was taken although nothing read it"
        stop.set_going(True)

    def all_done():
        for stop in stops:
            stop.check_memory()
        return all(stop.flow.is_done() for stop in stops)

    until(all_done, "everything has arrived", 90)
    for stop in stops:
        assert stop.flow.is_intact(), f"{stop.where}: {stop.flow.got} of {stop.flow.sent} bytes arrived"
