#!/usr/bin/python3
"""Writes the seeds of the fuzz targets into corpus/TARGET, one file a case, named after it.

Files that are there already and have another name, such as inputs that once were a bug, are left alone.
"""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def string(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def data(stream=1, payload=b"payload", service=b"", connection=0):
    message = number(1, 1) + number(2, stream) + string(4, payload)
    if service:
        message += string(5, service)
    if connection:
        message += number(7, connection)
    return message


def tunnel_frame(message):
    return struct.pack(">H", len(message)) + message


def websocket_frame(first, payload):
    if len(payload) < 126:
        return bytes([first, len(payload)]) + payload
    if len(payload) < 65536:
        return bytes([first, 126]) + struct.pack(">H", len(payload)) + payload
    return bytes([first, 127]) + struct.pack(">Q", len(payload)) + payload


DATA = {
    "v1": data(),
    "v2": data(service=b"SSH"),
    "v3": data(service=b"SSH", connection=1),
    "negative-stream": data(stream=-1, service=b"s" * 128, connection=0xFFFFFFFF),
    "long-payload": data(payload=bytes(range(256)), connection=300),
    "ignorable": number(1, 1) + number(2, 5) + number(3, 1) + string(4, b"x"),
    "zeros": number(1, 1) + number(2, 0) + number(3, 0) + string(4, b"") + string(5, b"") + number(7, 0),
    "other-order": string(4, b"x") + number(2, 1) + number(1, 1),
    "payload-twice": number(1, 1) + string(4, b"x") + string(4, b"y"),
    "wide-length": b"\x08\x01\x22\x81\x80\x80\x80\x00x",
    "wide-stream": b"\x08\x01\x10\x81\x80\x80\x80\x10\x22\x01x",
}

MESSAGE = {
    "empty": b"",
    "stream-start-v1": number(1, 2) + number(2, 1),
    "stream-start-v3": number(1, 2) + number(2, 1) + string(5, b"SSH") + number(7, 1),
    "stream-reset": number(1, 3) + number(2, 1) + string(5, b"SSH"),
    "session-reset": number(1, 4),
    "service-ids": number(1, 5) + string(6, b"SSH") + string(6, b"VNC") + string(6, b"http:8080"),
    "connection-start": number(1, 6) + number(2, 1) + string(5, b"SSH") + number(7, 2),
    "connection-reset": number(1, 7) + number(2, 1) + string(5, b"SSH") + number(7, 2),
    "unknown-ignorable": number(1, 99) + number(3, 1),
    "unknown-field": number(1, 1) + number(8, 1),
    "unknown-group": number(1, 1) + b"\x43\x08\x01\x44",
    "wrong-type": string(2, b"1") + number(4, 1),
    "bad-service": number(1, 2) + string(5, b"\xff \x00"),
    "data": DATA["v3"],
}

FRAME = {
    "one": b"\x04" + tunnel_frame(DATA["v3"]),
    "many-in-single-bytes": b"\x01" + b"".join(tunnel_frame(m) for m in list(MESSAGE.values())[:6]),
    "many-at-once": b"\xff" + b"".join(tunnel_frame(m) for m in MESSAGE.values()),
    "empty-messages": b"\x03" + b"\0\0" * 5 + b"\0\1a",
    "unfinished": b"\x10" + tunnel_frame(b"whole") + b"\xff\xffnot whole",
    "half-a-length": b"\x02" + tunnel_frame(b"a") + b"\0",
}

WEBSOCKET = {
    "data": b"\x05" + websocket_frame(0x82, tunnel_frame(DATA["v1"])),
    "ping-and-pong": b"\x01" + websocket_frame(0x89, b"ping") + websocket_frame(0x8A, b""),
    "fragments": b"\x07" + websocket_frame(0x02, b"one") + websocket_frame(0x89, b"between")
    + websocket_frame(0x00, b"") + websocket_frame(0x80, b"two"),
    "length-16": b"\x40" + websocket_frame(0x82, b"x" * 200),
    "length-64-start": b"\x20" + struct.pack(">BBQ", 0x82, 127, 65536) + b"start",
    "close": b"\x09" + websocket_frame(0x82, b"x") + websocket_frame(0x88, b"\x03\xe8bye \xe2\x82\xac"),
    "close-without-code": b"\x02" + websocket_frame(0x88, b""),
    "close-bad-reason": b"\x02" + websocket_frame(0x88, b"\x03\xe8\xed\xa0\x80"),
    "after-close": b"\x03" + websocket_frame(0x88, b"\x03\xe9") + websocket_frame(0x89, b"late"),
    "masked": b"\x03\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    "text": b"\x03" + websocket_frame(0x81, b"Hello"),
}

ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
HTTP = {
    "upgrade": b"\x10HTTP/1.1 101 Switching Protocols\r\n"
    + b"Upgrade: websocket\r\nConnection: Keep-Alive, Upgrade\r\n"
    + ACCEPT + b"Sec-WebSocket-Protocol: aws.iot.securetunneling-3.0\r\nchannel-id: 1\r\n\r\n\x82\x00",
    "upgrade-with-extension": b"\x03HTTP/1.1 101 OK\r\nupgrade:websocket\r\nconnection:upgrade\r\n" + ACCEPT
    + b"sec-websocket-protocol:aws.iot.securetunneling-3.0\r\nsec-websocket-extensions: x\r\n\r\n",
    "refusal": b"\x20HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\nchannel-id: 2\r\n\r\n"
    + b"Invalid access token",
    "refusal-longer-than-its-length": b"\x03HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nwhy not",
    "refusal-in-chunks": b"\x02HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"4\r\nWiki\r\n6;a=b\r\n0\r\n\r\nx\r\n0\r\nMore: x\r\n\r\n",
    "refusal-without-end": b"\x40HTTP/1.0 500 No\r\n\r\n" + b"why " * 300,
    "proxy": b"\x01HTTP/1.0 200 Connection established\r\n\r\n",
    "no-reason": b"\x01HTTP/1.1 407\r\nProxy-Authenticate: Basic realm=\"caf\xe9\"\r\n\r\n",
    "repeated-header": b"\x04HTTP/1.1 200 OK\r\nA: 1\r\na:\t2 \r\nB:\r\n\r\n",
    "folded": b"\x04HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\n\r\n",
    "bare-lf": b"\x04HTTP/1.1 200 OK\nA: 1\n\n",
    "not-http": b"\x04SSH-2.0-OpenSSH_9.2p1\r\n",
}

MONITOR, NET, BRIDGE, RESOLVE, LAUNCH = range(5)
START, READY, NEGOTIATING, UP, SERVING, STOPPING = range(6)


def internal(number, fields=b"", descriptors=0, padding=0):
    """A step of the channel target: a datagram, after its fields so many times 64 zeros."""
    content = struct.pack(">H", number) + fields
    return bytes([6, descriptors, padding, len(content)]) + content


def text(value):
    return struct.pack(">H", len(value)) + value


def texts(*values):
    return struct.pack(">H", len(values)) + b"".join(text(value) for value in values)


SERVICES = texts(b"SSH", b"http:8080")
GRANT = (struct.pack(">BBHIIIBBH", 1, 1, 443, 20000, 128, 60000, 3, 1, 3128) + text(b"proxy") + text(b"u:p")
         + text(b"h") + text(b"aws.iot.securetunneling-3.0") + text(b"access") + text(b"client"))
CHANNEL = {
    "monitor-from-net": bytes([MONITOR, NET, START]) + internal(2, bytes(10) + text(b"uid 0") + b"\4\2")
    + internal(3, b"\4" + text(b"a line")) + bytes([NEGOTIATING]) + internal(6, SERVICES)
    + bytes([SERVING]) + internal(8, struct.pack(">BHH", 1, 0, 1000) + text(b"bye")),
    "monitor-from-bridge": bytes([MONITOR, BRIDGE, READY]) + internal(13, bytes(6)) + internal(14, bytes(4))
    + internal(18, bytes(32)) + internal(29, b"\1"),
    "monitor-from-resolve": bytes([MONITOR, RESOLVE, READY])
    + internal(26, texts(b"\x7f\0\0\1", bytes(15) + b"\1")) + internal(27, text(b"no such host") + b"\1\2"),
    "monitor-from-launch": bytes([MONITOR, LAUNCH, READY]) + internal(33, bytes(5) + b"\x09" + text(b"")),
    "net-from-monitor": bytes([NET, MONITOR, READY]) + internal(5, GRANT, 1) + bytes([UP]) + internal(7, SERVICES)
    + bytes([SERVING]) + internal(4),
    "net-from-bridge": bytes([NET, BRIDGE, SERVING]) + internal(19, bytes(6), 2) + internal(20, bytes(4), 2)
    + internal(21, bytes(4)),
    "bridge-from-monitor": bytes([BRIDGE, MONITOR, READY]) + internal(9, b"\0\1" + text(b"port 22"), 1)
    + internal(10, bytes(2)) + internal(11, bytes(12), 1) + internal(12, b"\1")
    + internal(15, bytes(4) + text(b"[::1]:22"), 1) + internal(16, bytes(4)) + internal(17) + internal(28, bytes(2)),
    "bridge-from-net": bytes([BRIDGE, NET, SERVING]) + internal(22, bytes(6)) + internal(23, bytes(4))
    + internal(24, bytes(4)),
    "resolve-from-monitor": bytes([RESOLVE, MONITOR, READY]) + internal(25, text(b"localhost")),
    "launch-from-monitor": bytes([LAUNCH, MONITOR, READY]) + internal(30, b"\2", 1)
    + internal(31, bytes(4) + b"\1\1") + internal(32, bytes(4)),
    "setup": bytes([LAUNCH, MONITOR, START])
    + internal(1, bytes(16) + b"\4\1\1\1\1\1" + text(b"/f") + texts(b"/d") + text(b"")),
    "too-many-descriptors": bytes([NET, BRIDGE, SERVING]) + internal(19, bytes(6), 6),
    "descriptors-for-one-that-takes-none": bytes([RESOLVE, MONITOR, READY]) + internal(25, text(b"h"), 2),
    "longer-than-any-message": bytes([BRIDGE, NET, SERVING]) + internal(24, padding=255),
    "wrong-direction": bytes([NET, BRIDGE, SERVING]) + internal(5, GRANT, 1),
    "wrong-state": bytes([BRIDGE, NET, READY]) + internal(22, bytes(6)),
}



def announced(choices, ids, mapping):
    message = number(1, 5) + b"".join(string(6, name) for name in ids)
    return bytes([choices]) + struct.pack(">H", len(message)) + message + mapping


SERVICES_OF_TUNNEL = {
    "destination": announced(0, [b"SSH", b"VNC"], b"VNC=5900, SSH=localhost:22"),
    "source": announced(1, [b"SSH", b"VNC"], b"SSH=0,VNC=/run/vnc"),
    "source-without-a-map": announced(1, [b"SSH", b"http:8080"], b""),
    "one-without-an-id": announced(0, [], b"22"),
    "one-with-an-id": announced(1, [b"SSH"], b"0"),
    "first-subprotocol": announced(2, [], b"SSH=22"),
    "another": announced(0, [b"SSH"], b"VNC=22"),
    "too-few": announced(0, [b"SSH", b"VNC"], b"SSH=22"),
    "twice-the-same": announced(1, [b"SSH", b"SSH"], b"SSH=22,VNC=5900"),
}

EXCHANGE = {
    "connect": b"\0\x09HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x03",
    "connect-refused": b"\0\x05HTTP/1.1 407 No\r\nContent-Length: 9\r\nProxy-Authenticate: Basic\r\n\r\nlog in, x",
    "connect-after-interims": b"\0\x10" + b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + b"HTTP/1.1 200 OK\r\n\r\n",
    "too-many-interims": b"\0\xff" + b"HTTP/1.1 102 P\r\n\r\n" * 10,
    "upgrade": b"\1\x08HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n\x82\x02\0\0",
    "refusal-in-chunks": b"\1\x03HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n0\r\n\r\n",
    "refusal-to-the-end": b"\1\x20HTTP/1.0 500 No\r\n\r\n" + b"why " * 300,
    "closed-in-the-head": b"\1\x04HTTP/1.1 101",
    "not-http": b"\0\x04SSH-2.0-OpenSSH_9.2p1\r\n",
}

# Steps of the tunnel target (tunnel_fuzz.cc). Connections are numbered from 0 on.
(CONNECT, CONNECT_LATE, ATTACH, FAIL, WRITE, END, READ, CLOSE, STALL, RECEIVE, DATA_TO, BLOCK, UNBLOCK, TURN,
 RAW) = range(15)
T_DATA, T_START, T_STREAM_RESET, T_SESSION_RESET, T_IDS, T_CONNECTION, T_CONNECTION_RESET = range(1, 8)


def raw(message):
    return bytes([RAW, len(message)]) + message


SOURCE3, DESTINATION3, SOURCE1, DESTINATION2, SOURCE2 = 5, 4, 1, 2, 3
TUNNEL = {
    "source-there-and-back": bytes([SOURCE3, CONNECT, 0, WRITE, 0, 9, TURN, DATA_TO, 0, 9, READ, 0, 255, END, 0, TURN]),
    "source-two-connections": bytes([SOURCE3, CONNECT, 1, CONNECT, 1, WRITE, 1, 200, WRITE, 0, 3, TURN, DATA_TO, 1, 7,
                                     END, 1, TURN, DATA_TO, 0, 7, END, 0, TURN]),
    "source-of-an-older-destination": bytes([SOURCE3, CONNECT, 0, CONNECT, 0, TURN, RECEIVE, T_DATA, 1, 1, 0, 5,
                                             CONNECT, 0, WRITE, 2, 8, TURN]),
    "source-refused": bytes([SOURCE3, CONNECT, 0, WRITE, 0, 9, TURN, RECEIVE, T_CONNECTION_RESET, 1, 1, 1, 0, TURN]),
    "source-session-reset": bytes([SOURCE3, CONNECT, 0, CONNECT, 1, TURN, RECEIVE, T_SESSION_RESET, 0, 0, 0, 0, TURN]),
    "source-version-1": bytes([SOURCE1, CONNECT, 0, WRITE, 0, 9, TURN, CONNECT, 0, WRITE, 1, 9, TURN, DATA_TO, 1, 3]),
    "source-version-2": bytes([SOURCE2, CONNECT, 1, WRITE, 0, 9, TURN, DATA_TO, 0, 3, END, 0, TURN]),
    "source-blocked": bytes([SOURCE3, CONNECT, 0, CONNECT, 1, BLOCK, WRITE, 0, 254, WRITE, 1, 3, TURN, TURN, UNBLOCK, TURN]),
    "destination-there-and-back": bytes([DESTINATION3, RECEIVE, T_START, 7, 1, 1, 0, DATA_TO, 0, 9, ATTACH, 0, TURN,
                                         READ, 0, 255, WRITE, 0, 9, TURN, END, 0, TURN]),
    "destination-many": bytes([DESTINATION3, RECEIVE, T_START, 7, 1, 1, 0]
                              + [b for i in range(2, 7) for b in (RECEIVE, T_CONNECTION, 7, 1, i, 0, ATTACH, i - 1)]
                              + [DATA_TO, 1, 9, TURN, RECEIVE, T_STREAM_RESET, 7, 1, 1, 0, TURN]),
    "destination-that-fails": bytes([DESTINATION3, RECEIVE, T_START, 7, 2, 1, 0, DATA_TO, 0, 9, FAIL, 0, TURN]),
    "destination-full": bytes([DESTINATION3, RECEIVE, T_START, 7, 1, 1, 0, ATTACH, 0]
                              + [DATA_TO, 0, 255] * 12 + [TURN, STALL, 0, TURN]),
    "destination-drains": bytes([DESTINATION3, RECEIVE, T_START, 7, 1, 1, 0, ATTACH, 0] + [DATA_TO, 0, 255] * 4
                                + [RECEIVE, T_CONNECTION_RESET, 7, 1, 1, 0, TURN] + [READ, 0, 255, TURN] * 4),
    "destination-reader-gone": bytes([DESTINATION3, RECEIVE, T_START, 7, 1, 1, 0, ATTACH, 0, CLOSE, 0, DATA_TO, 0, 9, TURN]),
    "destination-version-2": bytes([DESTINATION2, RECEIVE, T_START, 7, 1, 0, 0, ATTACH, 0, DATA_TO, 0, 9, WRITE, 0, 9, TURN,
                                    RECEIVE, T_START, 8, 1, 0, 0, ATTACH, 1, WRITE, 1, 5, TURN, RECEIVE, T_IDS, 0, 0, 0, 0]),
    "destination-raw": bytes([DESTINATION3]) + raw(MESSAGE["stream-start-v3"]) + bytes([ATTACH, 0]) + raw(DATA["v3"])
    + bytes([TURN]) + raw(MESSAGE["connection-reset"]) + bytes([TURN]),
}

TARGETS = {"message": MESSAGE, "data": DATA, "frame": FRAME, "websocket": WEBSOCKET, "http": HTTP,
           "channel": CHANNEL, "services": SERVICES_OF_TUNNEL, "exchange": EXCHANGE,
           "tunnel": TUNNEL}
for target, seeds in TARGETS.items():
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for seed, content in seeds.items():
        (directory / seed).write_bytes(content)
