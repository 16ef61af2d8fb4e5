"""--idle-timeout: connections without traffic end, all others stay."""

import socket

import pytest
from harness.sockets import receive_exactly
from harness.wait import until

SECONDS = 2
IDLE = r"bridge: the connection with .* was idle for 2 s and is closed"


class Listener:
    """A local service that keeps what it accepts."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(20)
        self.port = self._socket.getsockname()[1]

    def accept(self):
        connection, _ = self._socket.accept()
        connection.settimeout(30)
        return connection

    def stop(self):
        self._socket.close()


@pytest.fixture
def listener(lab):
    return lab.use(Listener())


def connect(tunnel):
    client = socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=30)
    client.sendall(b"hello")
    return client


@pytest.mark.parametrize("side", ["source", "destination"])
def test_an_idle_connection_ends_at_both_ends(lab, listener, side):
    service = lab.service({"t1": ["APP"]})
    more = ["--idle-timeout", SECONDS]
    target = {"APP": f"127.0.0.1:{listener.port}"}
    destination = lab.destination(service, "t1", target, more=more if side == "destination" else ())
    source = lab.source(service, "t1", None, more=more if side == "source" else ())
    port = int(source.wait_log(r"Listening for new connection on port (\d+)")[1])
    service.wait_connected("t1", "destination")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"hello")
        with listener.accept() as server:
            assert receive_exactly(server, 5) == b"hello"
            server.sendall(b"world")
            assert receive_exactly(client, 5) == b"world"
            # An orderly end, not a reset.
            assert client.recv(1) == b""
            assert server.recv(1) == b""
    (source if side == "source" else destination).wait_log(IDLE)


@pytest.mark.parametrize("talker", ["client", "server"])
def test_bytes_in_either_direction_keep_a_connection(lab, listener, talker):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.port}"}, more=["--idle-timeout", SECONDS])
    with connect(tunnel) as idle, connect(tunnel) as busy:
        servers = {}
        for _ in range(2):
            server = listener.accept()
            assert receive_exactly(server, 5) == b"hello"
            servers[server] = server
        # Talks until the other connection, which is silent, has been closed.
        pairs = {}
        for client, mark in ((idle, b"i"), (busy, b"b")):
            client.sendall(mark)
        for server in servers:
            pairs[receive_exactly(server, 1)] = server
        speaker, hearer = (busy, pairs[b"b"]) if talker == "client" else (pairs[b"b"], busy)

        def idle_has_ended():
            speaker.sendall(b".")
            assert receive_exactly(hearer, 1) == b"."
            return tunnel.source.find_log(IDLE) or tunnel.destination.find_log(IDLE)

        until(idle_has_ended, "the idle connection has ended", 30)
        assert idle.recv(1) == b""
        speaker.sendall(b"!")
        assert receive_exactly(hearer, 1) == b"!"
        for server in servers:
            server.close()


def test_without_the_option_idle_connections_stay(lab, listener):
    """For longer than the option would allow, as measured with a second tunnel that has it."""
    with_it = lab.tunnel({"APP": f"127.0.0.1:{listener.port}"}, more=["--idle-timeout", SECONDS])
    without_service = lab.service({"t1": ["APP"]})
    lab.destination(without_service, "t1", {"APP": f"127.0.0.1:{listener.port}"})
    source = lab.source(without_service, "t1", None)
    port = int(source.wait_log(r"Listening for new connection on port (\d+)")[1])
    without_service.wait_connected("t1", "destination")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as kept:
        kept.sendall(b"first")
        with listener.accept() as server:
            assert receive_exactly(server, 5) == b"first"
            with connect(with_it) as ended, listener.accept():
                assert ended.recv(1) == b""
            server.sendall(b"still here")
            assert receive_exactly(kept, 10) == b"still here"
