"""Sources and destinations of protocol versions 1, 2 and 3, in all combinations."""

import contextlib
import itertools
import socket

import pytest
from harness.lab import READY, READY_SOURCE, Tunnel, free_ports
from harness.sockets import ended_without_a_byte, receive_exactly
from harness.streams import exchange_all
from harness.wait import until

# Ways for a source to speak a version.
SOURCES = {
    "V3": {},
    "-y V2": {"more": ["-y", "V2"]},
    "-y V1": {"more": ["-y", "V1"]},
    "2.0": {"subprotocol": 2},
    "2.0 -y V1": {"subprotocol": 2, "more": ["-y", "V1"]},
    "1.0": {"subprotocol": 1},
}
SPOKEN = {"V3": 3, "-y V2": 2, "-y V1": 1, "2.0": 2, "2.0 -y V1": 1, "1.0": 1}
PIECE = 300_000


def side_options(subprotocol=3, more=(), **websocket):
    """Options for lab.source() and lab.destination(); websocket: further settings."""
    settings = {"subprotocol": f"aws.iot.securetunneling-{subprotocol}.0", **websocket}
    return {"more": more, "settings": {"websocket": settings}}


def start(lab, targets, source, subprotocol):
    """A tunnel between a source of SOURCES and a destination with that subprotocol."""
    service = lab.service({"t1": list(targets)})
    ports = free_ports(targets)
    tunnel = Tunnel(lab, "t1", service,
                    lab.source(service, "t1", ports, **side_options(**SOURCES[source])),
                    lab.destination(service, "t1", targets, **side_options(subprotocol)), ports)
    tunnel.wait_up()
    service.control("record", tunnel="t1", side="source", on=True)
    return tunnel


def recorded(tunnel):
    """The messages that the source has sent, without DATA."""
    return tunnel.service.control("recorded", tunnel="t1", side="source")["messages"]


class Echo:
    """A listener, and connections through the tunnel to it, one at a time."""

    def __init__(self, stack):
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listener.settimeout(20)
        self.port = self._listener.getsockname()[1]

    def connect(self, port):
        """(client, server)"""
        client = self._stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        server, _ = self._listener.accept()
        self._stack.enter_context(server).settimeout(20)
        return client, server


@pytest.fixture
def echo():
    with contextlib.ExitStack() as stack:
        yield Echo(stack)


def carry(sender, receiver, what=b"some bytes"):
    sender.sendall(what)
    assert receive_exactly(receiver, len(what)) == what


@pytest.mark.parametrize("subprotocol", [1, 2, 3])
@pytest.mark.parametrize("source", SOURCES)
def test_bytes_both_ways_on_one_connection_after_the_other(lab, stream_server, source, subprotocol):
    tunnel = start(lab, {"APP": f"127.0.0.1:{stream_server.port}"}, source, subprotocol)
    for seed in range(3):
        exchange_all([(tunnel.ports["APP"], seed, PIECE, PIECE)])
        until(lambda: stream_server.open == 0, "the far end of the connection is closed too")
    messages = recorded(tunnel)
    # The service found no breach (see Lab), so the format never changed; this checks which one it was.
    spoken = SPOKEN[source]
    starts = [each for each in messages if each["type"] == "STREAM_START"]
    assert starts
    assert {each["serviceId"] for each in starts} == {"APP" if spoken > 1 else ""}
    assert {each["connectionId"] for each in starts} == {1 if spoken > 2 else 0}
    # A service without a connection begins with a new stream. The far side ends its connections first; where a
    # connection is a stream, there is nothing more to end.
    assert len({each["streamId"] for each in starts}) == 3
    older = min(spoken, subprotocol) < 3
    wanted = [] if older else [each["streamId"] for each in starts]
    until(lambda: [each["streamId"] for each in recorded(tunnel) if each["type"] == "STREAM_RESET"] == wanted,
          "each stream is ended with its last connection")
    assert not [each for each in messages if each["type"] == "CONNECTION_START"]


@pytest.mark.parametrize("source, subprotocol", [pair for pair in itertools.product(SOURCES, (1, 2, 3))
                                                 if pair != ("V3", 3)])
def test_a_new_connection_replaces_the_one_before(lab, echo, source, subprotocol):
    tunnel = start(lab, {"APP": f"127.0.0.1:{echo.port}"}, source, subprotocol)
    first_client, first_server = echo.connect(tunnel.ports["APP"])
    carry(first_client, first_server)
    carry(first_server, first_client)
    second_client, second_server = echo.connect(tunnel.ports["APP"])
    # An orderly end: no reset on either side.
    assert first_client.recv(1) == b""
    assert first_server.recv(1) == b""
    carry(second_client, second_server)
    carry(second_server, second_client)
    assert not [each for each in recorded(tunnel) if each["type"] == "CONNECTION_START"]


@pytest.mark.parametrize("subprotocol", [1, 2])
def test_the_log_says_which_flag_to_set(lab, echo, subprotocol):
    tunnel = start(lab, {"APP": f"127.0.0.1:{echo.port}"}, "V3", subprotocol)
    for _ in range(2):
        client, server = echo.connect(tunnel.ports["APP"])
        carry(client, server)
        carry(server, client)
    tunnel.source.wait_log(rf"speaks version {subprotocol} of the protocol.*-y V{subprotocol}\b")
    assert tunnel.source.log.count("speaks version") == 1


def test_connections_at_once_between_sides_of_version_3(lab, stream_server):
    tunnel = start(lab, {"APP": f"127.0.0.1:{stream_server.port}"}, "V3", 3)
    exchange_all([(tunnel.ports["APP"], seed, PIECE, PIECE) for seed in range(4)], at_once=True)
    assert not tunnel.source.find_log("speaks version")


def test_a_second_connection_before_the_first_answer(lab, echo):
    """The source cannot know the version yet, and the service refuses it: the log names the flag."""
    tunnel = start(lab, {"APP": f"127.0.0.1:{echo.port}"}, "V3", 2)
    first_client, first_server = echo.connect(tunnel.ports["APP"])
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20) as refused:
        assert ended_without_a_byte(refused)
    tunnel.source.wait_log(r"was refused before the destination has answered.*-y V1 or -y V2")
    carry(first_server, first_client)
    tunnel.source.wait_log(r"speaks version 2 of the protocol.*-y V2\b")
    client, server = echo.connect(tunnel.ports["APP"])
    assert first_client.recv(1) == b""
    carry(client, server)
    carry(server, client)


def test_a_connection_that_is_never_answered_is_followed_by_another(lab, echo):
    tunnel = start(lab, {"APP": f"127.0.0.1:{echo.port}"}, "V3", 2)
    for _ in range(3):
        client, server = echo.connect(tunnel.ports["APP"])
        carry(client, server)
        client.close()
        assert server.recv(1) == b""


@pytest.mark.parametrize("subprotocol", [2, 3])
@pytest.mark.parametrize("source", ["V3", "-y V2", "2.0"])
def test_several_services(lab, stream_server, source, subprotocol):
    target = f"127.0.0.1:{stream_server.port}"
    tunnel = start(lab, {"A": target, "B": target, "C": target}, source, subprotocol)
    for seed in (0, 3):
        exchange_all([(port, seed + i, PIECE, PIECE) for i, port in enumerate(tunnel.ports.values())], at_once=True)
        until(lambda: stream_server.open == 0, "the far ends of the connections are closed too")


@pytest.mark.parametrize("services", [[], ["APP"]], ids=["none", "one"])
@pytest.mark.parametrize("subprotocol", [1, 2, 3])
def test_no_service_id_on_the_command_lines(lab, stream_server, services, subprotocol):
    service = lab.service({"t1": services})
    ports = free_ports([""])
    tunnel = Tunnel(lab, "t1", service, lab.source(service, "t1", ports, **side_options(subprotocol)),
                    lab.destination(service, "t1", {"": stream_server.port}, **side_options(subprotocol)), ports)
    tunnel.wait_up()
    exchange_all([(ports[""], 1, PIECE, PIECE)])


def test_version_1_cannot_name_one_of_several_services(lab):
    service = lab.service({"t1": ["A", "B"]})
    source = lab.source(service, "t1", free_ports(["A", "B"]), more=["-y", "V1"])
    assert source.wait() == 76
    assert source.find_log(r"-y V1 works with tunnels of one service.*this one has A, B\.")
    assert service.status("t1")["source"]["upgrades"] == 1


@pytest.mark.parametrize("side", ["source", "destination"])
def test_the_service_refuses_subprotocol_1_for_several_services(lab, side):
    service = lab.service({"t1": ["A", "B"]})
    make = lab.source if side == "source" else lab.destination
    proxy = make(service, "t1", free_ports(["A", "B"]), **side_options(1))
    assert proxy.wait() == 77
    assert proxy.find_log("service refused the connection.*several services")


def test_a_tunnel_stays_up_although_no_pong_ever_comes(lab, stream_server):
    """For longer than the half minute after which a service that has answered before is given up."""
    service = lab.service({"t1": ["APP"], "t2": ["APP"], "t3": ["APP"]})
    service.control("pongs", mode="withhold")
    ports = {}
    for version in (1, 2, 3):
        options = side_options(version, ping_period_ms=1000)
        name = f"t{version}"
        ports[name] = free_ports(["APP"])["APP"]
        lab.destination(service, name, {"APP": stream_server.port}, **options).wait_log(READY)
        lab.source(service, name, {"APP": ports[name]}, **options).wait_log(READY_SOURCE.format(port=ports[name]))
    sides = [(name, side) for name in ports for side in ("source", "destination")]

    def pings():
        return min(service.status(name)[side]["connection"]["pings"] for name, side in sides)

    until(lambda: pings() >= 33, "33 pings have come from each", 60)
    assert {service.status(name)[side]["upgrades"] for name, side in sides} == {1}
    exchange_all([(port, seed, PIECE, PIECE) for seed, port in enumerate(ports.values())])
