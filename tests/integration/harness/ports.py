"""TCP ports of loopback."""

import pathlib
import random
import socket

FIRST = 10_000


def free_port(address="127.0.0.1"):
    """A port that nobody listens on right now, and that the kernel gives to nobody who did not ask for it: it is
    still free when the test uses it, however many connections there are meanwhile."""
    limits = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    while True:
        port = random.randrange(FIRST, max(int(limits[0]), FIRST + 1000))
        try:
            socket.create_server((address, port)).close()
        except OSError:
            continue
        return port


def answers(port, address="127.0.0.1"):
    """Somebody accepts connections at a port."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True
