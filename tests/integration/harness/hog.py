"""Run as a program: fills the count of descriptors that its user has in flight, which is one for all its processes,
and keeps it full until its standard input ends."""

import errno
import os
import socket
import sys

AT_ONCE = 100


def fill():
    """Returns the sockets that hold what nobody has received."""
    pairs = []
    null = os.open("/dev/null", os.O_RDONLY)
    while True:
        pairs.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        try:
            socket.send_fds(pairs[-1][0], [b"x"], [null] * AT_ONCE)
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                raise
            return pairs


if __name__ == "__main__":
    held = fill()
    print("full", flush=True)
    sys.stdin.read()
