"""A local service that echoes what it receives."""

import contextlib
import socket
import threading

from .sockets import MEGABYTE


def server_on(address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


class EchoServer:
    """Echoes on each connection to a listening socket; peers: the addresses that connected."""

    def __init__(self, listener):
        self.peers = []
        self._listener = listener
        self.port = listener.getsockname()[1] if listener.family != socket.AF_UNIX else None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self._listener.accept()
                self.peers.append(peer[0] if peer else "")
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _serve(connection):
        with connection, contextlib.suppress(OSError):
            while piece := connection.recv(MEGABYTE):
                connection.sendall(piece)

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
