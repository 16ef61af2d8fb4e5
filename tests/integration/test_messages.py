"""How a proxy of either side handles each message, valid or not, of a peer of each version."""

import contextlib
import itertools
import socket

import pytest
from harness.lab import READY, READY_SOURCE, free_ports
from harness.peer import Peer, inject, message
from harness.sockets import ended_without_a_byte, receive_exactly
from harness.wait import until

SIDES = ("source", "destination")
VERSIONS = (1, 2, 3)
BLOCK = b"received before the end " * 2_500


class Line:
    """A proxy of one side, a scripted peer on the other, and connections between them."""

    def __init__(self, stack, lab, side, version, services=("APP",)):
        self.side, self.version, self.services = side, version, services
        self.other = "destination" if side == "source" else "source"
        self._stack = stack
        self._streams = itertools.count(7)
        self.service = lab.service({"t1": list(services)})
        self.peer = lab.use(Peer(self.service, "t1", self.other))
        if side == "source":
            ports = free_ports(services)
            self._port = ports["APP"]
            self.proxy = lab.source(self.service, "t1", ports, more=["-y", f"V{version}"] if version < 3 else [])
            self.proxy.wait_log(READY_SOURCE.format(port=self._port))
        else:
            self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self._listener.settimeout(20)
            port = self._listener.getsockname()[1]
            self.proxy = lab.destination(self.service, "t1", {each: port for each in services})
            self.proxy.wait_log(READY)
        self.service.wait_connected("t1", side)

    def of(self, kind, stream, payload=b"", connection=1):
        """A message in the format of the line's version; a reset of a stream has no connection id."""
        if self.version < 3 or kind == "STREAM_RESET":
            connection = 0
        return message(kind, stream, "APP" if self.version > 1 else "", connection, payload)

    def reset(self, stream, connection=1):
        """How one connection ends."""
        return self.of("CONNECTION_RESET" if self.version == 3 else "STREAM_RESET", stream, connection=connection)

    def end_of_stream(self, stream):
        """How a source ends a stream."""
        return message("STREAM_RESET", stream, "APP" if self.version > 1 else "", 1 if self.version > 2 else 0)

    def connect(self):
        """The local side of a new connection at a source."""
        return self._stack.enter_context(socket.create_connection(("127.0.0.1", self._port), timeout=20))

    def accept(self):
        """The local side of a new connection at a destination."""
        local, _ = self._listener.accept()
        self._stack.enter_context(local).settimeout(20)
        return local

    def open(self, former=None):
        """The first connection of a new stream: (local side, stream id). former: a stream that is still active."""
        if self.side == "source":
            local = self.connect()
            if former is not None:
                assert self.peer.read() == self.end_of_stream(former)
            start = self.peer.read()
            assert start == self.of("STREAM_START", start.streamId)
            return local, start.streamId
        stream = next(self._streams)
        self.peer.send(self.of("STREAM_START", stream))
        return self.accept(), stream

    def inject(self, *messages):
        """Sends to the proxy, as if from its peer or the service; the service does not check it."""
        inject(self.service, "t1", self.side, *messages)

    def carry(self, local, stream, text=b"to and fro"):
        """Bytes both ways, in the right format."""
        self.peer.send(self.of("DATA", stream, text))
        assert receive_exactly(local, len(text)) == text
        local.sendall(text)
        assert self.peer.read() == self.of("DATA", stream, text)

    def upgrades(self):
        return self.service.status("t1")[self.side]["upgrades"]


@pytest.fixture
def make_line(lab):
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: Line(stack, lab, *arguments, **options)


@pytest.fixture(params=itertools.product(SIDES, VERSIONS), ids=lambda each: f"{each[0]} V{each[1]}")
def line(make_line, request):
    return make_line(*request.param)


def test_bytes_and_the_end_have_the_format_of_the_start(line):
    former = None
    for _ in range(3):
        local, stream = line.open(former)
        line.carry(local, stream)
        local.close()
        assert line.peer.read() == line.reset(stream)
        # With connection ids the stream outlives its connections.
        former = stream if line.version == 3 else None
    line.proxy.stop()
    if line.side == "source" and former is not None:
        assert line.peer.read() == line.end_of_stream(former)


@pytest.mark.parametrize("end", ["STREAM_RESET", "CONNECTION_RESET", "SESSION_RESET", "the peer is lost"])
def test_an_end_comes_after_all_that_was_received(line, end):
    local, stream = line.open()
    line.peer.send(*[line.of("DATA", stream, BLOCK) for _ in range(5)])
    if end == "SESSION_RESET":
        # Sent by the service itself, after what it has relayed.
        assert receive_exactly(local, 1) == BLOCK[:1]
        line.service.control("wait", tunnel="t1", side=line.other, bytes=5 * len(BLOCK), timeout_ms=20_000)
        line.inject(message(end))
    elif end == "the peer is lost":
        line.peer.close()
    elif end == "CONNECTION_RESET" and line.version < 3:
        line.service.control("wait", tunnel="t1", side=line.other, bytes=5 * len(BLOCK), timeout_ms=20_000)
        line.inject(message(end, stream, "APP", 1))
    else:
        line.peer.send(line.of(end, stream))
    expected = 5 * BLOCK if end != "SESSION_RESET" else (5 * BLOCK)[1:]
    assert receive_exactly(local, len(expected)) == expected
    assert local.recv(1) == b"", "an orderly end, without a reset"
    assert line.upgrades() == 1


def junk(line, stream):
    """Messages that mean nothing and do no harm."""
    service, connection = ("APP" if line.version > 1 else ""), (1 if line.version == 3 else 0)
    yield message("DATA", stream + 1, service, connection, b"of a stale stream")
    yield message("DATA", stream, "APP", 9, b"of no connection")
    yield message("DATA", stream, "FTP", connection, b"of no service")
    yield message("DATA", stream, service, connection)
    yield message("STREAM_RESET", stream + 1, service)
    yield message("CONNECTION_RESET", stream + 1, "APP", 1)
    yield message("CONNECTION_RESET", stream, "APP", 9)
    yield message(100, stream, payload=b"unknown", ignorable=True)
    yield message("SERVICE_IDS", availableServiceIds=["APP"])
    if line.side == "source":
        yield message("CONNECTION_START", stream, "APP", 9)


def test_meaningless_messages_are_dropped(line):
    local, stream = line.open()
    line.inject(*junk(line, stream))
    line.carry(local, stream)
    assert line.upgrades() == 1


def ends_the_tunnel_connection(line, wrong, text):
    """Checks that the message ends the tunnel connection, and that the next connection works."""
    local, stream = line.open()
    line.carry(local, stream)
    mark = line.proxy.mark()
    line.inject(wrong)
    line.proxy.wait_log(text, since=mark)
    assert ended_without_a_byte(local)
    assert line.peer.read() == line.of("STREAM_RESET", stream), "the service ends the streams of a lost proxy"
    until(lambda: line.upgrades() == 2, "the proxy is back", 30)
    line.proxy.wait_log(READY, since=mark)
    line.carry(*line.open())


@pytest.mark.parametrize("wrong, text", [
    (("DATA", 0, "APP", 1, b"x"), "without a stream id"),
    (("STREAM_START", 0, "APP", 1), "without a stream id"),
    (("STREAM_RESET", 0, "APP"), "without a stream id"),
    (("CONNECTION_START", 0, "APP", 1), "without a stream id"),
    (("CONNECTION_RESET", 0, "APP", 1), "without a stream id"),
    ((100, 7), "may not be ignored"),
    (("SERVICE_IDS",), "changed the services"),
], ids=lambda each: str(each[0]) if isinstance(each, tuple) else "")
def test_a_protocol_error_ends_the_tunnel_connection(line, wrong, text):
    ends_the_tunnel_connection(line, message(*wrong), text)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_start_from_a_destination_ends_the_tunnel_connection(make_line, version):
    line = make_line("source", version)
    ends_the_tunnel_connection(line, line.of("STREAM_START", 99), "which only a source may")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("version", [2, 3])
def test_services_repeated_in_another_order(make_line, side, version):
    line = make_line(side, version, services=("APP", "B"))
    local, stream = line.open()
    line.inject(message("SERVICE_IDS", availableServiceIds=["B", "APP"]))
    line.carry(local, stream)
    assert line.upgrades() == 1
    line.inject(message("SERVICE_IDS", availableServiceIds=["B", "C"]))
    line.proxy.wait_log("changed the services")


@pytest.mark.parametrize("side, version", [(side, version) for side in SIDES for version in VERSIONS
                                           if (side, version) != ("source", 3)])
def test_a_new_stream_replaces_the_one_before(make_line, side, version):
    line = make_line(side, version)
    first, old = line.open()
    line.peer.send(*[line.of("DATA", old, BLOCK) for _ in range(5)])
    assert receive_exactly(first, len(BLOCK)) == BLOCK
    line.service.control("wait", tunnel="t1", side=line.other, bytes=5 * len(BLOCK), timeout_ms=20_000)
    if side == "source":
        # The proxy reads what the service relayed earlier before the new connection replaces the stream.
        assert receive_exactly(first, 4 * len(BLOCK)) == 4 * BLOCK
    second, new = line.open(old)
    if side == "destination":
        assert receive_exactly(first, 4 * len(BLOCK)) == 4 * BLOCK
    assert first.recv(1) == b"", "an orderly end, without a reset"
    assert new != old
    line.inject(line.of("DATA", old, b"late"), line.of("STREAM_RESET", old))
    line.carry(second, new)
    assert line.upgrades() == 1


def test_the_same_stream_started_again(make_line):
    line = make_line("destination", 1)
    first, stream = line.open()
    line.carry(first, stream)
    line.peer.send(line.of("STREAM_START", stream))
    second = line.accept()
    assert first.recv(1) == b""
    line.carry(second, stream)


def test_a_source_of_another_version_takes_over(make_line, lab):
    """A destination stays connected while sources come and go, and answers each in its version."""
    line = make_line("destination", 3)
    for version in (3, 1, 2, 3, 1):
        line.version = version
        local, stream = line.open()
        line.carry(local, stream)
        line.peer.close()
        assert local.recv(1) == b""
        line.service.wait_gone("t1", "source")
        line.service.control("rotate", tunnel="t1", side="source")
        line.peer = lab.use(Peer(line.service, "t1", "source"))
    assert line.upgrades() == 1


# ---- connections, which only version 3 has ----


def test_a_connection_without_a_stream_starts_one(make_line):
    line = make_line("destination", 3)
    line.peer.send(line.of("CONNECTION_START", 7, connection=5), line.of("DATA", 7, b"hello", connection=5))
    local = line.accept()
    assert receive_exactly(local, 5) == b"hello"
    local.sendall(b"world")
    assert line.peer.read() == line.of("DATA", 7, b"world", connection=5)
    line.peer.send(line.of("CONNECTION_START", 7, connection=6))
    line.accept()


def test_an_open_connection_is_not_started_again(make_line):
    line = make_line("destination", 3)
    local, stream = line.open()
    line.peer.send(line.of("CONNECTION_START", stream, connection=1))
    assert line.peer.read() == line.of("CONNECTION_RESET", stream, connection=1)
    line.carry(local, stream)


@pytest.mark.parametrize("side", SIDES)
def test_no_connection_id_means_the_first(make_line, side):
    line = make_line(side, 3)
    local, stream = line.open()
    line.carry(local, stream)
    line.inject(message("DATA", stream, "APP", 0, b"to the first"))
    assert receive_exactly(local, 12) == b"to the first"
    line.inject(message("CONNECTION_RESET", stream, "APP"))
    assert local.recv(1) == b""
    assert line.upgrades() == 1


def test_a_start_without_a_connection_id_means_the_first(make_line):
    line = make_line("destination", 3)
    line.inject(message("CONNECTION_START", 7, "APP"), message("DATA", 7, "APP", 0, b"hello"))
    assert receive_exactly(line.accept(), 5) == b"hello"


def test_a_reset_ends_one_connection_of_many(make_line):
    line = make_line("source", 3)
    first, stream = line.open()
    second = line.connect()
    assert line.peer.read() == line.of("CONNECTION_START", stream, connection=2)
    line.peer.send(line.of("DATA", stream, b"two", connection=2), line.of("CONNECTION_RESET", stream, connection=2))
    assert receive_exactly(second, 3) == b"two"
    assert second.recv(1) == b""
    line.carry(first, stream)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_start_from_a_destination_closes_that_connection(make_line, version):
    line = make_line("source", version)
    local, stream = line.open()
    line.inject(message("CONNECTION_START", stream, "APP", 1))
    line.proxy.wait_log("which only a source may: connection closed")
    assert local.recv(1) == b""
    assert line.peer.read() == line.reset(stream)
    assert line.upgrades() == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_connection_in_a_stream_without_connection_ids_is_ignored(make_line, version):
    line = make_line("destination", version)
    local, stream = line.open()
    line.inject(message("CONNECTION_START", stream, "APP", 2), message("DATA", stream, "APP", 2, b"of the second"))
    line.proxy.wait_log("its stream was started without connection ids")
    line.carry(local, stream)


# ---- version 1 and several services ----


def test_a_start_that_names_none_of_several_services(make_line):
    line = make_line("destination", 2, services=("APP", "B"))
    line.inject(message("STREAM_START", 7), message("DATA", 7, payload=b"which?"), message("DATA", 7, payload=b"?"))
    line.proxy.wait_log("ignored STREAM_START .* without a service id: this tunnel has APP, B.*"
                        "version 1 works only with a tunnel of one service")
    line.proxy.wait_log("ignored DATA without a service id")
    line.carry(*line.open())
    assert line.proxy.log.count("ignored DATA") == 1
    assert line.upgrades() == 1


def test_an_answer_that_names_none_of_several_services(make_line):
    line = make_line("source", 2, services=("APP", "B"))
    local, stream = line.open()
    line.inject(message("DATA", stream, payload=b"of which?"))
    line.proxy.wait_log("ignored DATA without a service id: this tunnel has APP, B.*"
                        "destination of version 1 works only with a tunnel of one service")
    line.carry(local, stream)
