"""Standard error and standard output of every kind, at every level: neither a write to them nor a reader that does not
read ends or stops a proxy."""

import os
import re
import signal
import socket
import termios

import pytest
from harness import outputs, peer, starters
from harness.lab import free_ports, is_root
from harness.outputs import KINDS
from harness.ports import free_port
from harness.wait import until

LEVELS = range(7)
FATAL, ERROR = 1, 2
TIMEOUT = 60
LINE = re.compile(r"(\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\] \[[a-z]+\] .*\n)*")
USERS = ["the same user", "an ordinary user"]


@pytest.fixture(params=USERS)
def user(request, lab):
    """Options for the user that starts it. An ordinary user may not reopen what root has made."""
    if request.param == USERS[0]:
        return {}
    if not is_root():
        pytest.skip("only root can start it as another user")
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
    """A source of each level, which connects, loses its tunnel, logs that, and connects again."""
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
    lab.may_breach = True  # a message that breaks the protocol is injected
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
            assert ("Invalid access token: no such thing" in text) == (level >= FATAL), f"level {level}: {text}"


# ---- without a reader ----

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
    """The next connection that sends something, not one that only probed the port."""
    while True:
        connection, _ = server.accept()
        connection.settimeout(TIMEOUT)
        if connection.recv(1) == b"x":
            return connection
        connection.close()


@pytest.mark.parametrize("kind", ["pipe", "terminal", "stream socket", "datagram socket"])
def test_a_proxy_whose_log_is_not_read_goes_on(lab, kind, user):
    error = KINDS[kind](lab, read=False)
    source = busy_source(lab, error, 420, **user)
    source.signal(signal.SIGTERM)
    assert source.wait(TIMEOUT) == 0
    assert error.has_its_flags()


def test_a_stopped_terminal_stops_no_proxy(lab, user):
    """The terminal was stopped with Ctrl-S."""
    error = outputs.terminal(lab)
    termios.tcflow(error.fd, termios.TCOOFF)
    source = busy_source(lab, error, 20, **user)
    source.signal(signal.SIGTERM)
    assert source.wait(TIMEOUT) == 0


def test_queued_lines_are_read_later(lab, user):
    error = outputs.full_pipe(lab)
    source = busy_source(lab, error, 20, **user)
    error.read()
    # Without another line.
    until(lambda: error.so_far.count("Accepted tcp connection") >= 20, "all lines have come", TIMEOUT)
    source.signal(signal.SIGTERM)
    assert source.wait(TIMEOUT) == 0
    assert "dropped" not in error.text()


# ---- what is printed ----

TABLE = r"\s+monitor +launch +net +bridge +resolve\nuser id .*\n(.*\n)+system call filter .*\n"
PRINT_FAILS = {"/dev/full": "No space left on device", "closed": "Bad file descriptor",
               "pipe without a reader": "Broken pipe"}
REPORT = ["--sandbox-report", "-s", "5555", "-r", "eu-west-1"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [REPORT, ["--help"]], ids=["sandbox report", "help"])
def test_standard_output_of_every_kind(lab, kind, arguments, user):
    out, error = KINDS[kind](lab), outputs.pipe(lab)
    proxy = lab.proxy(arguments, stderr=error.fd, **given(out, 1), **user)
    if kind == "full pipe":
        # The output has to wait for its reader.
        out.read()
    assert proxy.wait(TIMEOUT) == (71 if kind in PRINT_FAILS else 0)
    said = error.text()
    if kind in PRINT_FAILS:
        assert re.fullmatch(rf"\[\S+Z\] \[fatal\] standard output: .*{PRINT_FAILS[kind]}\n", said)
    elif (text := out.text()) is not None:
        assert said == ""
        assert re.search(TABLE if arguments is REPORT else r"(?m)^Usage: ", text)


# ---- the first lines ----

@pytest.mark.parametrize(("arguments", "text"), [
    (["--nonsense"], "--nonsense"),
    (["-s", "5555", "-r", "eu-west-1", "--access-token-file", "/nonexistent"], "/nonexistent"),
    (["-s", "5555", "-r", "eu-west-1"], "the option '--access-token' is required but missing"),
])
@pytest.mark.parametrize("journal", [True, False])
def test_usage_errors_have_their_priority_in_the_journal(lab, arguments, text, journal):
    error = outputs.stream_socket(lab)
    status = os.fstat(error.fd)
    stream = f"{status.st_dev}:{status.st_ino}" if journal else "1:1"
    proxy = lab.proxy(arguments, stderr=error.fd, environment={"JOURNAL_STREAM": stream})
    assert proxy.wait(TIMEOUT) == 1
    front = "<3>" if journal else ""
    why, try_help = error.text().splitlines()
    assert why.startswith(front) and text in why
    assert try_help == front + "Try 'localproxy --help' for a list of options."
