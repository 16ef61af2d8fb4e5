"""Helpers for plain sockets."""

import contextlib
import socket
import struct
import threading

from .wait import until

MEGABYTE = 1024 * 1024


def receive_exactly(connection, size):
    """The next size bytes."""
    parts = []
    while size:
        piece = connection.recv(min(size, MEGABYTE))
        assert piece, f"the connection ended with {size} bytes to go"
        parts.append(piece)
        size -= len(piece)
    return b"".join(parts)


def fill(connection):
    """Sends until nothing more is taken; returns how many bytes were."""
    timeout = connection.gettimeout()
    connection.setblocking(False)
    sent = 0
    full_since = 0

    def is_full():
        nonlocal sent, full_since
        try:
            sent += connection.send(bytes(MEGABYTE))
            full_since = 0
        except BlockingIOError:
            full_since += 1
        # Refused that often in a row, over more than a second: the data path has stopped.
        return full_since > 30

    until(is_full, "the path to the reader is full", 60)
    connection.settimeout(timeout)
    return sent


def ended_without_a_byte(connection):
    """Whether a connection ends, orderly or by reset, before any byte arrives."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def make_close_reset(connection):
    """Makes close() send a reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def plain_server(serve):
    """The port of a TCP server that runs serve(socket) for each connection, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    serve(listener.accept()[0])
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
