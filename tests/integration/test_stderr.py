"""Standard error, and standard output, of every kind and at every level: nothing that is written there, and nobody who
does not read it, ends or stops a proxy."""

import os
import re
import signal
import socket
import subprocess

import pytest
from harness import outputs, peer, starters, tracing
from harness.lab import free_ports, is_root
from harness.outputs import KINDS
from harness.paths import LOCALPROXY
from harness.ports import free_port
from harness.wait import until

LEVELS = range(7)
ERROR = 2
TIMEOUT = 60
LINE = re.compile(r"(\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\] \[[a-z]+\] .*\n)*")
DROPPED = re.compile(r"\[warning\] (\d+) log lines? (?:was|were) dropped: (.*)")
USERS = ["the same user", "an ordinary user"]


@pytest.fixture(params=USERS)
def user(request, lab):
    """Options for who starts it. What root has made, an ordinary user may not open again."""
    if request.param == USERS[0]:
        return {}
    if not is_root():
        pytest.skip("only root can start it as somebody else")
    return {"user": "nobody", "program": lab.programs() / "localproxy"}


def given(output, number):
    """Options for a proxy with this standard output (1) or standard error (2)."""
    if output is None:
        return {"inside": starters.shell(f'exec "$@" {number}>&-')}
    return {"stdout" if number == 1 else "stderr": output.fd}


def tunnels():
    return {f"t{level}": ["APP"] for level in LEVELS}


def is_reconnected(service):
    return service.status()["handshakes"]["accepted"] == 2 * len(LEVELS)


def start_sources(lab, service, kind, user):
    """A source of each level, which connects, loses its tunnel, says so, and connects again."""
    errors = [KINDS[kind](lab) for _ in LEVELS]
    proxies = [lab.source(service, f"t{level}", free_ports(["APP"]), level, **given(errors[level], 2), **user)
               for level in LEVELS]
    for level in LEVELS:
        service.wait_connected(f"t{level}", "source", TIMEOUT)
    for level in LEVELS:
        service.control("kick", tunnel=f"t{level}", side="source", how="rst")
    until(lambda: is_reconnected(service), "all are connected again", TIMEOUT)
    return errors, proxies


def start_destinations(lab, service, kind, user):
    """A destination of each level, whose service does not answer."""
    errors = [KINDS[kind](lab) for _ in LEVELS]
    proxies = [lab.destination(service, f"t{level}", {"APP": free_port()}, level, **given(errors[level], 2), **user,
                               settings={"tcp": {"connection_retry_count": 1, "connection_retry_delay_ms": 1}})
               for level in LEVELS]
    for level in LEVELS:
        service.wait_connected(f"t{level}", "destination", TIMEOUT)
        peer.inject(service, f"t{level}", "destination", peer.message("STREAM_START", 1, "APP", 1))
    for level in LEVELS:
        service.control("wait", tunnel=f"t{level}", side="destination", messages=1, timeout_ms=TIMEOUT * 1000)
    return errors, proxies


@pytest.mark.parametrize("start", [start_sources, start_destinations], ids=["source", "destination"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_at_every_level(lab, kind, start, user):
    lab.may_breach = True  # the service says what no source has asked for
    errors, proxies = start(lab, lab.service(tunnels()), kind, user)
    for proxy in proxies:
        proxy.signal(signal.SIGTERM)
    assert [proxy.wait(TIMEOUT) for proxy in proxies] == [0 for _ in LEVELS]
    for level, error in enumerate(errors):
        if error is None:
            continue
        assert kind == "file" or error.has_its_flags()
        if (text := error.text()) is None:
            continue
        assert LINE.fullmatch(text), text
        assert "dropped" not in text
        assert ("[error]" in text) == (level >= ERROR), f"level {level}: {text}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_token_ends_every_level_with_77(lab, kind, user):
    service = lab.service(tunnels())
    service.control("fault", kind="status", status=403, body="Invalid access token: no such thing", next=len(LEVELS))
    errors = [KINDS[kind](lab) for _ in LEVELS]
    proxies = [lab.source(service, f"t{level}", free_ports(["APP"]), level, **given(errors[level], 2), **user)
               for level in LEVELS]
    assert [proxy.wait(TIMEOUT) for proxy in proxies] == [77 for _ in LEVELS]
    for level, error in enumerate(errors):
        if error is not None and (text := error.text()) is not None:
            assert ("Invalid access token: no such thing" in text) == (level >= ERROR), f"level {level}: {text}"


# ---- nobody reads ----

def busy_source(lab, error, count, **options):
    """A source that logs everything, and `count` connections through it, each of which carried something."""
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        target = {"APP": f"127.0.0.1:{server.getsockname()[1]}"}
        lab.destination(service, "t1", target, 1)
        source = lab.source(service, "t1", ports, 6, **given(error, 2), **options)
        for side in ("source", "destination"):
            service.wait_connected("t1", side, TIMEOUT)
        until(lambda: accepts(ports["APP"]), "the source listens", TIMEOUT)
        server.settimeout(TIMEOUT)
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", ports["APP"]), timeout=TIMEOUT) as client:
                client.sendall(b"x")
                with accept(server) as other:
                    other.sendall(b"y")
                assert client.recv(1) == b"y"
    return source


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def accept(server):
    """The next connection of which something comes: not one that only looked whether somebody listens."""
    while True:
        connection, _ = server.accept()
        connection.settimeout(TIMEOUT)
        if connection.recv(1) == b"x":
            return connection
        connection.close()


@pytest.mark.parametrize("kind", ["pipe", "terminal", "stream socket", "datagram socket"])
def test_a_proxy_whose_log_nobody_reads_goes_on(lab, kind, user):
    error = KINDS[kind](lab, read=False)
    source = busy_source(lab, error, 420, **user)
    source.signal(signal.SIGTERM)
    assert source.wait(TIMEOUT) == 0
    assert error.has_its_flags()
