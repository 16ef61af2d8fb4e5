"""Destinations that behave as other implementations were seen to do. Each echoes what it receives.

Library       AWS's client library (aws-c-iot), which is under its device SDKs. It cannot encode a number of 2^28 or
              more, and then sends nothing. The first start of a stream settles the protocol version. A message of
              another version, such as a STREAM_RESET without a connection id in version 3, makes it reconnect; so
              does a CONNECTION_START for a stream that it does not know.
DeviceClient  The AWS IoT Device Client: that library, told to send without ids. In a stream of another version than
              the first, the library drops what it wants to send, so it sends nothing at all.
Reference     The reference implementation. A STREAM_START while the service has a stream resets that stream, and
              is itself dropped.

None of them ever reports that a connection has ended on its side.
"""

import contextlib
import socket
import threading
import uuid

from .peer import Peer, message, schema

IDS = 1 << 28


class _Reconnect(Exception):
    pass


def _version(received):
    """The version of the protocol that a message shows."""
    return 3 if received.connectionId else 2 if received.serviceId else 1


class _Destination:
    """Connects when constructed, and reconnects in a thread until stop(); connections: how often it connected."""

    def __init__(self, service, tunnel, client_token=None):
        self.client_token = client_token or str(uuid.uuid4())
        self.connections = 0
        self._service, self._tunnel = service, tunnel
        self._types = schema().Message
        self._stopping = threading.Event()
        self._connect()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _connect(self):
        self._peer = Peer(self._service, self._tunnel, "destination", headers={"client-token": self.client_token})
        self._peer.socket.settimeout(None)
        self._streams = {}  # service id -> stream id
        self._open = set()  # (service id, connection id)
        self.connections += 1
        self.reset()

    def _run(self):
        while not self._stopping.is_set():
            try:
                self._take(self._peer.read())
            except (_Reconnect, EOFError, OSError, AssertionError):
                self._peer.close()
                if not self._stopping.is_set():
                    self._connect()

    def stop(self):
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._peer.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._peer.close()

    def _take(self, got):
        types = self._types
        self.check(got)
        current = self._streams.get(got.serviceId) == got.streamId
        connection = (got.serviceId, got.connectionId or 1)
        if got.type == types.STREAM_START:
            if not self.may_start(got):
                return
            self._end_stream(got.serviceId)
            self._streams[got.serviceId] = got.streamId
            self._open.add(connection)
        elif got.type == types.CONNECTION_START:
            if current:
                self._open.add(connection)
            else:
                self.on_unknown_stream()
        elif got.type == types.STREAM_RESET and current:
            self._end_stream(got.serviceId)
        elif got.type == types.CONNECTION_RESET and current:
            self._open.discard(connection)
        elif got.type == types.DATA and current and connection in self._open:
            self.send("DATA", got.streamId, got.serviceId, got.connectionId, got.payload)

    def stream(self, service):
        return self._streams.get(service)

    def _end_stream(self, service):
        self._streams.pop(service, None)
        self._open = {each for each in self._open if each[0] != service}

    def send(self, *fields):
        self._peer.send(message(*fields))

    def reset(self):
        """A new connection has begun."""

    def check(self, got):
        """Called for each message that arrives."""

    def may_start(self, _start):
        return True

    def on_unknown_stream(self):
        """Called when a connection is started in an unknown or ended stream."""


class Library(_Destination):
    """unsent: how many answers it could not send."""

    unsent = 0
    version = None

    def reset(self):
        self.version = None

    def check(self, got):
        if self.version is None and got.type == self._types.STREAM_START:
            self.version = _version(got)
        if self.version not in (None, _version(got)):
            raise _Reconnect

    def send(self, kind, stream, service, connection, *payload):
        if max(stream, connection) >= IDS:
            self.unsent += 1
        else:
            super().send(kind, stream, service, connection, *payload)

    def on_unknown_stream(self):
        raise _Reconnect


class DeviceClient(Library):
    def send(self, kind, stream, service, connection, *payload):
        if self.version != 1:
            self.unsent += 1
        else:
            super().send(kind, stream, "", 0, *payload)


class Reference(_Destination):
    """dropped: how many streams it did not let start."""

    dropped = 0

    def may_start(self, start):
        former = self.stream(start.serviceId)
        if former is None:
            return True
        self.dropped += 1
        self._end_stream(start.serviceId)
        self.send("STREAM_RESET", former, start.serviceId)
        return False
