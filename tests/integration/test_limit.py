"""The connection limit: clients above it wait, and the log says so."""

import contextlib
import re
import socket

from harness.echo_server import EchoServer, server_on
from harness.sockets import receive_exactly
from harness.wait import until

LIMIT = 4
FULL = r"warning\] bridge: port \d+ has its limit of 4 connections.*max_active_connections"


def echo(client):
    client.sendall(b"x")
    assert receive_exactly(client, 1) == b"x"


def test_further_clients_wait_and_it_is_logged_once_per_episode(lab):
    echo_server = lab.use(EchoServer(server_on("127.0.0.1")))
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{echo_server.port}"}, settings={"tcp": {"max_active_connections": LIMIT}})
    source = tunnel.source

    def connect():
        return socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=30)

    def episodes():
        return len(re.findall(FULL, source.log))

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect()) for _ in range(LIMIT + 2)]
        for client in clients[:LIMIT]:
            echo(client)
        source.wait_log(FULL)
        # Waiting clients take the places of those that end, and nothing more is logged.
        for i in range(2):
            clients[i].close()
            echo(clients[LIMIT + i])
        assert episodes() == 1
        for client in clients:
            client.close()
        until(lambda: source.counters()[0] == 0, "all have ended")
        again = [stack.enter_context(connect()) for _ in range(LIMIT)]
        for client in again:
            echo(client)
        until(lambda: episodes() == 2, "the second episode is in the log")
    mark = source.mark()
    source.counters()
    # The first episode counts three: four at once, and two that took the place of another.
    assert source.find_log(r"bytes out of it, 4 times at the limit of connections", since=mark)
