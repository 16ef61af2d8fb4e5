"""Signals at inconvenient moments: during the start, a lookup, a connect, an upgrade, a wait."""

import contextlib
import os
import signal
import time

import pytest
from harness.dns_server import DnsServer
from harness.lab import READY, free_ports
from harness.ports import free_port
from harness.processes import is_alive
from harness.wait import until

BACK = 30
STOPS = [signal.SIGTERM, signal.SIGINT]


def name_of(number):
    return number.name


def waiting_for_input(lab):
    """A proxy that has just started and waits for its configuration; and the FIFO that it reads it from."""
    fifo = lab.directory / "configuration"
    os.mkfifo(fifo)
    fifo.chmod(0o644)
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), more=["--config", fifo])
    writer = os.open(fifo, os.O_WRONLY)  # returns when the proxy has opened the other end
    return source, writer


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1], ids=name_of)
def test_a_signal_during_the_start_is_not_the_end(lab, number):
    source, writer = waiting_for_input(lab)
    for _ in range(3):
        source.signal(number)
    os.write(writer, b"verbose = 5\n")
    os.close(writer)
    source.wait_log(READY)


@pytest.mark.parametrize("number", STOPS, ids=name_of)
def test_the_start_can_be_ended(lab, number):
    source, writer = waiting_for_input(lab)
    source.signal(number)
    assert source.wait(5) in (0, -number)
    os.close(writer)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, *STOPS], ids=name_of)
def test_many_signals_from_the_first_line_on(lab, number):
    """Signals arrive every few steps of the start."""
    service = lab.service({"t1": ["APP"]})
    proxy = lab.source(service, "t1", free_ports(["APP"]))
    proxy.wait_log("Starting proxy in source mode")
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline and proxy.process.poll() is None:
        proxy.signal(number)
        # Gives the program a moment between two signals.
        with contextlib.suppress(AssertionError):
            proxy.wait_log("the moment does not come", 0.002, proxy.mark())
    if number in STOPS:
        assert proxy.wait(5) in (0, -number)
    else:
        proxy.wait_log(READY, BACK)




def resolving(lab, namespace):
    net = namespace(resolver="options timeout:10 attempts:1")
    dns = lab.use(net.run(DnsServer, {}, how="silence"))
    proxy = lab.proxy(["-s", free_port(), "-e", "tunnel.test:443", "-v", 5], token="unused", inside=net)
    proxy.wait_log("Attempting")
    until(lambda: dns.queries, "the name is asked for")
    return proxy


def dialling(lab, namespace):
    net = namespace()
    net.add_address("10.9.0.1/24")
    net.add_black_hole("10.9.0.9")
    proxy = lab.proxy(["-s", free_port(), "-e", "10.9.0.9:443", "-v", 5], token="unused", inside=net)
    proxy.wait_log("Resolved proxy server IP")
    return proxy


def negotiating(lab, _):
    service = lab.service({"t1": ["APP"]})
    service.control("fault", kind="hang", next=3)
    proxy = lab.source(service, "t1", free_ports(["APP"]))
    proxy.wait_log("Successfully completed SSL handshake")
    return proxy


def waiting(lab, _):
    proxy = lab.proxy(["-s", free_port(), "-e", f"127.0.0.1:{free_port()}", "-v", 5,
                       *lab.settings(websocket={"retry_delay_ms": 60_000})], token="unused")
    proxy.wait_log("next try to connect in")
    return proxy


MOMENTS = [resolving, dialling, negotiating, waiting]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("number", STOPS, ids=name_of)
def test_a_stop_while(lab, namespace, moment, number):
    proxy = moment(lab, namespace)
    before = [pid for pids in proxy.processes().values() for pid in pids]
    proxy.signal(number)
    assert proxy.wait(5) == 0
    until(lambda: not any(is_alive(pid) for pid in before), "all processes are gone")


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_other_signals_while(lab, namespace, moment):
    proxy = moment(lab, namespace)
    for _ in range(2):
        assert proxy.counters() == [0, 0, 0, 0]
        mark = proxy.mark()
        proxy.signal(signal.SIGHUP)
        proxy.wait_log("reconnecting", since=mark)
        if moment in (waiting, negotiating):
            proxy.wait_log("Attempting", since=mark)
            proxy.wait_log("Successfully completed SSL|next try to connect", since=mark)
    assert proxy.counters() == [0, 0, 0, 0]
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(5) == 0
