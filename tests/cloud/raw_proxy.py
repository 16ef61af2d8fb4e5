"""A proxy on a bare TLS socket: it can send what no WebSocket library would."""

import base64
import os
import select
import socket
import ssl
import struct

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
SUBPROTOCOL = "aws.iot.securetunneling-{}.0"
SECONDS = 10


def tls_context(service):
    context = ssl.create_default_context(cafile=service.ca_file)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def frame(message):
    """A message as a tunnel frame."""
    body = message if isinstance(message, bytes) else message.SerializeToString()
    return struct.pack(">H", len(body)) + body


class Refused(Exception):
    """The upgrade was answered with a status other than 101."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {body}")
        self.status, self.headers, self.body = status, headers, body


class RawProxy:
    """headers: replaces (or with None removes) headers of a valid request; a list gives several values."""

    def __init__(self, service, tunnel, side, version=3, headers=None, target=None, token=None, upgrade=True,
                 pb=None, host="localhost", tls=None):
        self._pb = pb
        plain = socket.create_connection(("127.0.0.1", service.port), SECONDS)
        self.socket = (tls or tls_context(service)).wrap_socket(plain, server_hostname=host,
                                                                 suppress_ragged_eofs=False)
        self._in = b""
        self._tunnel_bytes = b""
        self.headers = {}
        request = {
            "Host": f"{host}:{service.port}",
            "Upgrade": "websocket",
            "Connection": "upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": SUBPROTOCOL.format(version),
            "access-token": token or service.token(tunnel, side),
            "User-Agent": "raw",
        }
        request.update(headers or {})
        lines = [f"GET {target or '/tunnel?local-proxy-mode=' + side} HTTP/1.1"]
        for name, value in request.items():
            values = value if isinstance(value, list) else [] if value is None else [value]
            lines += [f"{name}: {one}" for one in values]
        self.request = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if upgrade:
            self.upgrade()

    def upgrade(self):
        self.socket.sendall(self.request)
        status, self.headers, body = self.read_response()
        if status != 101:
            raise Refused(status, self.headers, body)

    def read_response(self):
        while b"\r\n\r\n" not in self._in:
            self._more()
        head, self._in = self._in.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        status = int(lines[0].split()[1])
        if status == 101:
            return status, headers, ""
        try:
            while len(self._in) < int(headers.get("content-length", 1 << 30)):
                self._more()
        except EOFError:
            assert "content-length" not in headers
        return status, headers, self._in.decode()

    def _more(self):
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise EOFError
        self._in += piece

    def _take(self, count):
        while len(self._in) < count:
            self._more()
        taken, self._in = self._in[:count], self._in[count:]
        return taken

    def send_frame(self, payload, opcode=BINARY, fin=True, masked=True, reserved=0, wide=False):
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        mask_bit = 0x80 if masked else 0
        if wide or len(payload) > 0xFFFF:
            head = struct.pack(">BBQ", first, mask_bit | 127, len(payload))
        elif len(payload) > 125:
            head = struct.pack(">BBH", first, mask_bit | 126, len(payload))
        else:
            head = struct.pack(">BB", first, mask_bit | len(payload))
        if masked:
            mask = os.urandom(4)
            key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
            head += mask
            payload = (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
        self.socket.sendall(head + payload)

    def send(self, *messages):
        """Each message as one tunnel frame in one WebSocket frame."""
        for message in messages:
            self.send_frame(frame(message))

    def read_frame(self):
        """(final, opcode, payload) of the next frame, of any type."""
        first, second = self._take(2)
        assert second & 0x80 == 0, "a server's frames are not masked"
        assert first & 0x70 == 0, "reserved bits"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._take(2))
            assert length > 125
        elif length == 127:
            (length,) = struct.unpack(">Q", self._take(8))
            assert length > 0xFFFF
        assert length <= 131076
        return bool(first & 0x80), first & 0x0F, self._take(length)

    def read(self):
        """The next message, however it was split."""
        while True:
            if len(self._tunnel_bytes) >= 2:
                (length,) = struct.unpack(">H", self._tunnel_bytes[:2])
                if len(self._tunnel_bytes) >= 2 + length:
                    body = self._tunnel_bytes[2 : 2 + length]
                    self._tunnel_bytes = self._tunnel_bytes[2 + length :]
                    return self._pb.Message.FromString(body)
            _, opcode, payload = self.read_frame()
            assert opcode in (BINARY, CONTINUATION), (opcode, payload)
            self._tunnel_bytes += payload

    def read_close(self):
        """(code, reason) of the close frame; everything before it is skipped."""
        while True:
            _, opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return (struct.unpack(">H", payload[:2])[0] if payload else 0), payload[2:].decode()

    def read_end(self):
        """Reads until the connection ends: "tls" for an orderly end, "fin" without an end of TLS, or "rst"."""
        try:
            while self.socket.recv(1 << 18):
                pass
        except (ssl.SSLError, ConnectionError):
            # Python's ssl module reports a reset as an unexpected end; the kernel tells which it was.
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            ((_, events),) = poll.poll(0)
            return "rst" if events & (select.POLLERR | select.POLLHUP) else "fin"
        return "tls"

    def close(self):
        self.socket.close()
