"""A plain web server on loopback that serves one directory, in a thread of the caller."""

import functools
import http.server
import socket
import threading


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Requests are not logged."""


class _Server(http.server.ThreadingHTTPServer):
    # Many clients come at once; the default of 5 makes the kernel drop some.
    request_queue_size = 128
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class WebServer:
    """Serves directory at address:port."""

    def __init__(self, directory, address="127.0.0.1"):
        handler = functools.partial(_Handler, directory=str(directory))
        self._server = (_Server6 if ":" in address else _Server)((address, 0), handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
