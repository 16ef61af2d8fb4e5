"""A large number of small connections through one tunnel, in batches, that end in every way, now and then by the loss
of one side's tunnel connection."""

import itertools
import random
import socket
import struct

from .lab import READY, Tunnel, free_ports
from .sockets import ended_without_a_byte, make_close_reset, receive_exactly
from .wait import until

# Connections at once; far below the limit of a service, since some are still closing when the next ones open.
BATCH = 50
# Bytes that a connection carries in each direction, at least and at most.
SIZES = 100, 900
# What a client sends first: its number, and how many bytes follow.
HEADER = struct.Struct("!QQ")
# Who ends a connection, and whether by a reset.
ENDS = (("client", False), ("server", False), ("client", True), ("server", True))
# Seconds for a proxy to reconnect.
BACK = 30
# The ways in which the service drops a proxy that then comes back, each at either side.
LOSSES = list(itertools.islice(zip(itertools.cycle(["source", "destination"]), itertools.cycle(["tls", "fin", "rst"])),
                               10))


class Connection:
    """The two local ends of one connection."""

    def __init__(self, number, port):
        self.number = number
        content = random.Random(number)
        self._up, self._down = (content.randbytes(content.randint(*SIZES)) for _ in range(2))
        self.client = socket.create_connection(("127.0.0.1", port), timeout=BACK)
        self.client.sendall(HEADER.pack(number, len(self._up)) + self._up)
        self.server = None

    def answer(self, server, received):
        self.server = server
        assert received == self._up, f"connection {self.number}: wrong bytes on the way up"
        server.sendall(self._down)

    def check_answer(self):
        received = receive_exactly(self.client, len(self._down))
        assert received == self._down, f"connection {self.number}: wrong bytes on the way down"

    def end(self):
        """Closes one end; returns the other."""
        who, by_reset = ENDS[self.number % len(ENDS)]
        first, last = (self.client, self.server) if who == "client" else (self.server, self.client)
        if by_reset:
            make_close_reset(first)
        first.close()
        return last


class Traffic:
    """A tunnel with one service. Both proxies look up the name of the cloud service, so that processes of every role
    start and end; options: as for Lab.source(). number: the number of the next connection."""

    def __init__(self, lab, **options):
        self._listener = lab.use_socket(socket.create_server(("127.0.0.1", 0), backlog=BATCH))
        self._listener.settimeout(BACK)
        targets = {"APP": f"127.0.0.1:{self._listener.getsockname()[1]}"}
        service = lab.service({"t1": list(targets)})
        # Not "localhost", which needs no lookup.
        options = {"at": f"LOCALHOST:{service.port}", "verbosity": 4, **options,
                   "settings": {"websocket": {"retry_delay_ms": 1}}}
        ports = free_ports(targets)
        destination = lab.destination(service, "t1", targets, **options)
        source = lab.source(service, "t1", ports, **options)
        self.tunnel = Tunnel(lab, "t1", service, source, destination, ports)
        self.tunnel.wait_up()
        self.proxies = {"source": source, "destination": destination}
        self.number = 0

    def _open(self):
        """Opens a batch of connections that have carried their bytes."""
        opened = {}
        for _ in range(BATCH):
            opened[self.number] = Connection(self.number, self.tunnel.ports["APP"])
            self.number += 1
        for _ in range(BATCH):
            server, _ = self._listener.accept()
            server.settimeout(BACK)
            number, size = HEADER.unpack(receive_exactly(server, HEADER.size))
            opened[number].answer(server, receive_exactly(server, size))
        for connection in opened.values():
            connection.check_answer()
        return list(opened.values())

    def carry(self, count, losses=()):
        """Opens and ends `count` connections. They are split into one equal part, a multiple of BATCH, for each loss; the
        tunnel is lost with the last batch of each part."""
        for side, how in losses:
            self._carry_batches(count // len(losses) - BATCH)
            self._lose(side, how)
        if not losses:
            self._carry_batches(count)

    def _carry_batches(self, count):
        for _ in range(count // BATCH):
            for last in [connection.end() for connection in self._open()]:
                assert ended_without_a_byte(last)
                last.close()

    def _lose(self, side, how):
        """Runs a batch whose tunnel the service ends at one side (how: as for its kick); returns when both sides are back."""
        opened = self._open()
        proxy = self.proxies[side]
        mark = proxy.mark()
        self.tunnel.service.control("kick", tunnel="t1", side=side, how=how)
        for connection in opened:
            for end in (connection.client, connection.server):
                assert ended_without_a_byte(end)
                end.close()
        proxy.wait_log(READY, BACK, mark)
        for each in self.proxies:
            self.tunnel.service.wait_connected("t1", each, BACK)

    def wait_idle(self):
        for proxy in self.proxies.values():
            until(lambda p=proxy: p.counters()[0] == 0, f"all connections of {proxy.name} are closed")
