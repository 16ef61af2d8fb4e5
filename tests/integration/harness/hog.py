"""Run as a program: uses up something that the kernel counts for all processes of its user together, until its standard
input ends. The argument says what: descriptors, those that may be in flight; or pipes, the room of all pipes."""

import errno
import fcntl
import os
import pathlib
import socket
import sys

AT_ONCE = 100
# Of fcntl(2); Python 3.9 has no names for them.
F_SETPIPE_SZ, F_GETPIPE_SZ = 1031, 1032


def descriptors():
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


def pipes():
    """Returns the pipes that leave no other any room to grow."""
    most = int(pathlib.Path("/proc/sys/fs/pipe-max-size").read_text(encoding="ascii"))
    held = []
    while True:
        held.append(os.pipe())
        for size in (most, 2 * fcntl.fcntl(held[-1][0], F_GETPIPE_SZ)):
            try:
                fcntl.fcntl(held[-1][0], F_SETPIPE_SZ, size)
                break
            except PermissionError:
                pass
        else:
            # The kernel makes it as small as any, and lets it grow no further.
            return held


if __name__ == "__main__":
    taken = {"descriptors": descriptors, "pipes": pipes}[sys.argv[1]]()
    print("full", flush=True)
    sys.stdin.read()
