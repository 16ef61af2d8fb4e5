"""Other implementations at the other end: first starts, restarts of either side, and ends that are not reported."""

import contextlib
import os
import signal
import socket
import subprocess
import uuid

import pytest
from harness import tracing
from harness.lab import READY_SOURCE, endpoint
from harness.others import DeviceClient, Library, Reference
from harness.paths import LOCALPROXY
from harness.peer import Peer, message
from harness.ports import free_port
from harness.sockets import ended_without_a_byte, plain_server, receive_exactly
from harness.wait import until

TIMEOUT = 30
TEXT = b"to and fro"
SILENT = r"without one byte from the destination.*an older client.*start with -y V1$"


class Ours:
    """A localproxy as the destination, in front of an echo service."""

    def __init__(self, lab, service, tunnel, port, client_token=None):
        self.client_token = client_token or str(uuid.uuid4())
        self._proxy = lab.destination(service, tunnel, {"APP": port}, more=["-i", self.client_token])
        service.wait_connected(tunnel, "destination")

    def stop(self):
        assert self._proxy.stop() == 0


class Line:
    """A source and a destination that may be restarted; kind: the kind of destination."""

    def __init__(self, lab, kind, tells=True, port=None):
        self._lab, self._kind, self._port = lab, kind, port
        self.service = lab.service({"t1": ["APP"]})
        self.service.control("resets", tunnel="t1", on=tells)
        self.port = free_port()
        self.source = self.destination = None
        self._source_token = str(uuid.uuid4())
        self._destination_token = str(uuid.uuid4())

    def start_source(self, *more):
        more = [*more, "-i", self._source_token, *(["-y", "V1"] if self._kind is DeviceClient else [])]
        self.source = self._lab.source(self.service, "t1", {"APP": self.port}, more=more)
        self.source.wait_log(READY_SOURCE.format(port=self.port))

    def stop_source(self, how=signal.SIGTERM):
        self.source.processes()
        self.source.signal(how)
        self.source.wait()
        until(lambda: not self.source.left_behind(), "the port is free")
        self.service.wait_gone("t1", "source")

    def start_destination(self):
        arguments = self.service, "t1"
        if self._kind is Ours:
            self.destination = Ours(self._lab, *arguments, self._port, self._destination_token)
        else:
            self.destination = self._lab.use(self._kind(*arguments, self._destination_token))

    def stop_destination(self):
        self.destination.stop()
        self.service.wait_gone("t1", "destination")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def carry(self, client=None, text=TEXT):
        """Sends text to the destination and back, on a new connection if none is given."""
        with contextlib.nullcontext(client) if client else self.connect() as used:
            used.sendall(text)
            assert receive_exactly(used, len(text)) == text

    def recorded(self):
        return [(each["type"], each["streamId"], each["connectionId"])
                for each in self.service.control("recorded", tunnel="t1", side="source")["messages"]]


def send_back(connection):
    """An echo service, one connection at a time."""
    with connection, contextlib.suppress(OSError):
        while text := connection.recv(65536):
            connection.sendall(text)


@pytest.fixture(name="make_line")
def fixture_make_line(lab):
    with plain_server(send_back) as port:
        yield lambda kind, tells=True: Line(lab, kind, tells, port)


KINDS = pytest.mark.parametrize("kind", [Ours, Library, DeviceClient, Reference], ids=lambda each: each.__name__)
TELLS = pytest.mark.parametrize("tells", [True, False], ids=["told", "not told"])


def test_fourteen_starts_with_a_destination_that_cannot_encode_large_ids(make_line):
    line = make_line(Library)
    line.start_destination()
    for _ in range(14):
        line.start_source()
        line.carry()
        line.stop_source()
    assert line.destination.unsent == 0
    # The destination connected only once: nothing that the source sent, not even at its end, had another version.
    assert line.destination.connections == 1


@KINDS
def test_connections_after_one_another_and_at_once(make_line, kind):
    line = make_line(kind)
    line.start_destination()
    line.start_source()
    for _ in range(3):
        line.carry()
    if kind in (Library, Reference):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(line.connect()) for _ in range(20)]
            for number, client in enumerate(clients):
                line.carry(client, f"this is {number}".encode())
    line.carry(text=bytes(range(256)) * 4_000)


@TELLS
@KINDS
def test_either_end_is_restarted(make_line, kind, tells):
    line = make_line(kind, tells)
    line.start_destination()
    line.start_source()
    line.carry()
    for order in ("destination", "source", "destination source", "source destination"):
        with line.connect() as kept:
            line.carry(kept)
            for each in order.split():
                line.stop_destination() if each == "destination" else line.stop_source()
            for each in order.split():
                line.start_destination() if each == "destination" else line.start_source()
            if tells or "source" in order:
                assert ended_without_a_byte(kept)
        line.carry()
        line.carry()


@TELLS
@KINDS
def test_a_source_is_killed(make_line, kind, tells):
    line = make_line(kind, tells)
    line.start_destination()
    line.start_source()
    # Its stream is active when the source is killed.
    with line.connect() as kept:
        line.carry(kept)
        line.stop_source(signal.SIGKILL)
    line.start_source()
    if kind is Reference and not tells:
        # Nothing has ended its stream, so it drops the next start: the connection after that gets through.
        with line.connect() as lost:
            lost.sendall(TEXT)
            until(lambda: line.destination.dropped == 1, "the start is dropped")
        line.source.wait_log("Disconnected from")
    line.carry()


@TELLS
@KINDS
def test_a_destination_comes_up_long_after_the_source(make_line, kind, tells):
    line = make_line(kind, tells)
    line.start_source()
    for number in (1, 2):
        with line.connect() as early:
            early.sendall(TEXT)
            if tells:
                assert ended_without_a_byte(early)
            else:
                until(lambda: line.service.status("t1")["source"]["data_messages"] == number, "the bytes are lost")
        until(lambda: line.source.log.count("Disconnected from") == number, "the connection is over")
    line.start_destination()
    line.carry()
    line.carry()


def test_a_destination_that_never_answers_is_named_when_a_connection_ends(lab, make_line):
    line = make_line(DeviceClient)
    line.start_destination()
    source = lab.source(line.service, "t1", {"APP": line.port}, more=["-i", str(uuid.uuid4())])
    source.wait_log(READY_SOURCE.format(port=line.port))
    for expected in (1, 2):
        with line.connect() as client:
            client.sendall(TEXT)
            until(lambda count=expected: line.destination.unsent == count, "it has tried to answer")
        source.wait_log(SILENT)
    assert line.destination.unsent == 2
    assert source.log.count("without one byte") == 1
    source.stop()


def test_a_destination_that_never_answers_is_named_while_a_connection_waits(lab, make_line):
    line = make_line(DeviceClient)
    line.start_destination()
    source = lab.source(line.service, "t1", {"APP": line.port})
    source.wait_log(READY_SOURCE.format(port=line.port))
    with line.connect():
        source.wait_log("connections wait " + SILENT, timeout=60)


@pytest.mark.parametrize("kind", [Library, Reference], ids=lambda each: each.__name__)
def test_an_end_that_a_destination_does_not_report(make_line, kind):
    """Its local side has ended and it does not report that: the idle timeout closes the connection."""
    line = make_line(kind)
    line.start_destination()
    line.start_source("--idle-timeout", "1")
    with line.connect() as client:
        line.carry(client)
        assert client.recv(1) == b""
    line.carry()


@pytest.mark.parametrize("version", [1, 3])
def test_ends_that_a_source_does_not_report(lab, version):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        service = lab.service({"t1": ["APP"]})
        lab.destination(service, "t1", {"APP": listener.getsockname()[1]}, more=["--idle-timeout", "1"])
        service.wait_connected("t1", "destination")
        source = lab.use(Peer(service, "t1", "source"))
        ids = ("APP", 1) if version == 3 else ("", 0)
        locals_ = []
        for number in range(3):
            if version == 3 and number > 0:
                source.send(message("CONNECTION_START", 7, "APP", number + 1))
            else:
                # In version 1 only the next stream shows that the one before has ended.
                source.send(message("STREAM_START", 7 + number, *ids))
            locals_.append(lab.use_socket(listener.accept()[0]))
            locals_[-1].settimeout(TIMEOUT)
        for local in locals_:
            assert local.recv(1) == b""
        ended = {(got.type, got.streamId, got.connectionId) for got in (source.read() for _ in range(version))}
        if version == 3:
            assert ended == {(message("CONNECTION_RESET").type, 7, number) for number in (1, 2, 3)}
        else:
            assert ended == {(message("STREAM_RESET").type, 9, 0)}


def test_a_proxy_command_twice_in_a_row(lab, make_line):
    """The destination drops a stream start while the last stream is active; only the source can tell it of the end."""
    line = make_line(Reference, tells=False)
    line.start_destination()
    line.service.control("record", tunnel="t1", side="source")
    command = [*tracing.command(LOCALPROXY), "-s", "APP=-", "-e", endpoint(line.service), "-c",
               str(lab.ca_directory(line.service)), "-i", str(uuid.uuid4())]
    variables = {"AWSIOT_TUNNEL_ACCESS_TOKEN": line.service.token("t1", "source"), "PATH": os.environ["PATH"]}
    for _ in range(3):
        with subprocess.Popen(command, env=variables, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            client.stdin.write(TEXT)
            client.stdin.flush()
            assert os.read(client.stdout.fileno(), len(TEXT)) == TEXT
            client.stdin.close()
            assert client.wait(TIMEOUT) == 0
        line.service.wait_gone("t1", "source")
        # DATA messages are not recorded.
        (start, stream, _), *rest = line.recorded()[-3:]
        assert start == "STREAM_START"
        assert rest == [("CONNECTION_RESET", stream, 1), ("STREAM_RESET", stream, 1)]
    assert line.destination.dropped == 0
