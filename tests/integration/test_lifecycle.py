"""Signals: what each does, and that none does harm at any moment."""

import contextlib
import os
import re
import signal
import socket
import threading

import pytest
from harness.lab import READY, free_ports
from harness.processes import is_alive
from harness.relay import Relay
from harness.sockets import MEGABYTE, ended_without_a_byte, fill, receive_exactly
from harness.streams import exchange_all
from harness.wait import until

BACK = 30
STOPS = [signal.SIGTERM, signal.SIGINT]
# The time that a stop may take: the drain, the answer to the close frame, and some slack.
DRAINED = 15


@pytest.fixture
def tunnel(lab, stream_server):
    return lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})


def name_of(number):
    return number.name


# ---- SIGTERM, SIGINT ----

class Line:
    """A connection through a tunnel: client, at the source, and server, at the destination."""

    def __init__(self, lab, stack):
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        self.client = stack.enter_context(
            socket.create_connection(("127.0.0.1", self.tunnel.ports["APP"]), timeout=DRAINED))
        listener.settimeout(20)
        self.server = stack.enter_context(listener.accept()[0])
        self.server.settimeout(DRAINED)


@pytest.fixture
def line(lab):
    with contextlib.ExitStack() as stack:
        yield Line(lab, stack)


@pytest.mark.parametrize("number", STOPS, ids=name_of)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_accepted_bytes_are_delivered(line, side, number):
    """Whichever side ends, and however its bytes reached it."""
    content = os.urandom(4 * MEGABYTE)
    sender, receiver = (line.client, line.server) if side == "source" else (line.server, line.client)
    sender.setblocking(False)
    sent = sender.send(content)
    sender.close()
    proxy = getattr(line.tunnel, side)
    proxy.signal(number)
    assert receive_exactly(receiver, sent) == content[:sent]
    assert receiver.recv(1) == b""
    receiver.close()
    assert proxy.wait() == 0


def endless(connection, stop):
    """Sends forever; returns why it could not."""
    with contextlib.suppress(TimeoutError):
        try:
            while not stop.is_set():
                connection.sendall(bytes(MEGABYTE))
        except OSError as error:
            return error
    return None


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("direction", ["from it", "to it"])
def test_a_cut_transfer_does_not_look_complete(line, side, direction):
    """The local program of the side that stops must not mistake half a file for a whole one."""
    local, far = (line.client, line.server) if side == "source" else (line.server, line.client)
    sender, receiver = (local, far) if direction == "from it" else (far, local)
    stop = threading.Event()
    failures = []
    sending = threading.Thread(target=lambda: failures.append(endless(sender, stop)))
    sending.start()
    receive_exactly(receiver, MEGABYTE)
    proxy = getattr(line.tunnel, side)
    proxy.signal(signal.SIGTERM)
    try:
        if direction == "to it":
            with pytest.raises(ConnectionResetError):
                while local.recv(MEGABYTE):
                    pass
                pytest.fail("the end looked orderly")
        else:
            with contextlib.suppress(OSError):
                while far.recv(MEGABYTE):
                    pass
            sending.join(DRAINED)
            assert isinstance(failures[0], (ConnectionResetError, BrokenPipeError)), failures
        assert proxy.wait(DRAINED) == 0
    finally:
        stop.set()
        far.close()
        local.close()
        sending.join(DRAINED)


def test_an_idle_connection_delays_nothing(line):
    """An idle shell: there is nothing to send, so there is nothing to wait for."""
    line.client.sendall(b"hello")
    assert receive_exactly(line.server, 5) == b"hello"
    line.tunnel.source.signal(signal.SIGTERM)
    line.tunnel.source.wait_log("stopping")
    # The far end closes its side, as programs do after the other has.
    assert ended_without_a_byte(line.server)
    line.server.close()
    assert ended_without_a_byte(line.client)
    line.client.close()
    assert line.tunnel.source.wait(5) == 0


def test_a_transfer_without_a_reader_is_reset_after_the_drain_time(line):
    fill(line.client)
    line.tunnel.source.signal(signal.SIGTERM)
    line.tunnel.source.wait_log(r"warn.*did not drain in time and are reset", DRAINED)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        line.client.sendall(bytes(64 * MEGABYTE))
    assert line.tunnel.source.wait(DRAINED) == 0


def test_a_second_signal_may_differ_from_the_first(line):
    fill(line.client)
    source = line.tunnel.source
    source.signal(signal.SIGINT)
    source.wait_log("a second signal ends at once")
    source.signal(signal.SIGTERM)
    assert source.wait(5) == 0
    assert source.find_log("ending at once")


@pytest.mark.parametrize("number", STOPS, ids=name_of)
def test_a_signal_to_the_whole_group(lab, stream_server, number):
    """As a terminal sends it: every process receives it, and still only the monitor decides."""
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    lab.destination(service, "t1", {"APP": stream_server.port}).wait_log(READY)
    source = lab.source(service, "t1", ports, own_session=True)
    source.wait_log("Listening for new connection")
    exchange_all([(ports["APP"], 1, 100_000, 100_000)])
    before = [pid for pids in source.processes().values() for pid in pids]
    assert len(before) == 4
    assert {os.getpgid(pid) for pid in before} == {source.pid}
    os.killpg(source.pid, number)
    assert source.wait() == 0
    assert not re.search(r"\[(warning|error)\]", source.log), "a process died of it"
    until(lambda: not any(is_alive(pid) for pid in before), "all processes are gone")
    # The close frame was sent, which only an unharmed net can do.
    assert "closed" in service.log_text().rpartition("source of t1:")[2]


def test_other_signals_while_draining(line):
    sent = fill(line.client)
    source = line.tunnel.source
    source.signal(signal.SIGTERM)
    source.wait_log("stopping")
    mark = source.mark()
    source.signal(signal.SIGHUP)
    source.signal(signal.SIGUSR1)
    line.client.close()
    assert receive_exactly(line.server, sent) == bytes(sent)
    line.server.close()
    assert source.wait() == 0
    assert "reconnecting" not in "\n".join(source.lines[mark:])


# ---- SIGHUP ----

@pytest.fixture
def token_file(lab):
    path = lab.directory / "token"

    def write(token):
        # As programs that renew a token do.
        new = path.with_name("token.new")
        new.write_text(token + "\n", encoding="ascii")
        new.chmod(0o644)
        new.rename(path)

    write.path = path
    return write


def with_token_file(lab, service, token_file, **options):
    token_file(service.token("t1", "source"))
    ports = free_ports(["APP"])
    source = lab.source(service, "t1", ports, token=None, more=["--access-token-file", token_file.path], **options)
    source.secrets.append(service.token("t1", "source"))
    source.wait_log("Listening for new connection")
    return source, ports["APP"]


def test_a_rotated_token_is_used_after_sighup(lab, stream_server, token_file):
    service = lab.service({"t1": ["APP"]})
    lab.destination(service, "t1", {"APP": stream_server.port}).wait_log(READY)
    relay = lab.use(Relay(service.port))
    source, port = with_token_file(lab, service, token_file, through=relay)
    exchange_all([(port, 1, 10_000, 10_000)])
    relay.cut()
    source.wait_log("next try to connect")
    service.control("rotate", tunnel="t1", side="source")
    token_file(service.token("t1", "source"))
    source.secrets.append(service.token("t1", "source"))
    mark = source.mark()
    source.signal(signal.SIGHUP)
    source.wait_log("reconnecting", since=mark)
    relay.restore()
    source.wait_log(READY, BACK, mark)
    service.wait_connected("t1", "source")
    exchange_all([(port, 2, 10_000, 10_000)])


def test_sighup_without_a_file_makes_a_fresh_connection(tunnel):
    source = tunnel.source
    old, mark = source.pid_of("net"), source.mark()
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=BACK) as client:
        source.wait_log("Accepted tcp connection", since=mark)
        source.signal(signal.SIGHUP)
        assert ended_without_a_byte(client)
    source.wait_log(READY, BACK, mark)
    assert source.pid_of("net") != old
    tunnel.service.wait_connected("t1", "source")
    exchange_all([(tunnel.ports["APP"], 1, 10_000, 10_000)])


@pytest.mark.parametrize("spoil, words", [
    (lambda path: path.unlink(), "No such file"),
    (lambda path: path.write_text("", encoding="ascii"), "the access token is empty"),
    (lambda path: path.write_text("two words\n", encoding="ascii"), "blanks"),
    (lambda path: path.write_text("x" * 4096, encoding="ascii"), "(longer|more) than"),
    (lambda path: path.write_bytes(b"\xff\xfe"), "not printable"),
    (lambda path: (path.unlink(), path.mkdir()), "is not a plain file"),
    (lambda path: (path.unlink(), os.mkfifo(path)), "is not a plain file"),
    (lambda path: path.chmod(0), "Permission denied"),
], ids=["gone", "empty", "two words", "too long", "not a text", "a directory", "a FIFO", "unreadable"])
def test_a_bad_token_file_changes_nothing(lab, stream_server, token_file, spoil, words):
    service = lab.service({"t1": ["APP"]})
    lab.destination(service, "t1", {"APP": stream_server.port}).wait_log(READY)
    source, port = with_token_file(lab, service, token_file)
    net = source.pid_of("net")
    spoil(token_file.path)
    mark = source.mark()
    source.signal(signal.SIGHUP)
    line = source.wait_log(r"error.*not reloaded: cannot read the access token from (.*)", since=mark)[1]
    assert re.search(words, line), line
    assert str(token_file.path) in line
    exchange_all([(port, 1, 10_000, 10_000)])
    assert source.pid_of("net") == net
    assert service.status("t1")["source"]["upgrades"] == 1


def test_sighup_twice_in_a_row(tunnel):
    mark = tunnel.source.mark()
    for _ in range(5):
        tunnel.source.signal(signal.SIGHUP)
        tunnel.source.signal(signal.SIGHUP)
        tunnel.source.wait_log("reconnecting", since=mark)
        mark = tunnel.source.mark()
    tunnel.source.wait_log(READY, BACK, mark)
    until(lambda: tunnel.service.status("t1")["source"]["connection"], "the source is connected")
    until(lambda: works(tunnel.ports["APP"]), "the tunnel carries bytes again", BACK)
    assert len(tunnel.source.processes()["net"]) == 1


def works(port):
    """A transfer through the port; False while it is still being cut."""
    try:
        exchange_all([(port, 1, 10_000, 10_000)])
    except (AssertionError, OSError):
        return False
    return True


# ---- SIGUSR1 ----

def test_the_counters_are_right(line):
    source, destination = line.tunnel.source, line.tunnel.destination
    up, down = 3 * MEGABYTE + 17, 1_234_567
    for content, sender, receiver in ((up, line.client, line.server), (down, line.server, line.client)):
        sending = threading.Thread(target=sender.sendall, args=(bytes(content),))
        sending.start()
        receive_exactly(receiver, content)
        sending.join()
    assert source.counters() == [1, 1, up, down]
    assert destination.counters() == [1, 1, down, up]
    line.client.close()
    assert ended_without_a_byte(line.server)
    line.server.close()
    for proxy, expected in ((source, [0, 1, up, down]), (destination, [0, 1, down, up])):
        until(lambda p=proxy: p.counters()[0] == 0, "the connection is closed")
        assert proxy.counters() == expected
    # A new tunnel connection does not reset the counters.
    mark = source.mark()
    source.signal(signal.SIGHUP)
    source.wait_log(READY, BACK, mark)
    assert source.counters() == [0, 1, up, down]
