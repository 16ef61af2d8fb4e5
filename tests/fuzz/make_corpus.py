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

TARGETS = {"message": MESSAGE, "data": DATA, "frame": FRAME, "websocket": WEBSOCKET, "http": HTTP}
for target, seeds in TARGETS.items():
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for seed, content in seeds.items():
        (directory / seed).write_bytes(content)
