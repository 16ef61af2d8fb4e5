"""Run as a program: uses up the descriptors that its user may have in flight, a limit that all processes of the user
share, until its standard input ends."""

import errno
import os
import socket
import sys

AT_ONCE = 100


def fill():
    """Returns the sockets whose queues hold the descriptors."""
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
