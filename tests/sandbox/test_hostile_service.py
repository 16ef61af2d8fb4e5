"""A service that floods its client: the log stays small, and the end has a name."""

import contextlib
import re
import signal
import time

from harness import peer
from harness.lab import READY
from harness.ports import free_port

# base/limits.h: kLogLinesAtOnce, kLogLinesPerSecond.
LINES_AT_ONCE, LINES_PER_SECOND = 2_000, 50
# Messages of one frame, and the most bytes of one.
BATCH = 1_500
FRAME = 131_000


def test_refusals_do_not_fill_the_log(lab):
    lab.may_breach = True  # the service sends what no service sends
    service = lab.service({"t1": ["A"]})
    proxy = lab.destination(service, "t1", {"A": f"127.0.0.1:{free_port()}"})
    service.wait_connected("t1", "destination")
    began = time.monotonic()
    for batch in range(10):
        peer.inject(service, "t1", "destination", *(peer.message("STREAM_START", 1, f"service-{batch}-{number}", 1)
                                                    for number in range(BATCH)))
    # By the monitor, or by net when the monitor is behind.
    proxy.wait_log("too many lines at once|log lines were dropped", 60)
    proxy.counters()
    written = len(re.findall("this tunnel has no such service", proxy.log))
    assert written <= LINES_AT_ONCE + LINES_PER_SECOND * (time.monotonic() - began)
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0


def test_a_flood_of_starts_and_resets_is_a_breach_with_a_name(lab):
    """It used to fill net's queue of messages to the bridge, and net then ended with status 0."""
    lab.may_breach = True
    service = lab.service({"t1": ["A"]})
    proxy = lab.destination(service, "t1", {"A": f"127.0.0.1:{free_port()}"})
    proxy.wait_log(READY)
    mark = proxy.mark()
    pair = peer.framed(peer.message("STREAM_START", 7), peer.message("STREAM_RESET", 7))
    with contextlib.suppress(RuntimeError):  # when it has left
        for _ in range(20):
            service.control("inject", tunnel="t1", side="destination", hex=(pair * (FRAME // len(pair))).hex())
    proxy.wait_log(r"\] net: the other end opens more than 5,000 connections a second", 60, mark)
    # The next try gets a fresh net.
    proxy.wait_log(READY, 60, mark)
    assert not proxy.find_log("net process ended with status")


def test_what_the_service_says_does_not_look_like_a_line_of_the_monitor(lab):
    service = lab.service({"t1": ["A"]})
    proxy = lab.destination(service, "t1", {"A": free_port()})
    service.wait_connected("t1", "destination")
    service.control("kick", tunnel="t1", side="destination", code=1000, reason="[info] all is \n well\u202e")
    assert proxy.wait() == 0
    line = next(line for line in proxy.lines if "all is" in line)
    assert line.endswith(r"] net: the service closed the tunnel: code 1000 ([info] all is \x0a well\xe2\x80\xae)"), line
