"""TCP ports of loopback."""

import pathlib
import random
import socket

FIRST = 10_000

# Claims of the ports that this process has given out: no test gets them again, in this process or another one.
_claims = []


def _claim(port):
    """Whether the port was unclaimed. The claim is an abstract UNIX socket, which disappears with the process."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0localproxy-test-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def free_port(address="127.0.0.1"):
    """A port without a listener, outside the range from which the kernel assigns ports: it is still free when the
    test uses it, however many connections there are meanwhile."""
    limits = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    while True:
        port = random.randrange(FIRST, max(int(limits[0]), FIRST + 1000))
        try:
            socket.create_server((address, port)).close()
        except OSError:
            continue
        if _claim(port):
            return port


def answers(port, address="127.0.0.1"):
    """Whether a connection to the port is accepted."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True
